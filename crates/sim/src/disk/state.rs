//! The disk itself, behind its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::inode::Inode;
use super::lies::Lie;
use super::names::NameChange;

#[derive(Clone)]
pub(super) struct State {
    pub(super) sector: usize,
    pub(super) files: Vec<Inode>,
    /// Names as the running system sees them.
    pub(super) names: BTreeMap<PathBuf, usize>,
    /// Names as they are on the platter.
    pub(super) durable_names: BTreeMap<PathBuf, usize>,
    /// Directories made, and those of them that are there after a power cut.
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) durable_dirs: BTreeSet<PathBuf>,
    /// What happened to names since the last `sync_dir` of their directory.
    pub(super) pending: Vec<NameChange>,
    pub(super) faults: Faults,
    /// Goes up with every power cut; handles of an earlier life are dead.
    pub(super) life: u64,
    pub(super) counts: Counts,
    /// What is not as it was written.
    pub(super) lies: Vec<Lie>,
}

/// What was done to the disk so far.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) operations: u64,
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
    pub(crate) created: u64,
}

#[derive(Clone, Default)]
pub(super) struct Faults {
    /// The power goes when this many more changing operations were done.
    pub(super) power_cut_in: Option<u64>,
    pub(super) power_is_off: bool,
    pub(super) fail_syncs: u64,
    /// Bytes that may still be allocated or written beyond what is there.
    pub(super) free_bytes: Option<u64>,
    /// Nothing may be changed.
    pub(super) read_only: bool,
    /// A sync that fails is tried again by a layer that should not.
    pub(super) retries_syncs: bool,
}

impl State {
    /// Counts a changing operation; fails once the power is off.
    pub(super) fn operate(&mut self) -> io::Result<()> {
        if self.faults.power_is_off {
            return Err(io::Error::other("the power is off"));
        }
        if self.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.counts.operations += 1;
        match &mut self.faults.power_cut_in {
            Some(0) => {
                self.faults.power_is_off = true;
                Err(io::Error::other("the power goes off"))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn grow(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.faults.free_bytes {
            Some(free) if *free < bytes => Err(io::ErrorKind::StorageFull.into()),
            Some(free) => {
                *free -= bytes;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn write(&mut self, inode: usize, offset: u64, data: &[u8]) -> io::Result<()> {
        // A power cut in a write leaves any part of it in the cache, so the data goes first.
        let off = self.faults.power_is_off;
        let result = self.operate();
        if off {
            return result;
        }
        self.counts.writes += 1;
        let offset = usize::try_from(offset).unwrap();
        let end = offset + data.len();
        let more = end.saturating_sub(self.files[inode].cache.len()) as u64;
        let full = self.grow(more);
        let data = if full.is_err() { &data[..data.len() / 2] } else { data };
        let sector = self.sector;
        self.files[inode].write(offset, data, sector);
        self.lies.retain(|lie| !lie.is_overwritten(inode, offset..offset + data.len()));
        result.and(full)
    }
}
