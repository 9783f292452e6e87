//! Up to where a log's segment holds what is certainly durable: damage there must be found. What only the
//! last sync before a crash wrote cannot be told from a torn tail (`docs/architecture/log.md`), and is left
//! alone.

use std::path::PathBuf;

use env::Disk;

use crate::disk::FaultDisk;
use crate::node::{SNAPSHOTS, WAL};

/// Where batches begin in a segment, and how long their headers are (`docs/format.md`).
const FIRST_BATCH: usize = 4096;
const HEADER: usize = 48;
/// Where a segment's header has its salt, the seed of all checksums.
const SALT: std::ops::Range<usize> = 32..40;

/// A file, and how many of its bytes are surely durable.
pub(super) struct Vouched {
    pub(super) path: PathBuf,
    pub(super) bytes: usize,
}

fn files(disk: &FaultDisk, directory: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = disk.list(directory.as_ref()).unwrap_or_default();
    found.retain(|path| path.extension().is_some_and(|it| it == ending));
    found.sort();
    found
}

/// The segments of the log, the last one last.
pub(super) fn segments(disk: &FaultDisk) -> Vec<Vouched> {
    let paths = files(disk, WAL, "log");
    let last = paths.len().saturating_sub(1);
    let measured = paths.into_iter().enumerate().map(|(at, path)| {
        // Of a process that runs, the batch that vouches for others may itself be lost with the power.
        let (all, vouched) = batches(&disk.platter(&path));
        // A segment is followed by another only once all of it is durable.
        Vouched { bytes: if at == last { vouched } else { all }, path }
    });
    measured.collect()
}

/// Snapshots that were received and are not installed yet. Those that are still coming in are nothing yet.
pub(super) fn snapshots(disk: &FaultDisk) -> Vec<Vouched> {
    let found = files(disk, SNAPSHOTS, "snapshot").into_iter();
    let found = found.map(|path| Vouched { bytes: disk.contents(&path).len(), path });
    found.collect()
}

/// Where the batches of a segment end, and where those end that a later one says were durable.
fn batches(segment: &[u8]) -> (usize, usize) {
    let word = |at: usize| -> Option<u32> {
        let bytes = segment.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let long = |at: usize| Some(u64::from(word(at)?) | u64::from(word(at + 4)?) << 32);
    let seed = crc32c::crc32c(segment.get(SALT).unwrap_or_default());
    // A header that a crash tore vouches for nothing.
    let is_whole = |at: usize| {
        let told = segment.get(at + 8..at + HEADER)?;
        (word(at + 4)? == crc32c::crc32c_append(seed, told)).then_some(())
    };
    let (mut at, mut mark, mut ends) = (FIRST_BATCH, 0, Vec::new());
    while segment.get(at..).is_some_and(|rest| rest.starts_with(b"HBAT"))
        && is_whole(at).is_some()
        && let (Some(sequence), Some(vouches)) = (long(at + 8), long(at + 16))
        && let (Some(items), Some(data)) = (word(at + 28), word(at + 32))
        && ends.last().is_none_or(|(before, _)| sequence == before + 1)
    {
        at += (HEADER + items as usize + data as usize).next_multiple_of(8);
        mark = mark.max(vouches);
        ends.push((sequence, at));
    }
    let vouched = ends.iter().rev().find(|(sequence, _)| *sequence <= mark);
    (at.min(segment.len()), vouched.map_or(FIRST_BATCH, |(_, end)| (*end).min(segment.len())))
}
