//! What the simulator does to the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::inode::Inode;
use super::random::Random;
use super::state::{Counts, Faults, State};

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct FaultDisk(pub(super) Arc<Mutex<State>>);

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
            lies: Vec::new(),
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

    /// The bytes of a file that no power cut takes any more.
    pub(crate) fn platter(&self, path: &Path) -> Vec<u8> {
        let state = self.0.lock();
        state.names.get(path).map(|inode| state.files[*inode].platter.clone()).unwrap_or_default()
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
            Inode { cache: bytes.to_vec(), platter: bytes.to_vec(), ..Inode::default() };
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().counts
    }
}
