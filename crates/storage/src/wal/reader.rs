//! Reading entries, from any thread, while the writer goes on.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use types::{Entry, Index as Position, RegionId, Term};

use super::config::RegionLog;
use super::decode::{EntriesItem, Row};
use super::error::Error;
use super::extent::Extent;
use super::index::Index;
use super::layout::{ENTRIES_ITEM, ROW};
use super::segment::Segment;

/// Runs looked at in one call; more of them are left to the next.
const RUNS: usize = 1024;

/// A handle for reading. Clones share everything.
#[derive(Clone, Debug)]
pub struct WalReader {
    pub(super) shared: Arc<RwLock<Index>>,
}

/// What the log takes on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Regions with a log.
    pub regions: usize,
    /// Segments, with the one that is written to.
    pub segments: usize,
    /// Segment files kept for use again.
    pub spares: usize,
    /// Bytes written to the segments.
    pub bytes: u64,
    /// Bytes of them that are still needed; an estimate.
    pub live_bytes: u64,
    /// Runs of entries in memory, 24 bytes each.
    pub runs: usize,
}

/// One region's share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegionStatus {
    /// Which region.
    pub region: RegionId,
    /// What is there of it.
    pub log: RegionLog,
    /// Bytes of its entries; an estimate.
    pub bytes: u64,
}

impl WalReader {
    /// Entries `[low, high)` of a region, at most `max_bytes` of payloads but at least one entry.
    /// Fewer may come than fit: ask again from where they end. Those just appended are there, too.
    /// Each is held against its checksum.
    ///
    /// # Errors
    /// [`Error::UnknownRegion`], [`Error::Compacted`] if `low` is gone, [`Error::Unavailable`] if
    /// `high` is more than one above the last; [`Error::Io`] and [`Error::Corrupt`] from the disk.
    pub fn entries(
        &self,
        region: RegionId,
        low: Position,
        high: Position,
        max_bytes: u64,
    ) -> Result<Vec<Entry>, Error> {
        if low >= high {
            return Ok(Vec::new());
        }
        let mut budget = Budget { left: max_bytes, entries: Vec::new() };
        for (extent, segment) in self.runs(region, low, high, max_bytes)? {
            let from = extent.first.max(low.get());
            let to = extent.end().min(high.get());
            if !read_run(&segment, region, &extent, (from, to), &mut budget)? {
                break;
            }
        }
        Ok(budget.entries)
    }

    /// The term at `index`: of an entry, or of the position right before the first one.
    ///
    /// # Errors
    /// As for [`Self::entries`].
    pub fn term(&self, region: RegionId, index: Position) -> Result<Term, Error> {
        let log = self.region(region).ok_or(Error::UnknownRegion(region))?;
        if index == log.last {
            return Ok(log.last_term);
        }
        if index.next() == log.first {
            return Ok(log.prev_term);
        }
        let high = Position(index.get().saturating_add(1));
        let entries = self.entries(region, index, high, 0)?;
        entries.first().map(|entry| entry.term).ok_or(Error::Unavailable { region, last: log.last })
    }

    /// What the log holds of a region.
    #[must_use]
    pub fn region(&self, region: RegionId) -> Option<RegionLog> {
        self.shared.read().regions.get(&region).map(|region| region.log())
    }

    /// All regions, by number.
    #[must_use]
    pub fn regions(&self) -> Vec<RegionStatus> {
        let index = self.shared.read();
        let regions = index.regions.iter();
        regions
            .map(|(id, held)| RegionStatus { region: *id, log: held.log(), bytes: held.bytes })
            .collect()
    }

    /// What the log takes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let index = self.shared.read();
        Stats {
            regions: index.regions.len(),
            segments: index.segments.len(),
            spares: index.spares,
            bytes: index.written_bytes(),
            live_bytes: index.live_bytes(),
            runs: index.regions.values().map(|region| region.extents.count()).sum(),
        }
    }

    /// The runs to read, with their segments held so that they are not used again meanwhile.
    fn runs(
        &self,
        region: RegionId,
        low: Position,
        high: Position,
        max_bytes: u64,
    ) -> Result<Vec<(Extent, Arc<Segment>)>, Error> {
        let index = self.shared.read();
        let held = index.regions.get(&region).ok_or(Error::UnknownRegion(region))?;
        if low <= held.base {
            return Err(Error::Compacted { region, first: held.base.next() });
        }
        if high > held.last.next() {
            return Err(Error::Unavailable { region, last: held.last });
        }
        let mut runs = Vec::new();
        let mut bytes = 0;
        for extent in held.extents.from(low.get()).take(RUNS) {
            if extent.first >= high.get() || bytes > max_bytes {
                break;
            }
            // The first run may be entered in its middle; what comes before does not count.
            if !runs.is_empty() {
                bytes += u64::from(extent.bytes);
            }
            let usage = index.segments.get(&extent.segment);
            assert!(usage.is_some(), "{extent:?} of region {region} lies in no segment");
            runs.extend(usage.map(|usage| (*extent, Arc::clone(&usage.segment))));
        }
        Ok(runs)
    }
}

struct Budget {
    left: u64,
    entries: Vec<Entry>,
}

impl Budget {
    /// How many of `rows` still fit, and their bytes.
    fn take(&mut self, rows: &[Row]) -> (usize, u64) {
        let mut total = 0;
        for (count, row) in rows.iter().enumerate() {
            let len = u64::from(row.len);
            let first = self.entries.is_empty() && count == 0;
            if len > self.left && !first {
                return (count, total);
            }
            self.left = self.left.saturating_sub(len);
            total += len;
        }
        (rows.len(), total)
    }
}

/// Reads entries `[from, to)` of a run; answers whether there was room for all of them.
fn read_run(
    segment: &Segment,
    region: RegionId,
    extent: &Extent,
    (from, to): (u64, u64),
    budget: &mut Budget,
) -> Result<bool, Error> {
    let damaged = |what: &str| Error::corrupt(&segment.path, u64::from(extent.offset), what);
    let offset = u64::from(extent.offset);
    // Right unless the front of the item was compacted: then there are more rows before.
    let mut head = read(segment, offset, item_len(to - extent.first))?;
    let item = EntriesItem::decode(&head).ok_or_else(|| damaged("an entries item is damaged"))?;
    let end = item.first + u64::from(item.count);
    if item.region != region.get() || item.first > extent.first || end < extent.end() {
        return Err(damaged("an entries item is not the one that was written"));
    }
    if item.first < extent.first {
        head = read(segment, offset, item_len(to - item.first))?;
    }
    let rows: Vec<Row> = head
        .get(ENTRIES_ITEM..)
        .unwrap_or_default()
        .chunks_exact(ROW)
        .filter_map(Row::decode)
        .collect();
    let skipped = usize::try_from(from - item.first).unwrap_or(usize::MAX);
    let (before, wanted) =
        rows.split_at_checked(skipped).ok_or_else(|| damaged("rows are missing"))?;
    let start: u64 = before.iter().map(|row| u64::from(row.len)).sum();
    let (count, bytes) = budget.take(wanted);
    if start + bytes > u64::from(item.data_len) {
        return Err(damaged("rows are longer than their data"));
    }
    let mut data = read(segment, offset + u64::from(item.distance) + start, bytes)?;
    for (row, index) in wanted.iter().take(count).zip(from..) {
        let payload = data.split_to((row.len as usize).min(data.len()));
        let fits = || row.fits(segment.seed, region.get(), index, &payload);
        let kind = row.kind().filter(|_| !segment.is_checked || fits());
        let kind = kind.ok_or_else(|| {
            damaged(&format!("entry {index} of region {region} has a wrong checksum"))
        })?;
        let (term, index) = (Term(row.term), Position(index));
        budget.entries.push(Entry { term, index, kind, data: payload });
    }
    Ok(count == wanted.len())
}

fn item_len(rows: u64) -> u64 {
    ENTRIES_ITEM as u64 + ROW as u64 * rows
}

/// `len` bytes at `offset`, or fewer where the file ends.
fn read(segment: &Segment, offset: u64, len: u64) -> Result<Bytes, Error> {
    if offset.checked_add(len).is_none_or(|end| end > segment.len) {
        return Err(Error::corrupt(&segment.path, offset, "an item reaches beyond its segment"));
    }
    if len == 0 {
        return Ok(Bytes::new());
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    let count =
        segment.file.read_at(offset, &mut bytes).map_err(Error::io("read", &segment.path))?;
    bytes.truncate(count);
    Ok(Bytes::from(bytes))
}
