//! What makes one flush into two trees a single step: a file that is there while it is done.
//!
//! It tells which version of the tree of runs counted before. The tree of the rest is written last: as
//! long as that has nothing of the flush, a start goes back to this version. The same file makes one step
//! of dropping tables of runs and naming what is left of them.

use std::fs;
use std::io;
use std::path::Path;

use bytes::{Buf as _, BufMut as _};
use crc32c::crc32c;
use env::{Disk as _, OpenMode, RealDisk};

const FILE: &str = "pending";
/// The number of what changes the tree of runs alone: it is always undone.
pub(super) const ALWAYS: u64 = u64::MAX;
/// Names the version of a tree that counts.
const CURRENT: &str = "current";
/// The number of the flush and the checksum, without what `current` held.
const FIXED: usize = 12;

/// Notes that the flush with `number` begins; `runs` is the directory of the tree of runs.
pub(super) fn begin(directory: &Path, runs: &Path, number: u64) -> io::Result<()> {
    let mut bytes = Vec::new();
    bytes.put_u64_le(number);
    bytes.put_slice(&fs::read(runs.join(CURRENT))?);
    bytes.put_u32_le(crc32c(&bytes));
    write(&directory.join(FILE), &bytes)?;
    RealDisk.sync_dir(directory)
}

/// Notes that it is done.
pub(super) fn end(directory: &Path) -> io::Result<()> {
    RealDisk.remove(&directory.join(FILE))?;
    RealDisk.sync_dir(directory)
}

/// At a start, before the tree of runs is opened: undoes in it a flush that was not done in the tree
/// of the rest, where `highest` is the last flush that left something.
pub(super) fn recover(directory: &Path, runs: &Path, highest: u64) -> io::Result<()> {
    let bytes = match fs::read(directory.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // If it is not whole, the flush did not begin.
    if let Some((number, current)) = decode(&bytes)
        && number > highest
    {
        let draft = runs.join("current.draft");
        write(&draft, current)?;
        RealDisk.rename(&draft, &runs.join(CURRENT))?;
        RealDisk.sync_dir(runs)?;
    }
    end(directory)
}

fn decode(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (content, mut checksum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    if bytes.len() < FIXED || checksum.get_u32_le() != crc32c(content) {
        return None;
    }
    let (mut number, current) = content.split_at(8);
    Some((number.get_u64_le(), current))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = RealDisk.open(path, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(0, bytes)?;
    file.sync_data()
}
