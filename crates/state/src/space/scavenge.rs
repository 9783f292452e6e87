//! Physical compaction: removing from the engine what no readable revision shows.
//!
//! At compacted revision C, a version that was followed by another at or below C is out of reach, and
//! so is a tombstone below C. (The tombstone at C itself stays for a watch that starts there.) Each
//! record at or below C therefore gives away the one before it, and each is looked at once, or twice
//! if it is a tombstone that had to stay. Nothing of this goes through the log: each replica removes
//! in its own time, and no answer depends on how far it is.

use types::{Batch, ReadFailure, Reader, Revision};

use super::KeySpace;
use crate::error::damaged;
use crate::keys;
use crate::record::Record;
use crate::response::Position;

/// A walk over the records that are not scavenged yet, between two steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    next: Position,
    /// The compacted revision when the walk began. A walk that raised it on the way would never come
    /// back to the tombstones it had left at the old one.
    target: Revision,
}

impl KeySpace {
    pub(crate) fn wants_scavenging(&self) -> bool {
        self.progress.scavenged < self.progress.compacted
    }

    /// Looks at up to `max_records` records; answers whether there is more to do.
    pub(crate) fn scavenge(
        &mut self,
        reader: &dyn Reader,
        batch: &mut Batch,
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
            next: Position { revision: self.progress.scavenged, sub: 0 },
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
            let position = keys::position(&key);
            match (position, Record::decode(&value)) {
                (Some(position), Ok(record)) => {
                    self.scavenge_record(position, &record, walk.target, batch)
                }
                (_, Err(error)) => return Err(damaged(&format!("record {position:?}"), &error)),
                (None, Ok(_)) => return Err(ReadFailure(format!("a record under key {key:?}"))),
            }
        }
        let next = next.and_then(|key| keys::position(&key));
        self.walk = next.map(|next| Walk { next, ..walk });
        if self.walk.is_none() {
            self.progress.scavenged = walk.target;
        }
        Ok(self.wants_scavenging())
    }

    fn scavenge_record(
        &mut self,
        at: Position,
        record: &Record,
        target: Revision,
        batch: &mut Batch,
    ) {
        if let Some(previous) = record.overtakes()
            && at.revision > self.progress.scavenged
        {
            batch.delete(keys::record(self.region, previous));
        }
        if record.deleted && at.revision < target {
            batch.delete(keys::record(self.region, at));
            if self.index.get(&record.key).is_some_and(|head| head.position == at) {
                self.index.remove(&record.key);
            }
        }
    }
}
