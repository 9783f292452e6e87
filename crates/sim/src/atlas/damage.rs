//! What exactly becomes of a disk: where, drawn from the seed. Each answers whether there was anything.

use super::vouched::{Vouched, segments, snapshots};
use crate::disk::{FaultDisk, Random};

const SECTOR: usize = 512;
/// Bytes of a segment that are its header, and how many of them mean something.
const HEAD: (usize, usize) = (4096, 64);

fn pick<T>(random: &mut Random, from: Vec<T>) -> Option<T> {
    let at = random.below(from.len().max(1) as u64);
    from.into_iter().nth(usize::try_from(at).unwrap_or(0))
}

/// Snapshots that wait to be installed are rare, and come first.
fn targets(random: &mut Random, disk: &FaultDisk) -> Vec<Vouched> {
    let snapshots = snapshots(disk);
    if !snapshots.is_empty() && random.chance(70) { snapshots } else { segments(disk) }
}

/// A place in a file, mostly where it was written last.
fn place(random: &mut Random, from: usize, to: usize) -> usize {
    let from = if random.chance(50) { to.saturating_sub(1_500).max(from) } else { from };
    from + usize::try_from(random.below((to - from).max(1) as u64)).unwrap_or(0)
}

pub(super) fn flip(random: &mut Random, disk: &FaultDisk) -> bool {
    let targets = targets(random, disk);
    let Some(Vouched { path, bytes }) = pick(random, targets) else { return false };
    let is_segment = path.extension().is_some_and(|it| it == "log");
    let at = match (is_segment, bytes > HEAD.0) {
        (true, true) if !random.chance(10) => place(random, HEAD.0, bytes),
        (true, _) => place(random, 0, HEAD.1),
        (false, _) => place(random, 0, bytes),
    };
    disk.flip(&path, at, random.below(8));
    true
}

/// Whole sectors of what is surely durable that were something else before.
fn sectors(disk: &FaultDisk, file: &Vouched) -> Vec<usize> {
    let mut known = disk.with_past(&file.path);
    known.retain(|sector| (sector + 1) * SECTOR <= file.bytes);
    known
}

fn sector(random: &mut Random, disk: &FaultDisk, file: &Vouched) -> Option<usize> {
    let mut known = sectors(disk, file);
    if random.chance(50) {
        known = known.split_off(known.len().saturating_sub(3));
    }
    pick(random, known)
}

pub(super) fn show_past(random: &mut Random, disk: &FaultDisk) -> bool {
    let targets = targets(random, disk);
    let Some(file) = pick(random, targets) else { return false };
    let Some(at) = sector(random, disk, &file) else { return false };
    disk.show_past(&file.path, at);
    true
}

pub(super) fn misdirect(random: &mut Random, disk: &FaultDisk) -> bool {
    let sources = targets(random, disk);
    let Some(from) = pick(random, sources) else { return false };
    let Some(source) = sector(random, disk, &from) else { return false };
    let targets = targets(random, disk);
    let Some(to) = pick(random, targets) else { return false };
    let target = place(random, 0, to.bytes.saturating_sub(SECTOR)) / SECTOR;
    let is_other = to.path != from.path || target != source;
    if is_other {
        disk.misdirect((&from.path, source), (&to.path, target));
    }
    is_other
}

pub(super) fn lose_name(random: &mut Random, disk: &FaultDisk) -> bool {
    let mut targets = targets(random, disk);
    // That of the last one is the one that nothing behind it misses.
    if random.chance(50) {
        targets = targets.split_off(targets.len().saturating_sub(1));
    }
    let Some(file) = pick(random, targets) else { return false };
    disk.lose_name(&file.path);
    true
}
