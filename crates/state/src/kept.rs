//! What a keyspace keeps, in order, read whole from a frozen view: for its hash and its snapshots.
//!
//! What is *kept* is a rule, not what happens to lie there: scavenging removes what the compaction
//! made unreachable in each replica's own time, so a walk here passes over that, removed or not.

use bytes::Bytes;
use types::{LeaseId, ReadFailure, Reader, RegionId, Revision};

use crate::error::damaged;
use crate::keys;
use crate::record::Record;
use crate::response::{KeyValue, Position};

/// Positions known at once of versions that later ones took the place of, 16 bytes each. More of them
/// cost another pass over the records.
const OVERTAKEN: usize = 1 << 20;

/// What is to be walked over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The region.
    pub region: RegionId,
    /// Its newest revision.
    pub revision: Revision,
    /// Its oldest readable revision; 0 if nothing was compacted.
    pub compacted: Revision,
    pub(crate) scavenged: Revision,
}

/// Which versions of before the compacted revision count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// Those that can be read at the compacted revision, and tombstones that stand at it.
    Readable,
    /// Those that are still the newest of their key at the last revision of the walk (the rule of
    /// etcd's `HashKV`); no tombstones.
    Newest,
}

/// One version of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Where it is kept.
    pub position: Position,
    /// The key.
    pub key: Bytes,
    /// The record; `None` for a tombstone.
    pub kv: Option<KeyValue>,
}

impl Kept {
    /// Shows `visit` every version kept up to and with the revision `until`, in order, until it answers
    /// `false`. `reader` must be a view taken while the machine that gave this was held.
    ///
    /// Memory is bounded: where the walk has to find out what was overtaken, it knows a million
    /// positions at a time.
    ///
    /// # Errors
    /// The engine's; a damaged record.
    pub fn versions(
        &self,
        reader: &dyn Reader,
        until: Revision,
        before: Before,
        visit: &mut dyn FnMut(Version) -> bool,
    ) -> Result<(), ReadFailure> {
        self.walk(reader, until, before, OVERTAKEN, visit)
    }

    fn walk(
        &self,
        reader: &dyn Reader,
        until: Revision,
        before: Before,
        at_once: usize,
        visit: &mut dyn FnMut(Version) -> bool,
    ) -> Result<(), ReadFailure> {
        let mut from = Some(Position::default());
        let mut more = true;
        while more && let Some(start) = from {
            let overtaken = self.overtaken(reader, start, until, before, at_once)?;
            let last = overtaken.known_to;
            let mut known = overtaken.positions.into_iter().peekable();
            from = last.map(after);
            self.each(reader, start, from, until, &mut |version| {
                let position = version.position;
                if position.revision <= self.compacted {
                    let stays = before == Before::Readable && position.revision == self.compacted;
                    if version.kv.is_none() && !stays {
                        return true;
                    }
                    while known.next_if(|at| *at < position).is_some() {}
                    if known.peek() == Some(&position) {
                        return true;
                    }
                }
                more = visit(version);
                more
            })?;
        }
        Ok(())
    }

    /// The versions at `start` and later, up to the compacted revision, that a later one took the
    /// place of.
    fn overtaken(
        &self,
        reader: &dyn Reader,
        start: Position,
        until: Revision,
        before: Before,
        at_once: usize,
    ) -> Result<Overtaken, ReadFailure> {
        let mut found = Overtaken::default();
        let last = match before {
            Before::Readable => self.compacted.min(until),
            Before::Newest => until,
        };
        if start.revision > self.compacted || self.scavenged >= last {
            return Ok(found);
        }
        let first = Position { revision: Revision(self.scavenged.get() + 1), sub: 0 };
        let (from, to) = keys::records(self.region, first, last);
        let mut failure = None;
        reader.scan(&from, &to, &mut |key, value| {
            match Record::decode_overtaken(&value) {
                Ok(Some(at)) if at >= start && at.revision <= self.compacted => {
                    found.add(at, at_once);
                }
                Ok(_) => {}
                Err(error) => failure = Some(damaged(&format!("the record {key:?}"), &error)),
            }
            failure.is_none()
        })?;
        found.positions.sort_unstable();
        failure.map_or(Ok(found), Err)
    }

    /// Every record from `start` on, before `end`.
    fn each(
        &self,
        reader: &dyn Reader,
        start: Position,
        end: Option<Position>,
        until: Revision,
        visit: &mut dyn FnMut(Version) -> bool,
    ) -> Result<(), ReadFailure> {
        let (from, mut to) = keys::records(self.region, start, until);
        if let Some(end) = end {
            to = to.min(keys::record(self.region, end));
        }
        let mut failure = None;
        reader.scan(&from, &to, &mut |key, value| match (
            keys::position(&key),
            Record::decode(&value),
        ) {
            (Some(position), Ok(record)) => {
                let key = record.key.clone();
                visit(Version { position, key, kv: record.into_key_value(position) })
            }
            (None, _) => {
                failure = Some(ReadFailure(format!("a record under the key {key:?}")));
                false
            }
            (Some(position), Err(error)) => {
                failure = Some(damaged(&format!("record {position:?}"), &error));
                false
            }
        })?;
        failure.map_or(Ok(()), Err)
    }

    /// Shows `visit` every lease with its time to live in seconds, by id, until it answers `false`.
    ///
    /// # Errors
    /// The engine's; a damaged record.
    pub fn leases(
        &self,
        reader: &dyn Reader,
        visit: &mut dyn FnMut(LeaseId, i64) -> bool,
    ) -> Result<(), ReadFailure> {
        let (from, to) = keys::leases(self.region);
        let mut failure = None;
        reader.scan(&from, &to, &mut |key, value| match (
            keys::lease_id(&key),
            crate::leases::decode(value),
        ) {
            (Some(id), Ok(ttl_seconds)) => visit(id, ttl_seconds),
            other => {
                failure = Some(ReadFailure(format!("the lease {key:?}: {other:?}")));
                false
            }
        })?;
        failure.map_or(Ok(()), Err)
    }
}

/// The first ones overtaken, all up to `known_to`; without it, all there are.
#[derive(Default)]
struct Overtaken {
    positions: Vec<Position>,
    known_to: Option<Position>,
}

impl Overtaken {
    fn add(&mut self, at: Position, at_once: usize) {
        if self.known_to.is_some_and(|last| at > last) {
            return;
        }
        self.positions.push(at);
        if self.positions.len() >= at_once.max(1) * 2 {
            let (_, last, _) = self.positions.select_nth_unstable(at_once.max(1) - 1);
            self.known_to = Some(*last);
            self.positions.truncate(at_once.max(1));
        }
    }
}

fn after(position: Position) -> Position {
    let Position { revision, sub } = position;
    match sub.checked_add(1) {
        Some(sub) => Position { revision, sub },
        None => Position { revision: Revision(revision.get().saturating_add(1)), sub: 0 },
    }
}

#[cfg(test)]
mod tests;
