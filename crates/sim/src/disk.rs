//! A disk in memory that forgets what a real one may forget.
//!
//! Writes go to a page cache, sector by sector, and to the platter only by `sync_data`; names of
//! files change in the directory at once, and for good only by `sync_dir`. At a power cut each
//! sector that was not synced keeps any of the versions it had since, each length and each change
//! of a name survives or not, all drawn from a seed. A sector is never torn itself.
//!
//! It can also be told to cut the power at a given operation, to fail a sync, to be full, and to
//! damage bytes that are on the platter.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, DiskFile, DiskSpace, OpenMode};
use parking_lot::Mutex;

/// A small generator (SplitMix64), so that a seed names one run for ever.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether something of `percent` happens.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct FaultDisk(Arc<Mutex<State>>);

struct State {
    sector: usize,
    files: Vec<Inode>,
    /// Names as the running system sees them.
    names: BTreeMap<PathBuf, usize>,
    /// Names as they are on the platter.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Directories made, and those of them that are there after a power cut.
    dirs: BTreeSet<PathBuf>,
    durable_dirs: BTreeSet<PathBuf>,
    /// What happened to names since the last `sync_dir` of their directory.
    pending: Vec<NameChange>,
    faults: Faults,
    /// Goes up with every power cut; handles of an earlier life are dead.
    life: u64,
    counts: Counts,
}

/// What was done to the disk so far.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) operations: u64,
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
    pub(crate) created: u64,
}

#[derive(Default)]
struct Faults {
    /// The power goes when this many more changing operations were done.
    power_cut_in: Option<u64>,
    power_is_off: bool,
    fail_syncs: u64,
    /// Bytes that may still be allocated or written beyond what is there.
    free_bytes: Option<u64>,
    /// Nothing may be changed.
    read_only: bool,
    /// A sync that fails is tried again by a layer that should not.
    retries_syncs: bool,
}

#[derive(Default)]
struct Inode {
    /// What a reader sees.
    cache: Vec<u8>,
    /// What is on the platter; as long as the platter's idea of the file.
    platter: Vec<u8>,
    /// For each sector written since the last sync, all versions it had.
    dirty: BTreeMap<usize, Vec<Vec<u8>>>,
}

#[derive(Clone)]
enum NameChange {
    Created(PathBuf, usize),
    Renamed(PathBuf, PathBuf, usize),
    Removed(PathBuf),
    MadeDir(PathBuf),
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Created(path, _)
            | Self::Removed(path)
            | Self::Renamed(_, path, _)
            | Self::MadeDir(path) => path.parent(),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>, dirs: &mut BTreeSet<PathBuf>) {
        match self {
            Self::MadeDir(path) => {
                dirs.insert(path);
            }
            Self::Created(path, inode) => {
                names.insert(path, inode);
            }
            Self::Renamed(from, to, inode) => {
                if names.get(&from) == Some(&inode) {
                    names.remove(&from);
                }
                names.insert(to, inode);
            }
            Self::Removed(path) => {
                names.remove(&path);
            }
        }
    }
}

impl FaultDisk {
    /// An empty disk with sectors of `sector` bytes.
    pub(crate) fn new(sector: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            sector,
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            dirs: BTreeSet::new(),
            durable_dirs: BTreeSet::new(),
            pending: Vec::new(),
            faults: Faults::default(),
            life: 0,
            counts: Counts::default(),
        })))
    }

    /// Lets the power go after `operations` more writes, syncs, or changes of names or lengths.
    pub(crate) fn cut_power_in(&self, operations: u64) {
        self.0.lock().faults.power_cut_in = Some(operations);
    }

    /// Takes back every fault that was ordered and did not happen yet.
    pub(crate) fn disarm(&self) {
        let mut state = self.0.lock();
        if !state.faults.power_is_off {
            state.faults = Faults::default();
        }
    }

    pub(crate) fn power_is_off(&self) -> bool {
        self.0.lock().faults.power_is_off
    }

    /// Cuts the power, if it is still on, and starts again with what `random` lets survive.
    pub(crate) fn restart(&self, random: &mut Random) {
        let mut locked = self.0.lock();
        let state = &mut *locked;
        let odds = [0, 20, 50, 80, 100][usize::try_from(random.below(5)).unwrap()];
        let sector = state.sector;
        for file in &mut state.files {
            file.lose(sector, odds, random);
        }
        let pending = core::mem::take(&mut state.pending);
        for change in pending {
            if random.chance(odds) {
                change.apply(&mut state.durable_names, &mut state.durable_dirs);
            }
        }
        let dirs = &state.durable_dirs;
        state.durable_names.retain(|name, _| name.parent().is_some_and(|dir| dirs.contains(dir)));
        state.dirs = state.durable_dirs.clone();
        state.names = state.durable_names.clone();
        state.faults = Faults::default();
        state.life += 1;
    }

    /// Ends the process but not the machine: the page cache stays, open handles die.
    pub(crate) fn kill_process(&self) {
        let mut state = self.0.lock();
        state.faults = Faults::default();
        state.life += 1;
    }

    /// The next `count` calls of `sync_data` fail, and drop a part of what they should have kept,
    /// though the page cache goes on showing it as clean.
    pub(crate) fn fail_syncs(&self, count: u64) {
        self.0.lock().faults.fail_syncs = count;
    }

    /// Only `bytes` more fit.
    pub(crate) fn set_free_bytes(&self, bytes: u64) {
        self.0.lock().faults.free_bytes = Some(bytes);
    }

    /// From now on nothing can be changed.
    pub(crate) fn set_read_only(&self) {
        self.0.lock().faults.read_only = true;
    }

    /// There is space again, and it can be written.
    pub(crate) fn give_space(&self) {
        let faults = &mut self.0.lock().faults;
        (faults.free_bytes, faults.read_only) = (None, false);
    }

    /// Whether it is full or read-only.
    pub(crate) fn is_short(&self) -> bool {
        let faults = &self.0.lock().faults;
        faults.free_bytes.is_some() || faults.read_only
    }

    /// A sync that fails is tried again behind everybody's back, which Linux answers with success.
    pub(crate) fn retry_syncs(&self) {
        self.0.lock().faults.retries_syncs = true;
    }

    /// All bytes of a file, as read.
    pub(crate) fn contents(&self, path: &Path) -> Vec<u8> {
        let state = self.0.lock();
        state.names.get(path).map(|inode| state.files[*inode].cache.clone()).unwrap_or_default()
    }

    /// Puts `bytes` in the place of a file's, on the platter, or makes the file.
    pub(crate) fn overwrite(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.0.lock();
        let inode = state.names.get(path).copied().unwrap_or_else(|| {
            state.files.push(Inode::default());
            state.files.len() - 1
        });
        state.names.insert(path.to_path_buf(), inode);
        state.durable_names.insert(path.to_path_buf(), inode);
        for dir in path.ancestors().skip(1).map(Path::to_path_buf) {
            state.dirs.insert(dir.clone());
            state.durable_dirs.insert(dir);
        }
        state.files[inode] =
            Inode { cache: bytes.to_vec(), platter: bytes.to_vec(), dirty: BTreeMap::new() };
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().counts
    }
}

impl State {
    /// Counts a changing operation; fails once the power is off.
    fn operate(&mut self) -> io::Result<()> {
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

    fn grow(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.faults.free_bytes {
            Some(free) if *free < bytes => Err(io::ErrorKind::StorageFull.into()),
            Some(free) => {
                *free -= bytes;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, inode: usize, offset: u64, data: &[u8]) -> io::Result<()> {
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
        result.and(full)
    }
}

impl Inode {
    fn write(&mut self, offset: usize, data: &[u8], sector: usize) {
        let end = offset + data.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[offset..end].copy_from_slice(data);
        for number in offset / sector..end.div_ceil(sector) {
            let begin = number * sector;
            let version = self.cache[begin..self.cache.len().min(begin + sector)].to_vec();
            self.dirty.entry(number).or_default().push(version);
        }
    }

    /// Writes what is dirty, and nothing else: what a failed sync forgot stays forgotten.
    fn sync(&mut self, sector: usize) {
        self.platter.resize(self.cache.len(), 0);
        for (number, versions) in core::mem::take(&mut self.dirty) {
            let last = versions.last().cloned().unwrap_or_default();
            self.keep(number, &last, sector);
        }
    }

    fn keep(&mut self, number: usize, version: &[u8], sector: usize) {
        let begin = number * sector;
        let end = (begin + version.len()).min(self.platter.len());
        if begin < end {
            self.platter[begin..end].copy_from_slice(&version[..end - begin]);
        }
    }

    /// A power cut.
    fn lose(&mut self, sector: usize, odds: u64, random: &mut Random) {
        if self.platter.len() != self.cache.len() && random.chance(odds) {
            self.platter.resize(self.cache.len(), 0);
        }
        for (number, versions) in core::mem::take(&mut self.dirty) {
            if random.chance(odds) {
                // Mostly the last version; sometimes one of those before it.
                let last = versions.len() as u64 - 1;
                let which = if random.chance(70) { last } else { random.below(last + 1) };
                self.keep(number, &versions[usize::try_from(which).unwrap()], sector);
            }
        }
        self.cache.clone_from(&self.platter);
    }

    /// A sync that fails: some sectors got there, and all count as clean from now on.
    fn fail_sync(&mut self, sector: usize) {
        self.platter.resize(self.cache.len(), 0);
        for (number, versions) in core::mem::take(&mut self.dirty) {
            if number % 2 == 0 {
                let last = versions.last().cloned().unwrap_or_default();
                self.keep(number, &last, sector);
            }
        }
    }
}

struct FaultFile {
    disk: FaultDisk,
    inode: usize,
    life: u64,
}

impl FaultFile {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.0.lock();
        if state.life != self.life {
            return Err(io::Error::other("a handle of an earlier life"));
        }
        work(&mut state)
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|state| {
            let cache = &state.files[self.inode].cache;
            let begin = usize::try_from(offset).unwrap().min(cache.len());
            let count = buffer.len().min(cache.len() - begin);
            buffer[..count].copy_from_slice(&cache[begin..begin + count]);
            Ok(count)
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with(|state| state.write(self.inode, offset, data))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state| {
            state.operate()?;
            state.counts.syncs += 1;
            let sector = state.sector;
            if state.faults.fail_syncs > 0 {
                state.faults.fail_syncs -= 1;
                state.files[self.inode].fail_sync(sector);
                if state.faults.retries_syncs {
                    return Ok(());
                }
                return Err(io::Error::other("the disk could not sync"));
            }
            state.files[self.inode].sync(sector);
            Ok(())
        })
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.operate()?;
            let len = usize::try_from(len).unwrap();
            let more = len.saturating_sub(state.files[self.inode].cache.len());
            state.grow(more as u64)?;
            let file = &mut state.files[self.inode];
            let longer = file.cache.len().max(len);
            file.cache.resize(longer, 0);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state| {
            state.operate()?;
            let len = usize::try_from(len).unwrap();
            state.files[self.inode].cache.resize(len, 0);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|state| Ok(state.files[self.inode].cache.len() as u64))
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        let known = state.names.get(path).copied();
        let inode = match (known, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => inode,
            (None, OpenMode::Read | OpenMode::ReadWrite) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            (None, OpenMode::Create | OpenMode::CreateNew) => {
                state.operate()?;
                state.counts.created += 1;
                let inode = state.files.len();
                state.files.push(Inode::default());
                state.names.insert(path.to_path_buf(), inode);
                state.pending.push(NameChange::Created(path.to_path_buf(), inode));
                inode
            }
        };
        let life = state.life;
        drop(state);
        Ok(Box::new(FaultFile { disk: self.clone(), inode, life }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        for dir in path.ancestors() {
            if state.dirs.insert(dir.to_path_buf()) {
                state.pending.push(NameChange::MadeDir(dir.to_path_buf()));
            }
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.0.lock();
        Ok(state.names.keys().filter(|name| name.parent() == Some(path)).cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let change = NameChange::Renamed(from.to_path_buf(), to.to_path_buf(), inode);
        change.clone().apply(&mut state.names, &mut BTreeSet::new());
        state.pending.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        if state.names.remove(path).is_some() {
            state.pending.push(NameChange::Removed(path.to_path_buf()));
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut locked = self.0.lock();
        let state = &mut *locked;
        state.operate()?;
        let (synced, rest): (Vec<_>, Vec<_>) = core::mem::take(&mut state.pending)
            .into_iter()
            .partition(|change| change.dir() == Some(path));
        state.pending = rest;
        for change in synced {
            change.apply(&mut state.durable_names, &mut state.durable_dirs);
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        let state = self.0.lock();
        state.names.contains_key(path) || state.dirs.contains(path)
    }

    fn space(&self, _: &Path) -> io::Result<DiskSpace> {
        let free = self.0.lock().faults.free_bytes.unwrap_or(u64::MAX);
        Ok(DiskSpace { free, total: u64::MAX })
    }
}
