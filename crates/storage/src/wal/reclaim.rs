//! Getting room back: old segments go when nothing in them counts, and when the log is too long the
//! little that still counts in the oldest is moved to the end.

use std::ops::Bound;
use std::sync::Arc;

use types::{Entry, Index as Position, RegionId};

use super::append::Wal;
use super::encode::{Item, State};
use super::error::Error;
use super::index::Region;
use super::segment;

/// Regions looked at in one call.
const REGIONS: usize = 2048;
/// Segments dropped in one call; each costs a sync of the directory.
const SEGMENTS: usize = 8;

/// What a call of [`Wal::reclaim`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reclaimed {
    /// Segments dropped or recycled.
    pub segments: usize,
    /// Bytes of entries moved to the end.
    pub moved_bytes: u64,
    /// Whether another call, after the next sync, would find more to do.
    pub more: bool,
}

/// What a region has in a segment.
struct Pinned {
    region: RegionId,
    state: Option<State>,
    range: Option<(Position, Position)>,
}

/// What is moved of a region.
struct Part {
    region: RegionId,
    state: Option<State>,
    entries: Vec<Entry>,
}

impl Wal {
    /// Lets go of old segments. Cheap when there is nothing to do, and bounded otherwise: a call
    /// drops what it can and moves at most `reclaim_step_bytes`. What it moves becomes durable with
    /// the next [`Self::sync`], and the segment goes at the call after that. To be called now and
    /// then by the writing thread, and again while the answer says `more`.
    ///
    /// # Errors
    /// As for [`Self::append`]; all are final.
    pub fn reclaim(&mut self) -> Result<Reclaimed, Error> {
        self.check_latch()?;
        let mut done = Reclaimed::default();
        while let Some(number) = self.droppable() {
            if done.segments == SEGMENTS {
                done.more = true;
                return Ok(done);
            }
            let result = self.drop_segment(number);
            self.latch(result)?;
            done.segments += 1;
        }
        if let Some(number) = self.overdue() {
            let result = self.move_out(number);
            done.moved_bytes = self.latch(result)?;
            done.more = true;
        }
        Ok(done)
    }

    /// The oldest segment, if nothing in it counts and that is durable.
    fn droppable(&self) -> Option<u32> {
        let index = self.shared.read();
        let (number, usage) = index.segments.first_key_value()?;
        let free = usage.items == 0 && usage.changed_by <= self.synced;
        (free && *number != self.active.number).then_some(*number)
    }

    fn drop_segment(&mut self, number: u32) -> Result<(), Error> {
        let usage = self.shared.write().segments.remove(&number);
        self.cursor = None;
        // A reader that still holds the file keeps it from being written over; the name can go.
        let reusable = usage.is_some_and(|usage| {
            usage.segment.len == self.config.segment_len() && Arc::try_unwrap(usage.segment).is_ok()
        });
        let keep = reusable && self.spares.len() < self.config.recycled_segments;
        let spare = segment::retire(&*self.disk, &self.dir, number, keep)?;
        self.spares.extend(spare);
        self.shared.write().spares = self.spares.len();
        Ok(())
    }

    /// The oldest segment, if the log is too long and moving would make it at least half as long.
    fn overdue(&self) -> Option<u32> {
        let index = self.shared.read();
        let bytes = index.written_bytes();
        let pays = bytes > self.config.reclaim_bytes && index.live_bytes() <= bytes / 2;
        let (number, usage) = index.segments.first_key_value()?;
        (pays && usage.items > 0 && *number != self.active.number).then_some(*number)
    }

    /// Moves some of what counts in `number` to the end, and answers how many bytes.
    fn move_out(&mut self, number: u32) -> Result<u64, Error> {
        let mut left = self.config.reclaim_step_bytes;
        let reader = self.reader();
        let mut parts = Vec::new();
        for pinned in self.pinned(number) {
            let Pinned { region, state, range } = pinned;
            let mut part = Part { region, state, entries: Vec::new() };
            if let Some((low, high)) = range {
                part.entries = reader.entries(region, low, high, left)?;
            }
            left = left.saturating_sub(part.bytes());
            parts.push(part);
        }
        let mut items = Vec::with_capacity(parts.len());
        for Part { region, state, entries } in &parts {
            items.extend(state.map(Item::State));
            if !entries.is_empty() {
                items.push(Item::Entries { region: *region, entries, moved: true });
            }
        }
        if !items.is_empty() {
            self.write(&items)?;
        }
        Ok(parts.iter().map(Part::bytes).sum())
    }

    /// What to move next out of segment `number`: some regions' parts, from where the last call
    /// ended.
    fn pinned(&mut self, number: u32) -> Vec<Pinned> {
        let index = self.shared.read();
        let mut left = self.config.reclaim_step_bytes;
        let mut found = Vec::new();
        let start = self.cursor.take().map_or(Bound::Unbounded, Bound::Included);
        for (visited, (id, region)) in index.regions.range((start, Bound::Unbounded)).enumerate() {
            if visited == REGIONS || left == 0 {
                self.cursor = Some(*id);
                break;
            }
            let state = (region.state_in == Some(number)).then(|| region.state(*id));
            let (range, bytes) = first_range(region, number, left);
            left = left.saturating_sub(bytes);
            if state.is_some() || range.is_some() {
                found.push(Pinned { region: *id, state, range });
            }
        }
        found
    }
}

/// The first unbroken range of a region's entries in segment `number`, ended after `enough` bytes,
/// and its size. What else there is comes in the next round over the regions.
fn first_range(region: &Region, number: u32, enough: u64) -> (Option<(Position, Position)>, u64) {
    let mut range: Option<(u64, u64)> = None;
    let mut bytes = 0;
    for extent in region.extents.iter() {
        match range {
            None if extent.segment == number => range = Some((extent.first, extent.end())),
            Some((low, high)) if extent.segment == number && extent.first == high => {
                range = Some((low, extent.end()));
            }
            None => continue,
            Some(_) => break,
        }
        bytes += u64::from(extent.bytes);
        if bytes >= enough {
            break;
        }
    }
    (range.map(|(low, high)| (Position(low), Position(high))), bytes)
}

impl Part {
    fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.data.len() as u64).sum()
    }
}
