//! Physical compaction: finding what no readable revision shows, so that the engine can let go of it.
//!
//! At compacted revision C, a version that was followed by another at or below C is out of reach, and
//! so is a tombstone below C. (The tombstone at C itself stays for a watch that starts there.) Each
//! record at or below C therefore gives away the one before it, and each is looked at once, or twice
//! if it is a tombstone that had to stay. Nothing of this goes through the log: each replica removes
//! in its own time, and no answer depends on how far it is.
//!
//! What was found is removed together, once it is much: see [`super::garbage`]. A tombstone must not go
//! before the versions of its key below it, or the next start would find those alive; so a sweep has
//! all that was found up to a revision, and the engine removes it in order.

use types::{ReadFailure, Reader, Revision};

use super::KeySpace;
use super::garbage::Sweep;
use crate::error::damaged;
use crate::keys;
use crate::record::Record;
use crate::response::Position;

/// A walk over the records that were not looked at yet, between two steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    next: Position,
    /// The compacted revision when the walk began. A walk that raised it on the way would never come
    /// back to the tombstones it had left at the old one.
    target: Revision,
}

impl KeySpace {
    pub(crate) fn wants_scavenging(&self) -> bool {
        self.walked < self.progress.compacted
    }

    /// Looks at up to `max_records` records; answers whether there are more to look at.
    pub(crate) fn scavenge(
        &mut self,
        reader: &dyn Reader,
        max_records: usize,
    ) -> Result<bool, ReadFailure> {
        if !self.wants_scavenging() {
            return Ok(false);
        }
        if !self.overlay.is_empty() {
            // The reader does not show what the batch already holds.
            return Ok(true);
        }
        let walk = self.walk.unwrap_or(Walk {
            next: Position { revision: self.walked, sub: 0 },
            target: self.progress.compacted,
        });
        let (start, end) = keys::records(self.region, walk.next, walk.target);
        let mut page = Vec::new();
        let mut next = None;
        reader.scan(&start, &end, &mut |key, value| {
            if page.len() >= max_records.max(1) {
                next = Some(key);
                return false;
            }
            page.push((key, value));
            true
        })?;
        for (key, value) in page {
            let bytes = key.len() + value.len();
            let position = keys::position(&key);
            match (position, Record::decode(&value)) {
                (Some(position), Ok(record)) => {
                    self.scavenge_record(position, &record, walk.target, bytes)
                }
                (_, Err(error)) => return Err(damaged(&format!("record {position:?}"), &error)),
                (None, Ok(_)) => return Err(ReadFailure(format!("a record under key {key:?}"))),
            }
        }
        let next = next.and_then(|key| keys::position(&key));
        self.walk = next.map(|next| Walk { next, ..walk });
        if self.walk.is_none() {
            self.walked = walk.target;
        }
        Ok(self.wants_scavenging())
    }

    fn scavenge_record(&mut self, at: Position, record: &Record, target: Revision, bytes: usize) {
        if at.revision > self.walked {
            self.ledger.add(at, bytes);
            if let Some(previous) = record.overtakes() {
                self.ledger.mark(previous);
            }
        }
        if record.deleted && at.revision < target {
            self.ledger.mark(at);
            if self.index.get(&record.key).is_some_and(|head| head.position == at) {
                self.index.remove(&record.key);
            }
        }
    }

    /// Up to where a sweep would remove everything that is out of reach, if it is worth it, or if
    /// `anyway` there is something to remove. Nothing while another one is on its way.
    pub(crate) fn wants_sweep(&self, anyway: bool) -> Option<Revision> {
        let due = self.walked > self.progress.scavenged
            && self.walk.is_none()
            && !self.sweeping
            && (anyway || self.ledger.is_worth_sweeping());
        due.then_some(self.walked)
    }

    /// What is to be removed up to this revision, if no walk went further meanwhile. Whoever takes it says
    /// when it is done.
    pub(crate) fn take_sweep(&mut self, up_to: Revision) -> Option<Sweep> {
        self.wants_sweep(true).filter(|wanted| *wanted == up_to)?;
        if !self.ledger.has_garbage() {
            self.progress.scavenged = self.walked;
            return None;
        }
        self.sweeping = true;
        Some(Sweep::new(self.region, self.ledger.take(), self.walked))
    }

    /// It is gone from the engine.
    pub(crate) fn swept(&mut self, sweep: &Sweep) {
        // After a snapshot came, this is another state, which asks anew.
        if std::mem::take(&mut self.sweeping) {
            self.progress.scavenged = self.progress.scavenged.max(sweep.up_to);
        }
    }
}
