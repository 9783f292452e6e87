//! Remembers which entries have which term without keeping the entries. Terms never go down along a
//! log, so two entries of the same term vouch for all between them.

/// Runs of entries known to share a term. It is a memory, not the truth: what it does not know is
/// read from the log.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    term: u64,
    low: u64,
    high: u64,
}

/// Runs kept; the oldest is forgotten first. A log has one per election since its last compaction.
const RUNS: usize = 64;

impl Terms {
    /// Starts again, knowing one entry.
    pub(crate) fn reset(&mut self, index: u64, term: u64) {
        self.runs.clear();
        self.runs.push(Run { term, low: index, high: index });
    }

    pub(crate) fn get(&self, index: u64) -> Option<u64> {
        let run = self.runs.iter().rev().find(|run| run.low <= index)?;
        (index <= run.high).then_some(run.term)
    }

    /// Learns the term of one entry.
    pub(crate) fn learn(&mut self, index: u64, term: u64) {
        match self.runs.binary_search_by_key(&term, |run| run.term) {
            Ok(at) => {
                self.runs[at].low = self.runs[at].low.min(index);
                self.runs[at].high = self.runs[at].high.max(index);
            }
            Err(at) => self.runs.insert(at, Run { term, low: index, high: index }),
        }
        if self.runs.len() > RUNS {
            // Not the first: it holds the entry before the log, which cannot be read again.
            self.runs.remove(1);
        }
    }

    /// Gives back room that it does not need.
    pub(crate) fn shrink(&mut self) {
        self.runs.shrink_to_fit();
    }

    /// Forgets everything from `index` on.
    pub(crate) fn truncate(&mut self, index: u64) {
        self.runs.retain(|run| run.low < index);
        for run in &mut self.runs {
            run.high = run.high.min(index.saturating_sub(1));
        }
    }

    /// Forgets everything before `index`, which is known to have `term`.
    pub(crate) fn compact(&mut self, index: u64, term: u64) {
        self.runs.retain(|run| run.high >= index);
        for run in &mut self.runs {
            run.low = run.low.max(index);
        }
        self.learn(index, term);
    }
}

#[cfg(test)]
mod tests {
    use super::Terms;

    #[test]
    fn runs_answer_what_they_vouch_for_and_nothing_else() {
        let mut terms = Terms::default();
        terms.reset(10, 2);
        terms.learn(14, 2);
        terms.learn(20, 5);
        assert_eq!(terms.get(9), None);
        assert_eq!(terms.get(12), Some(2));
        assert_eq!(terms.get(16), None, "term 2, 3, 4 or 5");
        assert_eq!(terms.get(20), Some(5));
        assert_eq!(terms.get(21), None);

        terms.truncate(13);
        assert_eq!(terms.get(12), Some(2));
        assert_eq!(terms.get(13), None);
        assert_eq!(terms.get(20), None);

        terms.learn(13, 6);
        terms.compact(12, 2);
        assert_eq!(terms.get(11), None);
        assert_eq!((terms.get(12), terms.get(13)), (Some(2), Some(6)));
    }

    #[test]
    fn the_boundary_outlives_the_bound() {
        let mut terms = Terms::default();
        terms.reset(0, 0);
        for at in 1..500 {
            terms.learn(at, at);
        }
        assert_eq!(terms.get(0), Some(0));
        assert_eq!(terms.get(499), Some(499));
        assert_eq!(terms.get(3), None);
    }
}
