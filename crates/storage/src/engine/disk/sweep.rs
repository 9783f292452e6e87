//! Removing what nobody reads any more from the tables of runs: by writing what is left of them anew.
//!
//! A record there would otherwise cost a second one, which says that it is gone, and a merge of both.
//! Piece by piece, in the order of the keys, and each piece for good before the next.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use lsm_tree::merge::Merger;
use lsm_tree::{AbstractTree as _, AnyTree, InternalValue, Table, UserKey};
use types::Garbage;

use super::pending;
use super::tables::{Tables, write_items};

type Item = lsm_tree::Result<InternalValue>;

/// What flushes write, so many times, is in one piece; one that cannot be parted may be larger.
const PIECE: u64 = 4;
/// A table of less than this part of a flush is put together with its neighbours, so that ever more
/// little ones do not stay.
const SMALL: u64 = 4;

/// Records between two rests.
const PACE_RECORDS: u32 = 4_096;
/// How many times as long as those took.
const REST: u32 = 3;
/// A rest at most.
const REST_MAX: Duration = Duration::from_millis(100);

/// What one step came to. The key is where the next one begins.
pub(super) enum Step {
    /// No table has anything to be removed from there on.
    Done,
    Rewritten(Vec<u8>),
    /// Tables with more records of others than of the range were left alone.
    Others(Vec<u8>),
    /// The tables were others when the piece was ready.
    Again,
}

/// Tables that no other table overlaps, neighbours of each other.
#[derive(Default)]
struct Piece {
    tables: Vec<Table>,
    bytes: u64,
    /// Bytes of tables that lie in the range.
    own: u64,
}

impl Piece {
    /// `tables`, which are in order of their first keys, in the smallest pieces there are.
    fn smallest(tables: Vec<Table>, (start, end): (&[u8], &[u8])) -> Vec<Self> {
        let mut pieces: Vec<Self> = Vec::new();
        for table in tables {
            let range = &table.metadata.key_range;
            let goes_on = pieces.last().is_some_and(|piece| **range.min() <= *piece.max());
            if !goes_on {
                pieces.push(Self::default());
            }
            let Some(piece) = pieces.last_mut() else { continue };
            let bytes = table.metadata.file_size;
            piece.bytes += bytes;
            if **range.min() >= *start && **range.max() < *end {
                piece.own += bytes;
            }
            piece.tables.push(table);
        }
        pieces
    }

    fn add(&mut self, other: Self) {
        self.tables.extend(other.tables);
        self.bytes += other.bytes;
        self.own += other.own;
    }

    fn min(&self) -> &[u8] {
        self.tables.first().map_or(&[], |table| table.metadata.key_range.min())
    }

    fn max(&self) -> &[u8] {
        let last = self.tables.iter().map(|table| &**table.metadata.key_range.max()).max();
        last.unwrap_or_default()
    }

    fn after(&self) -> Vec<u8> {
        [self.max(), &[0]].concat()
    }

    fn is_mostly_of_others(&self) -> bool {
        self.own * 2 < self.bytes
    }

    /// The next tables from `from` on that are to be rewritten together.
    fn choose(
        tree: &AnyTree,
        (start, end): (&[u8], &[u8]),
        from: &[u8],
        garbage: &dyn Garbage,
        flush_bytes: u64,
    ) -> Option<Self> {
        let is_dirty = |piece: &Self| {
            let first = garbage.next(piece.min().max(from));
            first.is_some_and(|key| *key <= *piece.max() && *key < *end)
        };
        // Neighbours so far, and whether any of them has something to be removed.
        let (mut chosen, mut any_dirty) = (Self::default(), false);
        for piece in Self::smallest(tables(tree), (start, end)) {
            if piece.max() < from {
                continue;
            }
            if !any_dirty && piece.min() >= end {
                break;
            }
            let dirty = is_dirty(&piece);
            let joins = dirty || piece.bytes < flush_bytes / SMALL;
            let fits = chosen.bytes + piece.bytes <= flush_bytes * PIECE;
            let alike = piece.is_mostly_of_others() == chosen.is_mostly_of_others();
            if joins && (chosen.tables.is_empty() || fits && alike) {
                chosen.add(piece);
                any_dirty |= dirty;
            } else if any_dirty {
                break;
            } else {
                chosen = if joins { piece } else { Self::default() };
                any_dirty = dirty;
            }
        }
        any_dirty.then_some(chosen)
    }

    /// Whether the tables between its first and last key are still its own and no others.
    fn is_whole(&self, tree: &AnyTree) -> bool {
        let mut now: Vec<u64> = tables(tree)
            .iter()
            .filter(|table| {
                let range = &table.metadata.key_range;
                **range.max() >= *self.min() && **range.min() <= *self.max()
            })
            .map(Table::id)
            .collect();
        let mut own: Vec<u64> = self.tables.iter().map(Table::id).collect();
        now.sort_unstable();
        own.sort_unstable();
        now == own
    }
}

/// All tables, in the order of their first keys.
fn tables(tree: &AnyTree) -> Vec<Table> {
    let mut tables: Vec<Table> = tree.current_version().iter_tables().cloned().collect();
    tables.sort_by(|one, other| one.metadata.key_range.min().cmp(other.metadata.key_range.min()));
    tables
}

impl Tables {
    /// Removes the records of `garbage` in `[start, end)` from the next tables that have some, from the
    /// key `from` on, for good.
    pub(super) fn sweep(
        &self,
        range: (&[u8], &[u8]),
        from: &[u8],
        garbage: &dyn Garbage,
    ) -> lsm_tree::Result<Step> {
        let merging = self.merging_runs.lock();
        let piece = Piece::choose(&self.runs, range, from, garbage, self.flush_bytes);
        let Some(piece) = piece else { return Ok(Step::Done) };
        let next = piece.after();
        if piece.is_mostly_of_others() {
            return Ok(Step::Others(next));
        }
        let readers = piece.tables.iter().map(Table::scan).collect::<lsm_tree::Result<Vec<_>>>()?;
        let living = Living {
            items: Merger::new(readers),
            tables: self,
            garbage,
            oldest_pin: self.oldest_pin(),
            last: None,
            pace: Pace::default(),
        };
        let left = write_items(&self.runs, living)?;
        let replaced = self.replace(&piece, &left)?;
        drop(merging);
        if replaced {
            return Ok(Step::Rewritten(next));
        }
        for table in left {
            table.is_deleted.store(true, Ordering::Release);
        }
        Ok(Step::Again)
    }

    /// Puts `left` in the place of a piece, in one step for readers and for crashes. Answers `false` if
    /// the tables are others by now.
    fn replace(&self, piece: &Piece, left: &[Table]) -> lsm_tree::Result<bool> {
        let change = self.runs_change.lock();
        if !piece.is_whole(&self.runs) {
            return Ok(false);
        }
        let kept = Kept(&piece.tables);
        if !left.is_empty() {
            pending::begin(&self.place.directory, &self.place.runs, pending::ALWAYS)?;
        }
        self.runs.drop_range::<&[u8], _>(piece.min()..=piece.max())?;
        if !left.is_empty() {
            // With 0 no version goes: it may be the one to go back to.
            self.runs.register_tables(left, None, None, &[], 0)?;
            pending::end(&self.place.directory)?;
        }
        std::mem::forget(kept);
        let left = self.forget_versions()?;
        drop(change);
        drop(left);
        Ok(true)
    }
}

/// Keeps the files of tables that were dropped, unless it is forgotten: the next start goes back to
/// them.
struct Kept<'tables>(&'tables [Table]);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        for table in self.0 {
            table.is_deleted.store(false, Ordering::Release);
        }
    }
}

/// The records of tables that nothing overlaps, without what is garbage and what no reader sees.
struct Living<'sweep, I> {
    items: I,
    tables: &'sweep Tables,
    garbage: &'sweep dyn Garbage,
    /// All readers see what has a lower number.
    oldest_pin: u64,
    /// The key that came last, and whether what follows under it can be seen by nobody.
    last: Option<(UserKey, bool)>,
    pace: Pace,
}

impl<I: Iterator<Item = Item>> Iterator for Living<'_, I> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let item = match self.items.next()? {
                Ok(item) => item,
                Err(error) => return Some(Err(error)),
            };
            if self.tables.is_stopping() || (self.pace.step() && !self.garbage.is_wanted()) {
                return Some(Err(lsm_tree::Error::Unrecoverable));
            }
            let seen_by_all = item.key.seqno < self.oldest_pin;
            match &mut self.last {
                Some((key, hidden)) if *key == item.key.user_key => {
                    if std::mem::replace(hidden, *hidden || seen_by_all) {
                        continue;
                    }
                }
                last => {
                    let hidden = self.garbage.holds(&item.key.user_key);
                    *last = Some((item.key.user_key.clone(), hidden || seen_by_all));
                    if hidden {
                        continue;
                    }
                }
            }
            // Nothing older than a tombstone that all see is left, here or in another table.
            if !(seen_by_all && item.is_tombstone()) {
                return Some(Ok(item));
            }
        }
    }
}

/// Leaves the processor to those who wait for answers: a sweep is in no hurry.
struct Pace {
    began: Instant,
    records: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { began: Instant::now(), records: 0 }
    }
}

impl Pace {
    /// Answers whether it rested.
    fn step(&mut self) -> bool {
        self.records += 1;
        let rests = self.records == PACE_RECORDS;
        if rests {
            thread::sleep((self.began.elapsed() * REST).min(REST_MAX));
            *self = Self::default();
        }
        rests
    }
}
