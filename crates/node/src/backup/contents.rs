//! What is in a backup, and whether that is all that must be.

use std::io::Read;

use bytes::Bytes;
use state::beginning::{self, Item};
use state::directory::Directory;
use types::{KeyRange, KeyspaceId, RegionId};

use super::collect::Collector;
use super::error::Error;
use super::header::{Begin, End, KeyspaceSince, Scope, Section};
use super::marks::Marks;
use super::reader::BackupReader;
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
    /// Which nodes that had, each with its data directory.
    pub nodes: Marks,
    /// Nodes, keyspaces, users and roles, if it is of a cluster.
    pub directory: Option<Directory>,
    /// The keyspaces, by number.
    pub keyspaces: Vec<KeyspaceFound>,
    /// Where the directory begins.
    pub(super) directory_at: u64,
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
    pub shares: Vec<ShareFound>,
    /// What of an ordered one is in the backup before.
    pub since: Option<KeyspaceSince>,
    /// Records that are in the backup before, where they are listed.
    pub stayed: u64,
    /// Where an ordered one begins.
    pub(super) at: u64,
}

/// Keys of a sharded keyspace as of one moment.
#[derive(Clone, Debug)]
pub struct ShareFound {
    /// Which.
    pub range: KeyRange,
    /// The newest revision of the region they are from.
    pub revision: i64,
    /// The revision the backup before has the first of them at, if those that stayed are only listed.
    pub since: Option<i64>,
    /// Where they begin.
    pub(super) at: u64,
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
        let mut collector = Collector::new(take);
        let (begin, end) = BackupReader::new(input).read(&mut collector)?;
        collector.contents(begin, end)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Contents(what));
        for keyspace in self.keyspaces.iter().filter(|it| it.region.is_none()) {
            let name = &keyspace.name;
            let ranges: Vec<_> = keyspace.shares.iter().map(|share| share.range.clone()).collect();
            let twice = ranges.windows(2).any(|pair| pair[0].overlaps(&pair[1]));
            if twice {
                return wrong(format!("keys of the keyspace {name:?} are there twice"));
            }
            if let Some(gap) = uncovered(&KeyRange::all(), &ranges).first() {
                return wrong(format!("keys of the keyspace {name:?} from {:?} on", gap.start));
            }
        }
        let parts = self.keyspaces.iter().find(|it| it.is_partial());
        if let (Some(part), None) = (parts, &self.begin.since) {
            return wrong(format!("all of the keyspace {:?}", part.name));
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
            let Some(found) = self.keyspace_of(record.id) else {
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

    /// Files that a restore of it reads: it, and those that must come before it.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.begin.since.as_ref().map_or(1, |since| since.files.saturating_add(1))
    }

    /// The keyspace with this number.
    pub(super) fn keyspace_of(&self, id: KeyspaceId) -> Option<&KeyspaceFound> {
        let at = self.keyspaces.binary_search_by_key(&id, |keyspace| keyspace.id).ok()?;
        self.keyspaces.get(at)
    }

    /// The keyspace called `name`.
    #[must_use]
    pub fn keyspace(&self, name: &str) -> Option<&KeyspaceFound> {
        self.keyspaces.iter().find(|keyspace| keyspace.name == name)
    }
}

impl KeyspaceFound {
    pub(super) fn new(id: KeyspaceId, name: &str, region: Option<RegionId>) -> Self {
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
            since: None,
            stayed: 0,
            at: 0,
        }
    }

    /// Whether some of it is in the backup before.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.since.is_some() || self.shares.iter().any(|share| share.since.is_some())
    }

    pub(super) fn count(&mut self, key: &Bytes, value: &Bytes) -> Result<(), Error> {
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
