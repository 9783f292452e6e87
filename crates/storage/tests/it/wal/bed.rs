//! What the tests of the log share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use storage::log::Log;
use storage::wal::{Error, RegionLog, Wal, WalConfig, Write};
use types::{Entry, EntryKind, HardState, Index, PeerId, RegionId, Term};

use crate::fault_disk::FaultDisk;

pub(crate) const DIR: &str = "/log";

/// Segments as small as can be, so that little data makes many.
pub(crate) fn small() -> WalConfig {
    WalConfig {
        segment_bytes: 64 << 10,
        reclaim_bytes: 160 << 10,
        reclaim_step_bytes: 8 << 10,
        recycled_segments: 2,
        salt: 7,
        ..WalConfig::default()
    }
}

pub(crate) fn open(
    disk: &FaultDisk,
    config: WalConfig,
) -> Result<(Wal, BTreeMap<RegionId, RegionLog>), Error> {
    Wal::open(Arc::new(disk.clone()), Path::new(DIR), config)
}

pub(crate) fn segment(number: u32) -> PathBuf {
    Path::new(DIR).join(format!("{number:08x}.log"))
}

pub(crate) fn entry(index: u64, term: u64, data: &[u8]) -> Entry {
    let kind = if data.len() % 7 == 3 { EntryKind::ConfChange } else { EntryKind::Normal };
    Entry { term: Term(term), index: Index(index), kind, data: data.to_vec().into() }
}

pub(crate) fn hard(term: u64, vote: u64, commit: u64) -> HardState {
    let vote = (vote != 0).then_some(PeerId(vote));
    HardState { term: Term(term), vote, commit: Index(commit) }
}

/// A write of entries `[from, to]` of one term with payloads of `len` bytes.
pub(crate) fn entries(region: u64, from: u64, to: u64, term: u64, len: usize) -> Write {
    let payload = |index: u64| vec![u8::try_from((region + index + term) % 251).unwrap(); len];
    let entries = (from..=to).map(|index| entry(index, term, &payload(index))).collect();
    Write { region: RegionId(region), entries, ..Write::default() }
}

pub(crate) fn compact(region: u64, to: u64, term: u64) -> Write {
    let compact_to = Some((Index(to), Term(term)));
    Write { region: RegionId(region), compact_to, ..Write::default() }
}

pub(crate) fn reset(region: u64, to: u64, term: u64) -> Write {
    let reset_to = Some((Index(to), Term(term)));
    Write { region: RegionId(region), reset_to, ..Write::default() }
}

pub(crate) fn remove(region: u64) -> Write {
    Write { region: RegionId(region), remove: true, ..Write::default() }
}

/// All entries of a region, read in pieces.
pub(crate) fn read_all(log: &dyn Log, region: u64) -> Result<Vec<Entry>, Error> {
    let reader = log.reader();
    let region = RegionId(region);
    let log = reader.region(region).ok_or(Error::UnknownRegion(region))?;
    let mut all = Vec::new();
    let mut next = log.first;
    while next <= log.last {
        let piece = reader.entries(region, next, log.last.next(), 4096)?;
        assert!(!piece.is_empty(), "at least one entry from {next} of {log:?}");
        next = piece.last().map(|entry| entry.index.next()).unwrap_or_default();
        all.extend(piece);
    }
    Ok(all)
}
