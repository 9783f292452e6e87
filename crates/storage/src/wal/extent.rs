//! Where a region's entries lie: runs of entries, one per entries item, 24 bytes each.

use std::collections::VecDeque;

/// A run of entries that lie in one entries item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    /// Index of the first entry that counts; the item may begin with earlier ones that do not.
    pub(super) first: u64,
    /// In which segment.
    pub(super) segment: u32,
    /// Where the item begins in it.
    pub(super) offset: u32,
    /// Entries that count.
    pub(super) count: u32,
    /// Their bytes, rows and payloads; an estimate once a part of the item was cut off.
    pub(super) bytes: u32,
}

impl Extent {
    /// One above the last index.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// The part of it in `[from, to)`, which must not be empty.
    fn part(&self, from: u64, to: u64) -> Self {
        let count = to.min(self.end()) - from.max(self.first);
        let bytes = u64::from(self.bytes) * count / u64::from(self.count);
        Self {
            first: from.max(self.first),
            count: u32::try_from(count).unwrap_or(self.count),
            bytes: u32::try_from(bytes).unwrap_or(self.bytes),
            ..*self
        }
    }
}

/// The runs of one region, in the order of their indexes. They overlap nowhere; gaps exist only
/// while an old log is read back.
#[derive(Clone, Default, Debug)]
pub(super) struct Extents(VecDeque<Extent>);

/// What an operation did to a run: it came, or it went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Came(Extent),
    Went(Extent),
}

impl Extents {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Extent> {
        self.0.iter()
    }

    /// The runs that hold `index` and what comes after it.
    pub(super) fn from(&self, index: u64) -> impl Iterator<Item = &Extent> {
        let begin = self.0.partition_point(|extent| extent.end() <= index);
        self.0.range(begin..)
    }

    /// Forgets `[from, to)`.
    pub(super) fn cut(&mut self, from: u64, to: u64, note: &mut impl FnMut(Change)) {
        let begin = self.0.partition_point(|extent| extent.end() <= from);
        let end = self.0.partition_point(|extent| extent.first < to);
        if begin >= end {
            return;
        }
        let mut kept = Vec::new();
        for extent in self.0.range(begin..end) {
            note(Change::Went(*extent));
            if extent.first < from {
                kept.push(extent.part(extent.first, from));
            }
            if extent.end() > to {
                kept.push(extent.part(to, extent.end()));
            }
        }
        // Compaction and truncation cut at the ends, where this moves next to nothing.
        self.0.drain(begin..end);
        for extent in kept.into_iter().rev() {
            note(Change::Came(extent));
            self.0.insert(begin, extent);
        }
    }

    /// Puts `extent` in the place of whatever was at its indexes.
    pub(super) fn put(&mut self, extent: Extent, note: &mut impl FnMut(Change)) {
        self.cut(extent.first, extent.end(), note);
        let at = self.0.partition_point(|other| other.first < extent.first);
        note(Change::Came(extent));
        self.0.insert(at, extent);
    }
}
