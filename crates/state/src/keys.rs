//! The keys of a region's engine records; drawn in `docs/format.md`, section "State records".

use bytes::Bytes;
use types::{Index, KeyRange, KeyspaceId, LeaseId, NodeId, RegionId, Revision};

use crate::alarms::{Alarm, AlarmKind};
use crate::response::Position;

/// Every version of every key.
const RECORD: u8 = b'R';
const LEASE: u8 = b'L';
/// Alarms.
const ALARM: u8 = b'N';
const SESSIONS: u8 = b'S';
const APPLIED: u8 = b'A';
/// What a custom machine keeps.
const CUSTOM: u8 = b'U';
/// What the registry keeps; what is behind it is the matter of `registry::keys`.
pub(crate) const REGISTRY: u8 = b'G';
/// Bytes in front of a custom machine's own key.
pub(crate) const CUSTOM_PREFIX: usize = 9;

/// Every engine key of a region: from the first, inclusive, to the second, exclusive.
#[must_use]
pub fn region_range(region: RegionId) -> (Bytes, Bytes) {
    let start = region.get().to_be_bytes();
    let end = match region.get().checked_add(1) {
        Some(next) => Bytes::copy_from_slice(&next.to_be_bytes()),
        // Longer than any start, so that the last region's keys lie below it.
        None => Bytes::from_static(&[0xff; 32]),
    };
    (Bytes::copy_from_slice(&start), end)
}

/// Every engine key of all regions.
pub(crate) fn regions() -> (Bytes, Bytes) {
    let end = OF_KEYSPACE.to_be_bytes();
    (region_range(RegionId::META).0, Bytes::copy_from_slice(&end))
}

/// The length of the prefix that the versions of one region have in common, where `key` is of one:
/// they are written in ascending order, each once.
#[must_use]
pub fn version_prefix(key: &[u8]) -> Option<usize> {
    (key.get(8) == Some(&RECORD)).then_some(9)
}

/// Before every region's keys: the engine's users have notes of their own there, this one's begin with 2.
const FAREWELL: [u8; 9] = [0, 0, 0, 0, 0, 0, 0, 0, 2];

/// The note that a region's replica leaves this node.
pub(crate) fn farewell(region: RegionId) -> Bytes {
    [FAREWELL.as_slice(), &region.get().to_be_bytes()].concat().into()
}

pub(crate) fn farewells() -> (Bytes, Bytes) {
    let mut end = FAREWELL;
    end[8] += 1;
    (Bytes::from_static(&FAREWELL), Bytes::copy_from_slice(&end))
}

fn tagged(region: RegionId, tag: u8, rest: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(9 + rest.len());
    key.extend_from_slice(&region.get().to_be_bytes());
    key.push(tag);
    key.extend_from_slice(rest);
    key.into()
}

fn tag_range(region: RegionId, tag: u8) -> (Bytes, Bytes) {
    (tagged(region, tag, &[]), tagged(region, tag + 1, &[]))
}

pub(crate) fn record(region: RegionId, position: Position) -> Bytes {
    let mut rest = [0; 12];
    rest[..8].copy_from_slice(&position.revision.get().to_be_bytes());
    rest[8..].copy_from_slice(&position.sub.to_be_bytes());
    tagged(region, RECORD, &rest)
}

/// The records of every revision from `from` up to and including `to`.
pub(crate) fn records(region: RegionId, from: Position, to: Revision) -> (Bytes, Bytes) {
    let after = Revision(to.get().saturating_add(1));
    (record(region, from), record(region, Position { revision: after, sub: 0 }))
}

pub(crate) fn all_records(region: RegionId) -> (Bytes, Bytes) {
    tag_range(region, RECORD)
}

/// Which version a record's key names; `None` if it is not a record's key.
pub(crate) fn position(key: &[u8]) -> Option<Position> {
    let rest = key.get(8..).and_then(|rest| rest.strip_prefix(&[RECORD]))?;
    let (revision, sub) = rest.split_first_chunk::<8>()?;
    let sub = u32::from_be_bytes(sub.try_into().ok()?);
    Some(Position { revision: Revision(i64::from_be_bytes(*revision)), sub })
}

/// Whether an engine key is of this region.
pub(crate) fn is_of(region: RegionId, key: &[u8]) -> bool {
    key.starts_with(&region.get().to_be_bytes())
}

/// The first version of a region whose record's key is not before `key`; `None` if there is none.
pub(crate) fn position_from(region: RegionId, key: &[u8]) -> Option<Position> {
    let (start, end) = all_records(region);
    if key <= &*start {
        return Some(Position::default());
    }
    if key >= &*end {
        return None;
    }
    let mut rest = [0; 12];
    let given = key.get(start.len()..).unwrap_or_default();
    let count = given.len().min(rest.len());
    rest[..count].copy_from_slice(&given[..count]);
    let [revision, sub] = [&rest[..8], &rest[8..]];
    let revision = i64::from_be_bytes(revision.try_into().ok()?);
    let position =
        Position { revision: Revision(revision), sub: u32::from_be_bytes(sub.try_into().ok()?) };
    match given.len() > rest.len() {
        false => Some(position),
        true => after(position),
    }
}

/// The position that comes next.
fn after(Position { revision, sub }: Position) -> Option<Position> {
    match sub.checked_add(1) {
        Some(sub) => Some(Position { revision, sub }),
        None => Some(Position { revision: Revision(revision.get().checked_add(1)?), sub: 0 }),
    }
}

pub(crate) fn lease(region: RegionId, lease: LeaseId) -> Bytes {
    tagged(region, LEASE, &lease.get().to_be_bytes())
}

pub(crate) fn leases(region: RegionId) -> (Bytes, Bytes) {
    tag_range(region, LEASE)
}

/// Which lease a lease record's key names.
pub(crate) fn lease_id(key: &[u8]) -> Option<LeaseId> {
    let rest = key.get(8..).and_then(|rest| rest.strip_prefix(&[LEASE]))?;
    Some(LeaseId(i64::from_be_bytes(rest.try_into().ok()?)))
}

pub(crate) fn alarm(region: RegionId, alarm: Alarm) -> Bytes {
    let mut rest = [0; 9];
    rest[0] = alarm.kind as u8;
    rest[1..].copy_from_slice(&alarm.node.get().to_be_bytes());
    tagged(region, ALARM, &rest)
}

pub(crate) fn alarms(region: RegionId) -> (Bytes, Bytes) {
    tag_range(region, ALARM)
}

/// Which alarm a key names.
pub(crate) fn alarm_of(key: &[u8]) -> Option<Alarm> {
    let rest = key.get(8..).and_then(|rest| rest.strip_prefix(&[ALARM]))?;
    let (kind, node) = rest.split_first()?;
    let node = NodeId(u64::from_be_bytes(node.try_into().ok()?));
    Some(Alarm { kind: AlarmKind::from_u8(*kind)?, node })
}

pub(crate) fn session(region: RegionId, batch: Index) -> Bytes {
    tagged(region, SESSIONS, &batch.get().to_be_bytes())
}

pub(crate) fn sessions(region: RegionId) -> (Bytes, Bytes) {
    tag_range(region, SESSIONS)
}

/// The index a session record's key names.
pub(crate) fn session_index(key: &[u8]) -> Option<Index> {
    let rest = key.get(8..).and_then(|rest| rest.strip_prefix(&[SESSIONS]))?;
    Some(Index(u64::from_be_bytes(rest.try_into().ok()?)))
}

pub(crate) fn applied(region: RegionId) -> Bytes {
    tagged(region, APPLIED, &[])
}

pub(crate) fn custom(region: RegionId, key: &[u8]) -> Bytes {
    tagged(region, CUSTOM, key)
}

pub(crate) fn all_custom(region: RegionId) -> (Bytes, Bytes) {
    tag_range(region, CUSTOM)
}

pub(crate) fn all_registry(region: RegionId) -> (Bytes, Bytes) {
    tag_range(region, REGISTRY)
}

/// Set in the first eight bytes of what belongs to a keyspace, and not to a region: no region has such
/// a number.
const OF_KEYSPACE: u64 = 1 << 63;
/// The first engine key of the keyspaces whose records are all kept in memory; nothing else lies behind it.
pub const RESIDENT_FROM: &[u8] = &[0x80, 0, 0, 0, 0x80, 0, 0, 0];
/// The newest version of a key of a sharded keyspace.
const DATA: u8 = b'K';
/// Bytes in front of such a key.
pub(crate) const DATA_PREFIX: usize = 9;

pub(crate) fn data(keyspace: KeyspaceId, key: &[u8]) -> Bytes {
    let mut at = Vec::with_capacity(DATA_PREFIX + key.len());
    at.extend_from_slice(&(OF_KEYSPACE | u64::from(keyspace.get())).to_be_bytes());
    at.push(DATA);
    at.extend_from_slice(key);
    at.into()
}

/// The key of a sharded keyspace that an engine key names.
#[must_use]
pub fn data_key(key: &Bytes) -> Option<Bytes> {
    let (front, rest) = key.split_first_chunk::<8>()?;
    let is_one = u64::from_be_bytes(*front) & OF_KEYSPACE != 0 && rest.first() == Some(&DATA);
    is_one.then(|| key.slice(DATA_PREFIX..))
}

/// Where the keys of a sharded keyspace that lie in `range` are.
#[must_use]
pub fn data_range(keyspace: KeyspaceId, range: &KeyRange) -> (Bytes, Bytes) {
    let end = match &range.end {
        Some(end) => data(keyspace, end),
        None => {
            let mut end = data(keyspace, &[]).to_vec();
            end[DATA_PREFIX - 1] += 1;
            end.into()
        }
    };
    (data(keyspace, &range.start), end)
}

/// Everything the engine has of a region, in the order of the keys: its own records, and the keys it
/// owns in a sharded keyspace.
#[must_use]
pub fn region_ranges(
    region: RegionId,
    owned: Option<(KeyspaceId, &KeyRange)>,
) -> Vec<(Bytes, Bytes)> {
    let mut ranges = vec![region_range(region)];
    ranges.extend(owned.map(|(keyspace, range)| data_range(keyspace, range)));
    ranges
}
