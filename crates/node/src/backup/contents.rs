//! What is in a backup, and whether that is all that must be.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use state::beginning::{self, Fate, Item, Progression};
use state::directory::Directory;
use state::sharded;
use storage::engine::{Engine, MemoryEngine};
use types::{Batch, KeyRange, KeyspaceId, RegionId};

use super::error::Error;
use super::header::{Begin, End, KeyspaceSection, Scope, Section, ShareSection};
use super::reader::{BackupReader, Visit};
use super::tiles::uncovered;

/// A backup that is whole.
#[derive(Clone, Debug)]
pub struct Contents {
    /// How it begins.
    pub begin: Begin,
    /// How it ends.
    pub end: End,
    /// The cluster it is from, 32 hexadecimal digits; empty where it is from none of ours.
    pub cluster: String,
    /// Nodes, keyspaces, users and roles, if it is of a cluster.
    pub directory: Option<Directory>,
    /// The keyspaces, by number.
    pub keyspaces: Vec<KeyspaceFound>,
}

/// What a backup has of a keyspace.
#[derive(Clone, Debug)]
pub struct KeyspaceFound {
    /// Its number.
    pub id: KeyspaceId,
    /// Its name.
    pub name: String,
    /// Its machine, if that is not the one of keys and values.
    pub machine: Option<String>,
    /// The region of an ordered one; `None` for a sharded one.
    pub region: Option<RegionId>,
    /// Its newest revision; of a sharded one that of the region that is furthest.
    pub revision: i64,
    /// The oldest revision that can be read; 0 if nothing was compacted.
    pub compacted: i64,
    /// Versions of keys that were put; of a sharded one, its keys.
    pub versions: u64,
    /// Versions that say that a key was deleted.
    pub tombstones: u64,
    /// Leases.
    pub leases: u64,
    /// Records of all kinds.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Which keys were taken as of one moment each, in order; none of an ordered one.
    pub shares: Vec<KeyRange>,
}

/// Whoever wants to see the records beside them being looked at.
pub type Take<'a> = &'a mut dyn FnMut(&Section, &Bytes, &Bytes) -> Result<(), Error>;

impl Contents {
    /// Reads all of `input`: if this answers, it is whole, every record can be read, and nothing is missing.
    /// `take` is shown the records on the way, before that is certain.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(input: impl Read, take: Take<'_>) -> Result<Self, Error> {
        let mut collector = Collector {
            take,
            section: None,
            meta: MemoryEngine::new(),
            cluster: None,
            found: BTreeMap::new(),
            progress: None,
            bounds: (Bytes::new(), Bytes::new()),
        };
        let (begin, end) = BackupReader::new(input).read(&mut collector)?;
        collector.close()?;
        let directory = match &collector.cluster {
            Some(_) => Some(beginning::directory(&collector.meta)?),
            None => None,
        };
        let cluster = collector.cluster.unwrap_or_default();
        let mut keyspaces: Vec<_> = collector.found.into_values().collect();
        for keyspace in &mut keyspaces {
            keyspace.shares.sort_by(|a, b| a.start.cmp(&b.start));
        }
        let contents = Self { begin, end, cluster, directory, keyspaces };
        contents.check()?;
        Ok(contents)
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Contents(what));
        for keyspace in self.keyspaces.iter().filter(|it| it.region.is_none()) {
            let name = &keyspace.name;
            let twice = keyspace.shares.windows(2).any(|pair| pair[0].overlaps(&pair[1]));
            if twice {
                return wrong(format!("keys of the keyspace {name:?} are there twice"));
            }
            if let Some(gap) = uncovered(&KeyRange::all(), &keyspace.shares).first() {
                return wrong(format!("keys of the keyspace {name:?} from {:?} on", gap.start));
            }
        }
        match (&self.directory, self.begin.scope) {
            (Some(directory), Scope::Cluster) => self.check_directory(directory),
            (None, Scope::Keyspace) if self.keyspaces.len() == 1 => Ok(()),
            (None, Scope::Keyspace) => wrong("exactly one keyspace".to_owned()),
            (None, Scope::Cluster) => wrong("a directory".to_owned()),
            (Some(_), Scope::Keyspace) => wrong("one keyspace, and no directory".to_owned()),
        }
    }

    fn check_directory(&self, directory: &Directory) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Contents(what));
        if directory.cluster.is_none() {
            return wrong("the cluster's number".to_owned());
        }
        for record in directory.keyspaces.values() {
            let Some(found) = self.keyspaces.iter().find(|found| found.id == record.id) else {
                return wrong(format!("the keyspace {:?}", record.name));
            };
            let region = (!record.is_sharded()).then_some(record.region);
            if (&found.name, &found.machine, found.region)
                != (&record.name, &record.machine, region)
            {
                return wrong(format!("the keyspace {:?} as the directory has it", record.name));
            }
        }
        let mut known = self.keyspaces.iter();
        match known.find(|found| !directory.keyspaces.contains_key(&found.id)) {
            Some(found) => wrong(format!("the keyspace {:?} in the directory", found.name)),
            None => Ok(()),
        }
    }

    /// The keyspace called `name`.
    #[must_use]
    pub fn keyspace(&self, name: &str) -> Option<&KeyspaceFound> {
        self.keyspaces.iter().find(|keyspace| keyspace.name == name)
    }
}

struct Collector<'a> {
    take: Take<'a>,
    section: Option<Section>,
    meta: MemoryEngine,
    cluster: Option<String>,
    found: BTreeMap<KeyspaceId, KeyspaceFound>,
    /// What the record of the open region says of how far it is.
    progress: Option<Progression>,
    /// Where the records of the open share are.
    bounds: (Bytes, Bytes),
}

impl Collector<'_> {
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

    fn begin_keyspace(&mut self, section: &KeyspaceSection) -> Result<(), Error> {
        let (id, region) = (section.keyspace(), section.region());
        if self.found.contains_key(&id) || region.get() <= RegionId::META.get() {
            return Err(Error::Contents(format!("the keyspace {:?} once", section.name)));
        }
        let mut found = KeyspaceFound::new(id, &section.name, Some(region));
        (found.revision, found.compacted) = (section.revision, section.compacted);
        found.machine.clone_from(&section.machine);
        self.found.insert(id, found);
        Ok(())
    }

    fn begin_share(&mut self, section: &ShareSection) -> Result<(), Error> {
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
        found.shares.push(range);
        Ok(())
    }
}

impl KeyspaceFound {
    fn new(id: KeyspaceId, name: &str, region: Option<RegionId>) -> Self {
        Self {
            id,
            name: name.to_owned(),
            machine: None,
            region,
            revision: 0,
            compacted: 0,
            versions: 0,
            tombstones: 0,
            leases: 0,
            records: 0,
            bytes: 0,
            shares: Vec::new(),
        }
    }

    fn count(&mut self, key: &Bytes, value: &Bytes) -> Result<(), Error> {
        self.records += 1;
        self.bytes += (key.len() + value.len()) as u64;
        match beginning::item(key, value)? {
            Item::Version(version, _) if version.kv.is_none() => self.tombstones += 1,
            Item::Version(..) | Item::Newest(_) => self.versions += 1,
            Item::Lease(..) => self.leases += 1,
            Item::Other => {}
        }
        Ok(())
    }
}

impl Visit for Collector<'_> {
    fn section(&mut self, section: &Section) -> Result<(), Error> {
        self.close()?;
        match section {
            Section::Directory(_) if self.cluster.is_some() => {
                return Err(Error::Contents("one directory".to_owned()));
            }
            Section::Directory(directory) => self.cluster = Some(directory.cluster.clone()),
            Section::Keyspace(keyspace) => self.begin_keyspace(keyspace)?,
            Section::Share(share) => self.begin_share(share)?,
            Section::Begin(_) | Section::End(_) => {}
        }
        self.section = Some(section.clone());
        Ok(())
    }

    fn record(&mut self, key: Bytes, value: Bytes) -> Result<(), Error> {
        let Some(section) = &self.section else { return Ok(()) };
        let foreign = || Error::Contents(format!("the record {key:?} where it is"));
        match section {
            Section::Directory(_) => {
                if beginning::fate(RegionId::META, &key).is_none() {
                    return Err(foreign());
                }
                let mut batch = Batch::default();
                batch.put(key.clone(), value.clone());
                self.meta.write(batch)?;
            }
            Section::Keyspace(section) => {
                let fate = beginning::fate(section.region(), &key).ok_or_else(foreign)?;
                if fate == Fate::Applied {
                    self.progress = Some(Progression::decode(value.clone())?);
                }
                if fate != Fate::Left
                    && let Some(found) = self.found.get_mut(&section.keyspace())
                {
                    found.count(&key, &value)?;
                }
            }
            Section::Share(share) => {
                if key < self.bounds.0 || key >= self.bounds.1 {
                    return Err(foreign());
                }
                if let Some(found) = self.found.get_mut(&share.keyspace()) {
                    found.count(&key, &value)?;
                }
            }
            Section::Begin(_) | Section::End(_) => return Err(foreign()),
        }
        (self.take)(section, &key, &value)
    }
}
