//! What a broken disk does to what it had taken: bits flip, writes land elsewhere or are shown as they
//! were before, names are lost. Each lie keeps the truth, so that what it did can be judged.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::control::FaultDisk;
use super::state::{Faults, State};

#[derive(Clone)]
pub(super) enum Lie {
    /// Other bytes than were written.
    Bytes { inode: usize, at: usize, truth: Vec<u8> },
    /// A name is gone.
    Name { path: PathBuf, inode: usize },
}

impl Lie {
    /// Whether a write to these bytes of a file ends it.
    pub(super) fn is_overwritten(&self, file: usize, bytes: Range<usize>) -> bool {
        match self {
            Self::Bytes { inode, at, truth } => {
                *inode == file && bytes.start < at + truth.len() && *at < bytes.end
            }
            Self::Name { .. } => false,
        }
    }
}

impl State {
    /// Has a reader see `bytes` at `at` of a file, now and after a power cut.
    fn pretend(&mut self, inode: usize, at: usize, bytes: &[u8]) {
        let (sector, file) = (self.sector, &mut self.files[inode]);
        for (offset, byte) in (at..).zip(bytes) {
            file.cache[offset] = *byte;
            if let Some(kept) = file.platter.get_mut(offset) {
                *kept = *byte;
            }
            for version in file.dirty.get_mut(&(offset / sector)).into_iter().flatten() {
                if let Some(written) = version.get_mut(offset % sector) {
                    *written = *byte;
                }
            }
        }
    }

    fn lie(&mut self, inode: usize, at: usize, bytes: &[u8]) {
        let truth = self.files[inode].cache[at..at + bytes.len()].to_vec();
        self.pretend(inode, at, bytes);
        self.lies.push(Lie::Bytes { inode, at, truth });
    }

    fn be_honest(&mut self) {
        for lie in core::mem::take(&mut self.lies).into_iter().rev() {
            match lie {
                Lie::Bytes { inode, at, truth } => self.pretend(inode, at, &truth),
                Lie::Name { path, inode } => {
                    self.names.insert(path.clone(), inode);
                    self.durable_names.insert(path, inode);
                }
            }
        }
    }

    /// What a sector of a file is, and what it was before, if that is known and something else.
    fn past_of(&self, inode: usize, number: usize) -> Option<&[u8]> {
        let file = &self.files[inode];
        let (at, past) = (number * self.sector, file.past.get(&number)?);
        let now = file.cache.get(at..at + past.len())?;
        (now != past).then_some(past)
    }
}

impl FaultDisk {
    /// A bit of what is durable is another one.
    pub(crate) fn flip(&self, path: &Path, at: usize, bit: u64) {
        let mut state = self.0.lock();
        let Some(inode) = state.names.get(path).copied() else { return };
        let Some(byte) = state.files[inode].cache.get(at).copied() else { return };
        state.lie(inode, at, &[byte ^ 1 << bit]);
    }

    /// Sectors of a file that were something else before they were written last.
    pub(crate) fn with_past(&self, path: &Path) -> Vec<usize> {
        let state = self.0.lock();
        let Some(inode) = state.names.get(path).copied() else { return Vec::new() };
        let known = state.files[inode].past.keys().copied();
        known.filter(|number| state.past_of(inode, *number).is_some()).collect()
    }

    /// A sector is shown as it was before it was written last.
    pub(crate) fn show_past(&self, path: &Path, number: usize) {
        let mut state = self.0.lock();
        let Some(inode) = state.names.get(path).copied() else { return };
        let Some(past) = state.past_of(inode, number).map(<[u8]>::to_vec) else { return };
        let at = number * state.sector;
        state.lie(inode, at, &past);
    }

    /// The last write of a sector went to another place: that has it now, and its own has what was
    /// there before.
    pub(crate) fn misdirect(&self, from: (&Path, usize), to: (&Path, usize)) {
        let mut state = self.0.lock();
        let inode = |path: &Path| state.names.get(path).copied();
        let (Some(source), Some(target)) = (inode(from.0), inode(to.0)) else { return };
        let sector = state.sector;
        let Some(past) = state.past_of(source, from.1).map(<[u8]>::to_vec) else { return };
        let at = from.1 * sector;
        let mut written = state.files[source].cache[at..at + past.len()].to_vec();
        let begin = to.1 * sector;
        written.truncate(state.files[target].cache.len().saturating_sub(begin));
        state.lie(source, at, &past);
        state.lie(target, begin, &written);
    }

    /// A name that was durable is gone.
    pub(crate) fn lose_name(&self, path: &Path) {
        let mut state = self.0.lock();
        if let Some(inode) = state.names.remove(path) {
            state.durable_names.remove(path);
            state.lies.push(Lie::Name { path: path.to_path_buf(), inode });
        }
    }

    /// Whether something on it is not as it was written.
    pub(crate) fn lies(&self) -> bool {
        !self.0.lock().lies.is_empty()
    }

    /// From here on it shows again what was written.
    pub(crate) fn be_honest(&self) {
        self.0.lock().be_honest();
    }

    /// The same, but names that are gone stay so: nobody missed them.
    pub(crate) fn be_honest_without_names(&self) {
        let mut state = self.0.lock();
        state.lies.retain(|lie| !matches!(lie, Lie::Name { .. }));
        state.be_honest();
    }

    /// Another disk with what this one should have.
    pub(crate) fn truth(&self) -> Self {
        let mut state = self.0.lock().clone();
        state.faults = Faults::default();
        state.be_honest();
        Self(Arc::new(Mutex::new(state)))
    }
}
