//! What clients did and what they were told; everything that is judged at the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use check::Operation;
use parking_lot::Mutex;
use serde::Serialize;

use crate::servers::Lost;
use crate::work::lists::Step;

/// What a client asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    UniquePut,
    CounterGet,
    CounterAdd,
    RegisterGet,
    RegisterPut,
    RegisterSwap,
    LeaseGrant,
    LeasePut,
    LeaseRenew,
    LeaseGet,
    TransferGet,
    Transfer,
    Lock,
    LockedGet,
    LockedAdd,
    Unlock,
    Register,
    Deregister,
    ListGet,
    Append,
}

impl Kind {
    fn writes(self) -> bool {
        use Kind::{Append, CounterAdd, LeasePut, RegisterPut, RegisterSwap, Transfer, UniquePut};
        let adds = matches!(self, CounterAdd | Append | Transfer);
        adds || matches!(self, UniquePut | RegisterPut | RegisterSwap | LeasePut)
    }
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Acknowledged,
    /// Carried out, but the comparison did not hold.
    Conflict,
    /// Certainly not carried out.
    Refused,
    /// Perhaps carried out.
    Unknown,
}

impl Outcome {
    pub(crate) fn of(error: &client::Error) -> Self {
        if error.outcome_unknown() { Self::Unknown } else { Self::Refused }
    }
}

/// A write of a key and a value number, and where it is in the history if that is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Write {
    pub(crate) key: String,
    pub(crate) value: u64,
    pub(crate) outcome: Outcome,
    pub(crate) revision: i64,
}

/// What was added to one counter.
#[derive(Clone, Copy, Default, Debug, Serialize)]
pub(crate) struct Added {
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fault {
    /// Since the run began.
    pub(crate) at: Duration,
    pub(crate) kind: String,
    pub(crate) node: String,
}

pub(crate) struct Ledger {
    began: Instant,
    tickets: AtomicU64,
    values: AtomicU64,
    stopped: AtomicBool,
    pub(crate) counts: Mutex<BTreeMap<(Kind, Outcome), u64>>,
    /// Words of errors, and how often.
    pub(crate) errors: Mutex<BTreeMap<String, u64>>,
    /// When writes were acknowledged, since the run began.
    pub(crate) acknowledgements: Mutex<Vec<Duration>>,
    /// All writes but those of accounts, and unanswered ones of counters.
    pub(crate) writes: Mutex<Vec<Write>>,
    pub(crate) counters: Mutex<BTreeMap<String, Added>>,
    pub(crate) histories: Mutex<BTreeMap<String, Vec<Operation>>>,
    /// What was appended to each list, and read of it.
    pub(crate) lists: Mutex<BTreeMap<String, Vec<Step>>>,
    /// The highest token of each lock that a holder had.
    pub(crate) fences: Mutex<BTreeMap<usize, i64>>,
    /// Whether somebody saw the accounts of transfers open.
    pub(crate) accounts_open: AtomicBool,
    /// Instances that came and went.
    pub(crate) guests: AtomicU64,
    pub(crate) faults: Mutex<Vec<Fault>>,
    /// What went with the power.
    pub(crate) lost: Mutex<Lost>,
    /// What was seen to be wrong while the run went on.
    pub(crate) violations: Mutex<Vec<String>>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            tickets: AtomicU64::new(1),
            values: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            counts: Mutex::default(),
            errors: Mutex::default(),
            acknowledgements: Mutex::default(),
            writes: Mutex::default(),
            counters: Mutex::default(),
            histories: Mutex::default(),
            lists: Mutex::default(),
            fences: Mutex::default(),
            accounts_open: AtomicBool::new(false),
            guests: AtomicU64::new(0),
            faults: Mutex::default(),
            lost: Mutex::default(),
            violations: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A number that is larger than those of all moments before.
    pub(crate) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst)
    }

    /// A value nobody else writes.
    pub(crate) fn value(&self) -> u64 {
        self.values.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn count(&self, kind: Kind, outcome: Outcome) {
        *self.counts.lock().entry((kind, outcome)).or_default() += 1;
        if kind.writes() && outcome == Outcome::Acknowledged {
            self.acknowledgements.lock().push(self.now());
        }
    }

    /// Counts a failed request; whether it may have been carried out.
    pub(crate) fn failed(&self, kind: Kind, error: &client::Error) -> Outcome {
        let outcome = Outcome::of(error);
        self.count(kind, outcome);
        let text = error.to_string();
        // Addresses and ports differ from run to run; the first words do not.
        let is_told = text.starts_with("etcdserver: ") || text.starts_with("hiraeth: ");
        let parts: Vec<&str> = text.split([':', ';']).take(1 + usize::from(is_told)).collect();
        let short = match text.split_once(" broke: ") {
            // Why it did is what tells one from the other.
            Some((_, reason)) => format!("a connection broke: {reason}"),
            None => parts.join(":"),
        };
        *self.errors.lock().entry(short).or_default() += 1;
        outcome
    }

    pub(crate) fn write(&self, key: &str, value: u64, outcome: Outcome, revision: i64) {
        self.writes.lock().push(Write { key: key.to_owned(), value, outcome, revision });
    }

    pub(crate) fn fault(&self, kind: &str, node: &str) {
        let (kind, node) = (kind.to_owned(), node.to_owned());
        self.faults.lock().push(Fault { at: self.now(), kind, node });
    }

    pub(crate) fn violation(&self, text: String) {
        self.violations.lock().push(text);
    }
}
