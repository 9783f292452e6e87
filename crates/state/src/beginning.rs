//! What a cluster begins with that goes on from records of another one: a backup's, or its own after most
//! of it was lost.

pub mod changes;

use bytes::Bytes;
use types::{Batch, ConfState, Epoch, Index, PeerId, Reader, RegionId, Revision, Term};

use crate::applied::{self, Applied, Progress};
use crate::directory::Directory;
use crate::directory_machine::{self, DirectoryMachine};
use crate::error::LoadError;
use crate::kept::Version;
use crate::keys;
use crate::record::Record;
use crate::response::{KeyValue, Position};
use crate::sharded::{self, Shape};

/// How far the change of the peers counts on at once when they are no longer those the log tells of: more
/// than what can still be told of them, and little of the 32 bits that replicas are numbered with by it.
const NEW_PEERS: u64 = 1 << 20;

/// Where the log of a region begins that was not born in this cluster: after position 1.
const FIRST: (Index, Term) = (Index(1), Term(1));

/// What becomes of a region's record where another cluster begins with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is kept as it is.
    Kept,
    /// How far the log was applied: that is another one now ([`Progression`]).
    Applied,
    /// It is of those who took part in the cluster before: outcomes of their commands, their alarms.
    Left,
}

/// What becomes of the record under `key`; `None` if it is not the region's.
#[must_use]
pub fn fate(region: RegionId, key: &[u8]) -> Option<Fate> {
    let rest = key.strip_prefix(&region.get().to_be_bytes())?;
    Some(match rest.first()? {
        b'A' => Fate::Applied,
        b'S' | b'N' => Fate::Left,
        _ => Fate::Kept,
    })
}

/// How far a key space has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progression {
    /// How far the log was applied.
    pub index: Index,
    /// The newest revision.
    pub revision: Revision,
    /// The oldest readable revision; 0 if nothing was compacted.
    pub compacted: Revision,
    scavenged: Revision,
}

impl Progression {
    /// One whose log begins here.
    #[must_use]
    pub fn new(revision: Revision, compacted: Revision) -> Self {
        Self { index: FIRST.0, revision, compacted, scavenged: Revision(0) }
    }

    /// What `reader` has of the region.
    ///
    /// # Errors
    /// The reader's; a damaged record.
    pub fn stored(region: RegionId, reader: &dyn Reader) -> Result<Self, LoadError> {
        let stored = applied::stored_whole(region, reader)?;
        Ok(Self::of(&stored.applied, &stored.progress))
    }

    /// What the record under [`Fate::Applied`] says.
    ///
    /// # Errors
    /// A damaged record.
    pub fn decode(record: Bytes) -> Result<Self, LoadError> {
        let stored = applied::decode(record);
        let stored = stored.map_err(|error| LoadError::Damaged(error.to_string()))?;
        Ok(Self::of(&stored.applied, &stored.progress))
    }

    fn of(applied: &Applied, progress: &Progress) -> Self {
        let Progress { revision, compacted, scavenged } = *progress;
        Self { index: applied.index, revision, compacted, scavenged }
    }

    /// The same, of records older than it beside those it is of: what a compaction put out of reach may be
    /// among them.
    #[must_use]
    pub fn with_older(self, older: &Self) -> Self {
        Self { scavenged: self.scavenged.min(older.scavenged), ..self }
    }

    /// Adds the record of a region that begins with this state and these voters. `shape` is what it owns, if
    /// it is one of a sharded keyspace.
    pub fn begin(
        &self,
        region: RegionId,
        voters: Vec<PeerId>,
        shape: Option<&Shape>,
        batch: &mut Batch,
    ) {
        let (index, term) = FIRST;
        let conf_state = ConfState { voters, ..ConfState::default() };
        let epoch = Epoch { version: 1, conf_ver: 1 };
        let applied = Applied { index, term, conf_state, epoch };
        let progress = Progress {
            revision: self.revision,
            compacted: self.compacted,
            scavenged: self.scavenged,
        };
        batch.put(keys::applied(region), applied::encode(&applied, &progress, shape));
    }
}

/// The record of how far a region is applied, with `voter` as the only one who takes part from here on.
///
/// # Errors
/// The reader's; a damaged record.
pub fn alone(
    region: RegionId,
    voter: PeerId,
    reader: &dyn Reader,
    batch: &mut Batch,
) -> Result<Applied, LoadError> {
    let mut stored = applied::stored_whole(region, reader)?;
    let applied = &mut stored.applied;
    applied.conf_state = ConfState { voters: vec![voter], ..ConfState::default() };
    applied.epoch.conf_ver = applied.epoch.conf_ver.saturating_add(NEW_PEERS);
    let record = applied::encode(applied, &stored.progress, stored.shape.as_ref());
    batch.put(keys::applied(region), record);
    Ok(stored.applied)
}

/// The directory that `reader` has.
///
/// # Errors
/// The reader's; a damaged record.
pub fn directory(reader: &dyn Reader) -> Result<Directory, LoadError> {
    Ok(load(reader)?.directory().clone())
}

/// Puts what `change` makes of the directory that `reader` has in its place.
///
/// # Errors
/// The reader's; a damaged record.
pub fn rewrite_directory(
    reader: &dyn Reader,
    batch: &mut Batch,
    change: impl FnOnce(&mut Directory),
) -> Result<Directory, LoadError> {
    let machine = load(reader)?;
    let (from, to) = directory_machine::records(RegionId::META);
    reader.scan(&from, &to, &mut |key, _| {
        batch.delete(key);
        true
    })?;
    Ok(machine.rewritten(batch, change))
}

fn load(reader: &dyn Reader) -> Result<DirectoryMachine, LoadError> {
    DirectoryMachine::load(RegionId::META, reader).map_err(Into::into)
}

/// Something a client knows of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A version of a key, and which one it took the place of.
    Version(Version, Option<Position>),
    /// A lease: its number and its time to live in seconds.
    Lease(types::LeaseId, i64),
    /// The newest version of a key of a sharded keyspace.
    Newest(KeyValue),
    /// Nothing, or nothing of keys.
    Other,
}

/// What the record of an ordered keyspace's region under `key` is.
///
/// # Errors
/// A damaged record.
pub fn item(key: &Bytes, value: &Bytes) -> Result<Item, LoadError> {
    let damaged =
        |error: &dyn core::fmt::Display| LoadError::Damaged(format!("the record {key:?}: {error}"));
    if let Some(position) = keys::position(key) {
        let record = Record::decode(value).map_err(|error| damaged(&error))?;
        let (own, before) = (record.key.clone(), record.overtakes());
        let kv = record.into_key_value(position);
        return Ok(Item::Version(Version { position, key: own, kv }, before));
    }
    if let Some(id) = keys::lease_id(key) {
        let ttl = crate::leases::decode(value.clone()).map_err(|error| damaged(&error))?;
        return Ok(Item::Lease(id, ttl));
    }
    if let Some(own) = keys::data_key(key) {
        let kv = sharded::decode_newest(own, value.clone()).map_err(|error| damaged(&error))?;
        return Ok(Item::Newest(kv));
    }
    Ok(Item::Other)
}

/// The record of a lease: its key and its value.
#[must_use]
pub fn lease(region: RegionId, id: types::LeaseId, ttl_seconds: i64) -> (Bytes, Bytes) {
    (keys::lease(region, id), crate::leases::encode(ttl_seconds))
}

/// Makes the records of versions, which are to come in their order.
#[derive(Default)]
pub struct Versions {
    newest: std::collections::BTreeMap<Bytes, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    position: Position,
    create_revision: Revision,
    deleted: bool,
    reborn: bool,
}

impl Versions {
    /// The record of `version`: its key and its value. What it says of where the version before lies comes
    /// from those that were asked for before.
    #[must_use]
    pub fn record(&mut self, region: RegionId, version: &Version) -> (Bytes, Bytes) {
        let known = self.newest.get(&version.key).copied();
        let record = match &version.kv {
            Some(kv) => Record {
                key: version.key.clone(),
                value: kv.value.clone(),
                create_revision: kv.create_revision,
                version: kv.version,
                lease: kv.lease,
                flags: kv.flags,
                lock_index: kv.lock_index,
                session: kv.session.clone(),
                deleted: false,
                reborn: known.is_some_and(|known| known.deleted || known.reborn),
                previous: known.map(|known| known.position),
            },
            None => Record {
                key: version.key.clone(),
                create_revision: known.map(|known| known.create_revision).unwrap_or_default(),
                deleted: true,
                reborn: known.is_some_and(|known| known.reborn),
                previous: known.map(|known| known.position),
                ..Record::default()
            },
        };
        let now = Known {
            position: version.position,
            create_revision: record.create_revision,
            deleted: record.deleted,
            reborn: record.reborn,
        };
        self.newest.insert(version.key.clone(), now);
        (keys::record(region, version.position), record.encode())
    }

    /// Keys whose newest version is no tombstone.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.newest.values().filter(|known| !known.deleted).count()
    }
}
