//! Which records of a flush go where.

use super::options::Family;
use super::record::Record;
use crate::engine::tree::{Item as _, Tree};

/// From so many bytes on a run gets tables of its own.
const RUN_BYTES: usize = 256 * 1024;
/// Runs of one flush at most: each is a file of its own.
const RUNS_MAX: usize = 64;

/// One flush, cut into pieces that are in order each.
#[derive(Default)]
pub(super) struct Split<'overlay> {
    /// Long rows of records of one family, all put or all gone. They do not overlap.
    pub(super) runs: Vec<Vec<&'overlay Record>>,
    /// The other records of families.
    pub(super) short: Vec<&'overlay Record>,
    /// Records of no family.
    pub(super) rest: Vec<&'overlay Record>,
}

impl<'overlay> Split<'overlay> {
    pub(super) fn new(records: &'overlay Tree<Record>, family: Family) -> Self {
        let mut split = Self::default();
        let mut run: Vec<&Record> = Vec::new();
        for record in records.from(&[]) {
            let Some(prefix) = family(record.key()) else {
                split.rest.push(record);
                continue;
            };
            let goes_on = run.last().is_some_and(|last| {
                last.is_gone() == record.is_gone()
                    && family(last.key()) == Some(prefix)
                    && last.key().get(..prefix) == record.key().get(..prefix)
            });
            if !goes_on {
                split.take(std::mem::take(&mut run));
            }
            run.push(record);
        }
        split.take(run);
        if split.rest.is_empty() {
            split.join();
        }
        split
    }

    /// Makes one piece of all records of families. What makes a flush of several pieces one step needs
    /// a rest.
    fn join(&mut self) {
        self.short.extend(self.runs.drain(..).flatten());
        self.short.sort_by(|one, other| one.key().cmp(other.key()));
    }

    fn take(&mut self, run: Vec<&'overlay Record>) {
        let bytes: usize = run.iter().map(|record| record.len()).sum();
        if bytes >= RUN_BYTES && self.runs.len() < RUNS_MAX {
            self.runs.push(run);
        } else {
            self.short.extend(run);
        }
    }
}
