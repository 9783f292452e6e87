//! Exactly once: the outcomes of clients' commands, kept for retries.
//!
//! What is kept is a function of the log alone. How it lies in the engine is not: each batch writes
//! what it added as one record, and a record goes when nothing in it is needed any more.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use types::limits::{SESSION_OUTCOME_BYTES, SESSION_OUTCOMES, SESSIONS};
use types::{Batch, Code, Fault, Index, RegionId};

use crate::codec::CodecError;
use crate::codec::primitives::{Cursor, Writer};
use crate::command::SessionTag;
use crate::keys;
use crate::response::Outcome;

/// Bytes of outcomes a region keeps; sessions unused the longest go first. Far above what the
/// sessions of real clients need.
const SESSIONS_BYTES: usize = 64 << 20;
/// Bytes of sessions that a region gives to one that is split off it.
const CHILD_BYTES: usize = 32 << 20;
/// What is written of an outcome besides, at most.
const DELTA_BYTES: usize = 64;
const VERSION: u8 = 2;
/// Without `doubtful`.
const VERSION_1: u8 = 1;

/// What one command left behind.
struct Delta {
    client: u64,
    /// The session's first command: a client that comes back after its session was dropped gets a
    /// new one, and what is left of the old one in the engine is not part of it.
    started: Index,
    sequence: u64,
    /// The session's floor once the command was applied.
    floor: u64,
    /// The session's.
    doubtful: u64,
    index: Index,
    /// The encoded outcome; `None` if it was too large.
    outcome: Option<Bytes>,
}

struct Kept {
    outcome: Option<Bytes>,
    /// The record it is in.
    record: Index,
}

struct Session {
    started: Index,
    /// Outcomes up to this sequence are gone.
    floor: u64,
    /// Commands up to this sequence may have been carried out before the session began, in one of the same
    /// client that was dropped.
    doubtful: u64,
    last_used: Index,
    /// The record that has `floor` and `last_used`.
    record: Index,
    outcomes: BTreeMap<u64, Kept>,
}

/// How much a region remembers.
#[derive(Clone, Copy)]
struct Bounds {
    sessions: usize,
    bytes: usize,
}

const BOUNDS: Bounds = Bounds { sessions: SESSIONS, bytes: SESSIONS_BYTES };

/// The sessions of a region.
pub(crate) struct Sessions {
    bounds: Bounds,
    sessions: BTreeMap<u64, Session>,
    by_use: BTreeMap<Index, u64>,
    /// Bytes of all outcomes kept.
    bytes: usize,
    /// Sessions last used here or before were dropped.
    dropped: Index,
    /// How many things in each record of the engine are still needed.
    needed: BTreeMap<Index, usize>,
    /// Records in which nothing is needed any more.
    dead: Vec<Index>,
    /// What the batch in the making adds.
    fresh: Vec<Delta>,
}

/// The record of the batch in the making, until its index is known.
const FRESH: Index = Index(u64::MAX);

impl Default for Sessions {
    fn default() -> Self {
        Self::bounded(BOUNDS)
    }
}

impl Sessions {
    fn bounded(bounds: Bounds) -> Self {
        Self {
            bounds,
            sessions: BTreeMap::new(),
            by_use: BTreeMap::new(),
            bytes: 0,
            dropped: Index(0),
            needed: BTreeMap::new(),
            dead: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// The outcome of a command that was applied before, or why it cannot be told; `None` for a
    /// command to apply.
    pub(crate) fn seen(&self, tag: &SessionTag) -> Option<Result<Outcome, Fault>> {
        let session = self.sessions.get(&tag.client);
        let kept = session.and_then(|session| session.outcomes.get(&tag.sequence));
        if let Some(kept) = kept {
            let Some(bytes) = &kept.outcome else { return Some(Err(Code::OutcomeNotKept.into())) };
            let outcome = Outcome::decode(bytes.clone());
            return Some(outcome.map_err(|error| Fault::new(Code::Internal, error.to_string())));
        }
        let floor = session.map_or(0, |session| session.floor).max(tag.acknowledged);
        // Once any session was dropped, nothing says whether one that was asked for before is new.
        let is_doubtful = match session {
            Some(session) => tag.sequence <= session.doubtful,
            None => self.dropped > Index(0),
        };
        let is_lost = tag.again && is_doubtful;
        (tag.sequence <= floor || is_lost).then(|| Err(Code::SessionExpired.into()))
    }

    /// Keeps the outcome of a command that was just applied.
    pub(crate) fn keep(&mut self, tag: &SessionTag, index: Index, outcome: &Outcome) {
        let encoded = outcome.encode();
        let outcome = (encoded.len() <= SESSION_OUTCOME_BYTES).then_some(encoded);
        let session = self.sessions.get(&tag.client);
        let highest = session
            .and_then(|session| session.outcomes.last_key_value())
            .map_or(0, |(sequence, _)| *sequence)
            .max(tag.sequence);
        let floor = session
            .map_or(0, |session| session.floor)
            .max(tag.acknowledged)
            .max(highest.saturating_sub(SESSION_OUTCOMES as u64));
        let started = session.map_or(index, |session| session.started);
        // A client's numbers under way are no farther apart than outcomes are kept.
        let farthest = || tag.sequence.saturating_add(SESSION_OUTCOMES as u64);
        let is_first = self.dropped == Index(0) || tag.sequence == 1;
        let doubtful = session
            .map_or_else(|| if is_first { 0 } else { farthest() }, |session| session.doubtful);
        let SessionTag { client, sequence, .. } = *tag;
        let delta = Delta { client, started, sequence, floor, doubtful, index, outcome };
        self.add(&delta, FRESH);
        self.fresh.push(delta);
        while self.sessions.len() > self.bounds.sessions
            || (self.bytes > self.bounds.bytes && self.sessions.len() > 1)
        {
            let Some((last_used, client)) = self.by_use.first_key_value() else { break };
            self.dropped = *last_used;
            self.drop_session(*client);
        }
    }

    fn add(&mut self, delta: &Delta, record: Index) {
        if self.sessions.get(&delta.client).is_some_and(|it| it.started != delta.started) {
            self.drop_session(delta.client);
        }
        *self.needed.entry(record).or_default() += 2;
        self.bytes += size(delta.outcome.as_ref());
        let kept = Kept { outcome: delta.outcome.clone(), record };
        let mut unneeded = Vec::new();
        let session = self.sessions.entry(delta.client).or_insert_with(|| Session {
            started: delta.started,
            floor: 0,
            doubtful: delta.doubtful,
            last_used: Index(0),
            record: Index(0),
            outcomes: BTreeMap::new(),
        });
        if session.last_used != Index(0) {
            self.by_use.remove(&session.last_used);
            unneeded.push(session.record);
        }
        session.last_used = delta.index;
        session.record = record;
        self.by_use.insert(delta.index, delta.client);
        session.outcomes.insert(delta.sequence, kept);
        session.floor = delta.floor;
        while let Some(first) = session.outcomes.first_entry()
            && *first.key() <= session.floor
        {
            let gone = first.remove();
            self.bytes -= size(gone.outcome.as_ref());
            unneeded.push(gone.record);
        }
        for record in unneeded {
            self.release(record);
        }
    }

    /// All of it, for a region that a split makes: whoever asks again there is answered as here. The
    /// positions stay, since the new region's log goes on from this one's. It is one record of the engine,
    /// so if there is too much the sessions unused the longest stay behind, as if they had been dropped.
    pub(crate) fn for_child(&self) -> Self {
        self.copied(CHILD_BYTES)
    }

    fn copied(&self, most: usize) -> Self {
        let mut child = Self::bounded(self.bounds);
        child.dropped = self.dropped;
        let mut bytes = 0;
        for (last_used, client) in self.by_use.iter().rev() {
            let Some(session) = self.sessions.get(client) else { continue };
            let sizes = session.outcomes.values().map(|kept| size(kept.outcome.as_ref()));
            bytes += sizes.map(|size| size + DELTA_BYTES).sum::<usize>() + DELTA_BYTES;
            if bytes > most {
                child.dropped = *last_used;
                break;
            }
            let delta = |sequence, outcome| Delta {
                client: *client,
                started: session.started,
                sequence,
                floor: session.floor,
                doubtful: session.doubtful,
                index: session.last_used,
                outcome,
            };
            // One that has only its floor left is kept by it.
            let floor = session.outcomes.is_empty().then(|| delta(session.floor, None));
            let outcomes = session.outcomes.iter();
            let deltas = outcomes.map(|(sequence, kept)| delta(*sequence, kept.outcome.clone()));
            for delta in floor.into_iter().chain(deltas) {
                child.add(&delta, FRESH);
                child.fresh.push(delta);
            }
        }
        child
    }

    fn drop_session(&mut self, client: u64) {
        let Some(session) = self.sessions.remove(&client) else { return };
        self.by_use.remove(&session.last_used);
        self.release(session.record);
        for kept in session.outcomes.into_values() {
            self.bytes -= size(kept.outcome.as_ref());
            self.release(kept.record);
        }
    }

    fn release(&mut self, record: Index) {
        let Some(needed) = self.needed.get_mut(&record) else { return };
        *needed -= 1;
        if *needed == 0 {
            self.needed.remove(&record);
            if record != FRESH {
                self.dead.push(record);
            }
        }
    }

    /// Writes what the batch added, and removes the records that are not needed any more.
    /// `index` is the last entry of the batch.
    pub(crate) fn finish(&mut self, region: RegionId, index: Index, batch: &mut Batch) {
        let fresh = std::mem::take(&mut self.fresh);
        for delta in &fresh {
            let Some(session) = self.sessions.get_mut(&delta.client) else { continue };
            if session.record == FRESH {
                session.record = index;
            }
            if let Some(kept) = session.outcomes.get_mut(&delta.sequence)
                && kept.record == FRESH
            {
                kept.record = index;
            }
        }
        if let Some(needed) = self.needed.remove(&FRESH) {
            self.needed.insert(index, needed);
            batch.put(keys::session(region, index), encode(self.dropped, &fresh));
        }
        for record in self.dead.drain(..) {
            batch.delete(keys::session(region, record));
        }
    }

    /// Takes in a record of the engine; they come in the order they were written.
    pub(crate) fn load(&mut self, record: Index, bytes: Bytes) -> Result<(), CodecError> {
        let (dropped, deltas) = decode(bytes)?;
        self.dropped = dropped;
        for delta in deltas {
            self.add(&delta, record);
        }
        Ok(())
    }

    /// Drops what the last record loaded says was dropped.
    pub(crate) fn loaded(&mut self) {
        let kept = self.dropped.next();
        let recent = self.by_use.split_off(&kept);
        for client in std::mem::replace(&mut self.by_use, recent).into_values() {
            self.drop_session(client);
        }
    }
}

fn size(outcome: Option<&Bytes>) -> usize {
    outcome.map_or(0, Bytes::len)
}

fn encode(dropped: Index, deltas: &[Delta]) -> Bytes {
    let mut out = Writer::with_capacity(deltas.len() * 32);
    out.byte(VERSION);
    out.number(dropped.get());
    out.number(deltas.len() as u64);
    for delta in deltas {
        out.number(delta.client);
        out.number(delta.started.get());
        out.number(delta.sequence);
        out.number(delta.floor);
        out.number(delta.doubtful);
        out.number(delta.index.get());
        out.flag(delta.outcome.is_some());
        if let Some(outcome) = &delta.outcome {
            out.bytes(outcome);
        }
    }
    out.finish()
}

fn decode(bytes: Bytes) -> Result<(Index, Vec<Delta>), CodecError> {
    let mut from = Cursor::new(bytes);
    let version = from.byte()?;
    if version != VERSION && version != VERSION_1 {
        return Err(from.error("a session record of an unknown version"));
    }
    let dropped = Index(from.number()?);
    let deltas = from.list(|from| {
        Ok(Delta {
            client: from.number()?,
            started: Index(from.number()?),
            sequence: from.number()?,
            floor: from.number()?,
            doubtful: if version == VERSION { from.number()? } else { 0 },
            index: Index(from.number()?),
            // A copy: a slice would keep the whole record in memory.
            outcome: if from.flag()? { Some(Bytes::copy_from_slice(&from.bytes()?)) } else { None },
        })
    })?;
    from.end()?;
    Ok((dropped, deltas))
}
