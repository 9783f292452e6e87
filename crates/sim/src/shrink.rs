//! A failing seed made small: as few faults as it takes, for as short as it takes.
//!
//! Leaving out a fault changes all chance after it, so what is left is another story with the same end, not a
//! part of the same one. Whatever still fails by the same oracle is taken.

use crate::cut::Cut;
use crate::world::{Plan, Report, run};

/// A run that fails like another one, with less in it.
#[derive(Debug)]
pub struct Small {
    /// The run.
    pub plan: Plan,
    /// How it went.
    pub report: Report,
    /// How many runs it took to find it.
    pub runs: u32,
}

impl Small {
    /// The numbers of the faults that are left.
    #[must_use]
    pub fn faults(&self) -> Vec<u32> {
        kept(&self.plan, &self.report)
    }
}

/// Looks for it, by `runs` runs at most; `None` if the plan does not fail.
#[must_use]
pub fn shrink(plan: Plan, runs: u32) -> Option<Small> {
    let report = run(plan);
    let oracle = report.failure.as_ref()?.oracle;
    let mut shrinker = Shrinker { oracle, left: runs, plan, report };
    shrinker.shorten();
    shrinker.thin();
    // With fewer of them it may be over sooner.
    shrinker.shorten();
    let Shrinker { plan, report, left, .. } = shrinker;
    Some(Small { plan, report, runs: runs - left })
}

struct Shrinker {
    oracle: &'static str,
    left: u32,
    plan: Plan,
    report: Report,
}

impl Shrinker {
    /// Takes the run if it still fails by the same oracle.
    fn attempt(&mut self, cut: Cut) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let plan = Plan { cut, ..self.plan };
        let report = run(plan);
        let fails = report.failure.as_ref().is_some_and(|it| it.oracle == self.oracle);
        if fails {
            (self.plan, self.report) = (plan, report);
        }
        fails
    }

    /// The shortest storm, of a dozen lengths.
    fn shorten(&mut self) {
        let (longest, cut) = (self.report.micros, self.plan.cut);
        for part in 1..12 {
            let storm_micros = Some(longest * part / 12);
            if self.attempt(Cut { storm_micros, ..cut }) {
                return;
            }
        }
    }

    /// Leaves out faults, large parts of them first.
    fn thin(&mut self) {
        let mut parts = 2;
        loop {
            let kept = kept(&self.plan, &self.report);
            if kept.is_empty() {
                return;
            }
            let size = kept.len().div_ceil(parts);
            let smaller = kept.chunks(size).any(|part| {
                let cut = self.plan.cut;
                let faults = part.iter().fold(cut.faults, |all, number| all | 1 << number);
                self.attempt(Cut { faults, ..cut })
            });
            if smaller {
                parts = parts.saturating_sub(1).max(2);
            } else if size == 1 || self.left == 0 {
                return;
            } else {
                parts = (parts * 2).min(kept.len());
            }
        }
    }
}

fn kept(plan: &Plan, report: &Report) -> Vec<u32> {
    (0..report.faults.min(128)).filter(|number| !plan.cut.leaves_out(*number)).collect()
}
