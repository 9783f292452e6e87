//! A line a minute on stderr, for whoever waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::ledger::Ledger;

const EVERY: Duration = Duration::from_secs(60);

/// How far a scenario's rounds have come.
#[derive(Clone)]
pub(crate) struct Progress {
    scenario: &'static str,
    rounds: u32,
    /// Those that were begun.
    round: u32,
    began: Instant,
    /// Of all rounds before this one.
    faults: BTreeMap<String, usize>,
    acknowledged: usize,
    violations: usize,
}

/// Tells until it is let go.
pub(crate) struct Told(JoinHandle<()>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Progress {
    pub(crate) fn of(scenario: &'static str, rounds: u32) -> Self {
        Self {
            scenario,
            rounds,
            round: 0,
            began: Instant::now(),
            faults: BTreeMap::new(),
            acknowledged: 0,
            violations: 0,
        }
    }

    /// A round begins, of which this is told.
    pub(crate) fn begin(&mut self, ledger: &Arc<Ledger>) -> Told {
        self.round += 1;
        let (before, ledger) = (self.clone(), Arc::clone(ledger));
        Told(tokio::spawn(async move {
            loop {
                sleep(EVERY).await;
                let mut now = before.clone();
                now.take_in(&ledger, ledger.violations.lock().len());
                eprintln!("chaos: {now}");
            }
        }))
    }

    /// A round was judged.
    pub(crate) fn end(&mut self, told: Told, ledger: &Ledger, violations: usize) {
        drop(told);
        self.take_in(ledger, violations);
    }

    fn take_in(&mut self, ledger: &Ledger, violations: usize) {
        for fault in ledger.faults.lock().iter() {
            *self.faults.entry(fault.kind.clone()).or_default() += 1;
        }
        self.acknowledged += ledger.acknowledgements.lock().len();
        self.violations += violations;
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, faults) =
            (self.began.elapsed().as_secs() / 60, self.faults.values().sum::<usize>());
        write!(
            f,
            "{}, {minutes} min, round {} of {}: {faults} faults",
            self.scenario, self.round, self.rounds
        )?;
        let kinds: Vec<String> =
            self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        if !kinds.is_empty() {
            write!(f, " ({})", kinds.join(", "))?;
        }
        write!(f, "; {} writes acknowledged; {} violations", self.acknowledged, self.violations)
    }
}
