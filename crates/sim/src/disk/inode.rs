//! One file: what a reader sees, what is on the platter, and what was there before.

use std::collections::BTreeMap;

use super::random::Random;

#[derive(Clone, Default)]
pub(super) struct Inode {
    /// What a reader sees.
    pub(super) cache: Vec<u8>,
    /// What is on the platter; as long as the platter's idea of the file.
    pub(super) platter: Vec<u8>,
    /// For each sector written since the last sync, all versions it had.
    pub(super) dirty: BTreeMap<usize, Vec<Vec<u8>>>,
    /// What each sector held on the platter before it was written last.
    pub(super) past: BTreeMap<usize, Vec<u8>>,
}

impl Inode {
    pub(super) fn write(&mut self, offset: usize, data: &[u8], sector: usize) {
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
    pub(super) fn sync(&mut self, sector: usize) {
        self.platter.resize(self.cache.len(), 0);
        for (number, versions) in core::mem::take(&mut self.dirty) {
            let last = versions.into_iter().next_back().unwrap_or_default();
            self.keep(number, last, sector);
        }
    }

    fn keep(&mut self, number: usize, mut version: Vec<u8>, sector: usize) {
        let begin = number * sector;
        let end = (begin + version.len()).min(self.platter.len());
        if begin < end {
            version.truncate(end - begin);
            self.platter[begin..end].swap_with_slice(&mut version);
            self.past.insert(number, version);
        }
    }

    /// A power cut.
    pub(super) fn lose(&mut self, sector: usize, odds: u64, random: &mut Random) {
        if self.platter.len() != self.cache.len() && random.chance(odds) {
            self.platter.resize(self.cache.len(), 0);
        }
        for (number, versions) in core::mem::take(&mut self.dirty) {
            if random.chance(odds) {
                // Mostly the last version; sometimes one of those before it.
                let last = versions.len() as u64 - 1;
                let which = if random.chance(70) { last } else { random.below(last + 1) };
                let which = usize::try_from(which).unwrap();
                self.keep(number, versions.into_iter().nth(which).unwrap_or_default(), sector);
            }
        }
        self.cache.clone_from(&self.platter);
    }

    /// A sync that fails: some sectors got there, and all count as clean from now on.
    pub(super) fn fail_sync(&mut self, sector: usize) {
        self.platter.resize(self.cache.len(), 0);
        for (number, versions) in core::mem::take(&mut self.dirty) {
            if number % 2 == 0 {
                let last = versions.into_iter().next_back().unwrap_or_default();
                self.keep(number, last, sector);
            }
        }
    }
}
