//! Looks at what is in a backup while it is read.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::beginning::{self, Fate, Progression, changes};
use state::sharded;
use storage::engine::{Engine, MemoryEngine};
use types::{Batch, KeyspaceId, RegionId};

use super::contents::{Contents, KeyspaceFound, ShareFound, Take};
use super::error::Error;
use super::header::{Begin, End, KeyspaceSection, Section, ShareSection};
use super::kept::{self, Keys, Marked};
use super::marks;
use super::reader::Visit;

/// Follows the reading of a backup, and knows what was in it.
pub(super) struct Collector<'a> {
    take: Take<'a>,
    section: Option<Section>,
    meta: MemoryEngine,
    cluster: Option<String>,
    directory_at: u64,
    found: BTreeMap<KeyspaceId, KeyspaceFound>,
    /// What the record of the open region says of how far it is.
    progress: Option<Progression>,
    /// Where the records of the open share are.
    bounds: (Bytes, Bytes),
}

impl<'a> Collector<'a> {
    pub(super) fn new(take: Take<'a>) -> Self {
        Self {
            take,
            section: None,
            meta: MemoryEngine::new(),
            cluster: None,
            directory_at: 0,
            found: BTreeMap::new(),
            progress: None,
            bounds: (Bytes::new(), Bytes::new()),
        }
    }

    /// What was in it, if that is all that must be.
    pub(super) fn contents(mut self, begin: Begin, end: End) -> Result<Contents, Error> {
        self.close()?;
        let directory = match &self.cluster {
            Some(_) => Some(beginning::directory(&self.meta)?),
            None => None,
        };
        let cluster = self.cluster.unwrap_or_else(|| begin.cluster.clone());
        if !begin.cluster.is_empty() && begin.cluster != cluster {
            return Err(Error::Contents("one cluster".to_owned()));
        }
        let mut keyspaces: Vec<_> = self.found.into_values().collect();
        for keyspace in &mut keyspaces {
            keyspace.shares.sort_by(|a, b| a.range.start.cmp(&b.range.start));
        }
        // Where both say it, the node that was asked knew of itself before the directory did.
        let mut nodes = begin.nodes.clone();
        nodes.extend(directory.iter().flat_map(marks::known));
        let directory_at = self.directory_at;
        let contents = Contents { begin, end, cluster, nodes, directory, keyspaces, directory_at };
        contents.check()?;
        Ok(contents)
    }

    /// The stream before is whole.
    fn close(&mut self) -> Result<(), Error> {
        let section = self.section.take();
        let progress = self.progress.take();
        let Some(Section::Keyspace(section)) = section else { return Ok(()) };
        let wanted = (section.revision, section.compacted);
        // One that was just made has no record of it.
        let progress = progress.map_or((1, 0), |it| (it.revision.get(), it.compacted.get()));
        if progress != wanted {
            let name = section.name;
            return Err(Error::Contents(format!("how far the keyspace {name:?} has come")));
        }
        Ok(())
    }

    fn begin_keyspace(&mut self, section: &KeyspaceSection, at: u64) -> Result<(), Error> {
        let (id, region) = (section.keyspace(), section.region());
        if self.found.contains_key(&id) || region.get() <= RegionId::META.get() {
            return Err(Error::Contents(format!("the keyspace {:?} once", section.name)));
        }
        let mut found = KeyspaceFound::new(id, &section.name, Some(region));
        (found.revision, found.compacted) = (section.revision, section.compacted);
        (found.since, found.at) = (section.since, at);
        found.machine.clone_from(&section.machine);
        self.found.insert(id, found);
        Ok(())
    }

    fn begin_share(&mut self, section: &ShareSection, at: u64) -> Result<(), Error> {
        let (id, range) = (section.keyspace(), section.range()?);
        let found = self.found.entry(id);
        let found = found.or_insert_with(|| {
            let new = KeyspaceFound::new(id, &section.name, None);
            KeyspaceFound { machine: Some(sharded::MACHINE.to_owned()), ..new }
        });
        if found.region.is_some() || found.name != section.name {
            return Err(Error::Contents(format!("one keyspace {:?}", section.name)));
        }
        found.revision = found.revision.max(section.revision);
        self.bounds = state::keys::data_range(id, &range);
        let ShareSection { revision, since, .. } = *section;
        found.shares.push(ShareFound { range, revision, since, at });
        Ok(())
    }

    /// A record that is here.
    fn came(&mut self, section: &Section, key: &Bytes, value: &Bytes) -> Result<(), Error> {
        match section {
            Section::Directory(_) => {
                if beginning::fate(RegionId::META, key).is_none() {
                    return Err(foreign(key));
                }
                let mut batch = Batch::default();
                batch.put(key.clone(), value.clone());
                self.meta.write(batch)?;
            }
            Section::Keyspace(section) => {
                let fate = beginning::fate(section.region(), key).ok_or_else(|| foreign(key))?;
                if fate == Fate::Applied {
                    self.progress = Some(Progression::decode(value.clone())?);
                }
                // What is older is in the backup before, and would take its place.
                if let (Some(since), Some(at)) = (section.since, changes::version_at(key))
                    && at.get() <= since.revision
                {
                    return Err(foreign(key));
                }
                if fate != Fate::Left
                    && let Some(found) = self.found.get_mut(&section.keyspace())
                {
                    found.count(key, value)?;
                }
            }
            Section::Share(share) => {
                if *key < self.bounds.0 || *key >= self.bounds.1 {
                    return Err(foreign(key));
                }
                if let Some(found) = self.found.get_mut(&share.keyspace()) {
                    found.count(key, value)?;
                }
            }
            Section::Begin(_) | Section::End(_) => return Err(foreign(key)),
        }
        (self.take)(section, key, value)
    }

    /// Keys of records that are in the backup before.
    fn stayed(&mut self, section: &Section, keys: Keys) -> Result<(), Error> {
        let mut count = 0;
        for key in keys {
            let key = key?;
            let fits = match section {
                Section::Keyspace(section) => {
                    let since = section.since.map_or(0, |since| since.revision);
                    beginning::fate(section.region(), &key).is_some()
                        && changes::version_at(&key).is_some_and(|at| at.get() <= since)
                }
                _ => self.bounds.0 <= key && key < self.bounds.1,
            };
            if !fits {
                return Err(foreign(&key));
            }
            count += 1;
        }
        let keyspace = match section {
            Section::Keyspace(section) => section.keyspace(),
            Section::Share(share) => share.keyspace(),
            _ => return Ok(()),
        };
        if let Some(found) = self.found.get_mut(&keyspace) {
            found.stayed += count;
        }
        Ok(())
    }
}

fn foreign(key: &Bytes) -> Error {
    Error::Contents(format!("the record {key:?} where it is"))
}

impl Visit for Collector<'_> {
    fn section(&mut self, section: &Section, at: u64) -> Result<(), Error> {
        self.close()?;
        match section {
            Section::Directory(_) if self.cluster.is_some() => {
                return Err(Error::Contents("one directory".to_owned()));
            }
            Section::Directory(directory) => {
                (self.cluster, self.directory_at) = (Some(directory.cluster.clone()), at);
            }
            Section::Keyspace(keyspace) => self.begin_keyspace(keyspace, at)?,
            Section::Share(share) => self.begin_share(share, at)?,
            Section::Begin(_) | Section::End(_) => {}
        }
        self.section = Some(section.clone());
        Ok(())
    }

    fn record(&mut self, key: Bytes, value: Bytes) -> Result<(), Error> {
        let Some(section) = self.section.take() else { return Ok(()) };
        let taken = match section.is_marked() {
            false => self.came(&section, &key, &value),
            true => match kept::read(&key, &value)? {
                Marked::Came(value) => self.came(&section, &key, &value),
                Marked::Stayed(keys) => self.stayed(&section, keys),
            },
        };
        self.section = Some(section);
        taken
    }
}
