//! Reading a log back.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, OpenMode};
use parking_lot::RwLock;
use types::RegionId;

use super::append::Wal;
use super::config::{RegionLog, WalConfig, WalGuards};
use super::decode::{self, Flaw, Found};
use super::error::Error;
use super::followed;
use super::index::{Index, Origin};
use super::layout::{BATCH_HEADER, BLOCK, BatchHeader, SegmentHeader};
use super::segment::{self, Segment};
use super::tail::End;
use super::window::Window;

impl Wal {
    /// Opens the log in `dir`, which is made if it is not there, and says what it holds. What is
    /// answered here is durable.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if something is missing or damaged that was synced once,
    /// [`Error::Newer`] for a later format, [`Error::Io`] and [`Error::Reserve`] from the disk. The
    /// log is then as it was, but for a torn tail, which may be cut already.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: WalConfig,
    ) -> Result<(Self, BTreeMap<RegionId, RegionLog>), Error> {
        make_dir(&*disk, dir)?;
        let listing = segment::list(&*disk, dir)?;
        let segments = open_segments(&*disk, dir, &listing.segments, config.guards)?;
        if config.guards.followers {
            match segments.last() {
                Some(last) => followed::must_be_last(dir, last)?,
                None => followed::must_be_new(&*disk, dir, &listing)?,
            }
        }
        let oldest = listing.segments.first().copied();
        let spares = keep_spares(&*disk, listing.spares, oldest, &config)?;
        let mut index = Index::default();
        let mut end = End::at(BLOCK, 1);
        for (position, segment) in segments.iter().enumerate() {
            index.add_segment(Arc::clone(segment));
            let until = segments.get(position + 1).map(|next| next.first_batch);
            end = replay(segment, until, &mut index)?;
        }
        for (region, held) in &index.regions {
            if let Some(flaw) = held.flaw() {
                let found = format!("the log of region {region} is not whole: {flaw}");
                return Err(Error::corrupt(dir, 0, found));
            }
        }
        let active = if let Some(last) = segments.last() {
            end.seal(last, config.guards)?;
            // The name may be younger than the last crash of the process, and not durable yet.
            disk.sync_dir(dir).map_err(Error::io("sync", dir))?;
            if let [.., before, _] = &segments[..] {
                followed::make_up(before)?;
            }
            Arc::clone(last)
        } else {
            let len = config.segment_len();
            let header = SegmentHeader { number: 1, first_batch: 1, len, salt: config.salt };
            let first = Arc::new(segment::create(&*disk, dir, header, None)?);
            index.add_segment(Arc::clone(&first));
            first
        };
        index.spares = spares.len();
        let held = index.regions.iter().map(|(id, region)| (*id, region.log())).collect();
        let wal = Self {
            disk,
            dir: dir.to_path_buf(),
            config,
            shared: Arc::new(RwLock::new(index)),
            active,
            end: end.offset,
            touched: end.offset,
            next_batch: end.next,
            synced: end.next - 1,
            settled: false,
            buffer: Vec::new(),
            latched: false,
            spares,
            cursor: None,
        };
        Ok((wal, held))
    }
}

fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    let missing = dir.ancestors().take_while(|dir| !disk.exists(dir)).count();
    if missing > 0 {
        disk.create_dir_all(dir).map_err(Error::io("create directory", dir))?;
    }
    // Also if it is there: whoever made it may have died before this line.
    for parent in dir.ancestors().skip(1).take(missing.max(1)) {
        if !parent.as_os_str().is_empty() {
            disk.sync_dir(parent).map_err(Error::io("sync", parent))?;
        }
    }
    Ok(())
}

fn open_segments(
    disk: &dyn Disk,
    dir: &Path,
    numbers: &[u32],
    guards: WalGuards,
) -> Result<Vec<Arc<Segment>>, Error> {
    let mut segments: Vec<Arc<Segment>> = Vec::with_capacity(numbers.len());
    for number in numbers {
        let before = segments.last();
        if let Some(missing) = before.map(|before| before.number + 1).filter(|next| next != number)
        {
            return Err(Error::corrupt(dir, 0, format!("segment {missing} is missing")));
        }
        let mut segment = segment::open(disk, dir, *number)?;
        segment.is_checked = guards.checksums;
        if before.is_some_and(|before| before.first_batch > segment.first_batch) {
            let found = "it begins before the segment before it";
            return Err(Error::corrupt(&segment.path, 0, found));
        }
        segments.push(Arc::new(segment));
    }
    Ok(segments)
}

/// Applies what is in `segment`. One that is not the last must hold every batch before `until`.
fn replay(segment: &Segment, until: Option<u64>, index: &mut Index) -> Result<End, Error> {
    let mut end = End::at(BLOCK, segment.first_batch);
    let mut window = Window::new(segment);
    while until.is_none_or(|until| end.next < until) {
        let Some((header, found)) = next_batch(segment, &mut window, &end)? else {
            if until.is_some() {
                let found = format!("batch {} is not there or damaged", end.next);
                return Err(Error::corrupt(&segment.path, end.offset, found));
            }
            break;
        };
        let origin =
            Origin { segment: segment.number, offset: end.offset, sequence: header.sequence };
        for item in &found {
            index.apply(item, origin);
        }
        end.pass(&header);
    }
    if let Some(usage) = index.segments.get_mut(&segment.number) {
        usage.end = end.offset;
    }
    Ok(end)
}

/// The batch expected at the end so far, if it is there and whole.
fn next_batch(
    segment: &Segment,
    window: &mut Window<'_>,
    end: &End,
) -> Result<Option<(BatchHeader, Vec<Found>)>, Error> {
    let head_len = BATCH_HEADER as u64;
    let Some(head) = window.get(end.offset, head_len)? else { return Ok(None) };
    let Some(header) = BatchHeader::decode(head, segment.number, segment.seed) else {
        return Ok(None);
    };
    let nonsense = |what: &str| Err(Error::corrupt(&segment.path, end.offset, what));
    if header.sequence != end.next {
        return Ok(None);
    }
    if header.mark >= header.sequence {
        return nonsense("a batch vouches for itself");
    }
    let body_len = u64::from(header.items_len) + u64::from(header.data_len);
    let Some(body) = window.get(end.offset + head_len, body_len)? else {
        return nonsense("a batch is longer than its segment");
    };
    match decode::body(&header, body, segment.seed, segment.is_checked) {
        Ok(found) => Ok(Some((header, found))),
        Err(Flaw::Checksum) => Ok(None),
        Err(Flaw::Nonsense(what)) => nonsense(what),
    }
}

/// Of the spares found, those that can be used. One with a number not below the oldest segment's is
/// the draft of a segment that was never finished, and its name may be needed.
fn keep_spares(
    disk: &dyn Disk,
    found: Vec<(u32, PathBuf)>,
    oldest: Option<u32>,
    config: &WalConfig,
) -> Result<VecDeque<PathBuf>, Error> {
    let mut kept = VecDeque::new();
    for (number, spare) in found {
        let file = disk.open(&spare, OpenMode::Read).map_err(Error::io("open", &spare))?;
        let len = file.len().map_err(Error::io("measure", &spare))?;
        let retired = oldest.is_some_and(|oldest| number < oldest);
        if retired && len == config.segment_len() && kept.len() < config.recycled_segments {
            kept.push_back(spare);
        } else {
            disk.remove(&spare).map_err(Error::io("remove", &spare))?;
        }
    }
    Ok(kept)
}
