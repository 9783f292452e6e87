//! Linearizability of one key (Herlihy and Wing). The search is Wing and Gong's with Lowe's
//! refinements: configurations are kept as a set, and an operation is linearized no earlier than
//! some answer asks for it. A configuration is the key's value and which open operations already
//! took effect.

use std::collections::BTreeSet;

/// Operations of one history.
pub const OPERATIONS: usize = 500;
/// How many of them may be open at once.
const OPEN: usize = 20;
const CONFIGURATIONS: usize = 20_000;

/// What was asked. Values are numbers; every put of a register has a number of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The value.
    Get,
    /// A new value, and the one before.
    Put(u64),
    /// No value, and the one before.
    Delete,
    /// A new value if there is the expected one.
    Swap {
        /// What must be there.
        expect: Option<u64>,
        /// What comes instead.
        new: u64,
    },
}

/// What was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Nothing: it may have been carried out once, or never.
    Nothing,
    /// The value before (of a get, the value).
    Value(Option<u64>),
    /// The swap found what it expected.
    Swapped,
    /// The swap found another value.
    Kept(Option<u64>),
}

/// One operation, from its question to its answer in ticket numbers. An unanswered one ends when it
/// can no longer be carried out, or never (`u64::MAX`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Who asked; only for people who read it.
    pub client: u64,
    /// The question's ticket; no ticket is given twice.
    pub start: u64,
    /// The answer's ticket.
    pub end: u64,
    /// What was asked.
    pub action: Action,
    /// What was answered.
    pub seen: Seen,
}

/// What a check says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There is an order that explains all answers.
    Linearizable,
    /// The answer of this operation, by its place in the history, fits no order.
    Broken(usize),
    /// Too many operations were open at once.
    Undecided,
}

type Value = Option<u64>;
type Configuration = (Value, u32);

/// The value after `operation`, if its answer fits `value`.
fn step(value: Value, operation: &Operation) -> Option<Value> {
    let fits = match operation.seen {
        Seen::Nothing => true,
        Seen::Value(seen) => seen == value,
        Seen::Swapped => {
            matches!(operation.action, Action::Swap { expect, .. } if expect == value)
        }
        Seen::Kept(seen) => {
            seen == value
                && matches!(operation.action, Action::Swap { expect, .. } if expect != value)
        }
    };
    fits.then_some(match operation.action {
        Action::Get => value,
        Action::Put(new) => Some(new),
        Action::Delete => None,
        Action::Swap { expect, new } if expect == value => Some(new),
        Action::Swap { .. } => value,
    })
}

/// Whether there is an order that explains all answers, beginning with no value.
#[must_use]
pub fn check(history: &[Operation]) -> Verdict {
    let mut moments: Vec<(u64, usize)> = Vec::with_capacity(history.len() * 2);
    for (at, operation) in history.iter().enumerate() {
        moments.push((operation.start, at));
        if operation.end != u64::MAX {
            moments.push((operation.end, at));
        }
    }
    moments.sort_unstable();
    let mut open: Vec<Option<usize>> = vec![None; OPEN];
    let mut configurations: BTreeSet<Configuration> = BTreeSet::from([(None, 0)]);
    for (moment, at) in moments {
        if moment == history[at].start {
            let Some(slot) = open.iter().position(Option::is_none) else {
                return Verdict::Undecided;
            };
            open[slot] = Some(at);
            continue;
        }
        let Some(slot) = open.iter().position(|it| *it == Some(at)) else { continue };
        let next = answer(history, &open, slot, &configurations);
        if next.is_empty() {
            return Verdict::Broken(at);
        }
        if next.len() > CONFIGURATIONS {
            return Verdict::Undecided;
        }
        configurations = next;
        open[slot] = None;
    }
    Verdict::Linearizable
}

/// The configurations in which the operation in `slot` was carried out by now (or never will be).
fn answer(
    history: &[Operation],
    open: &[Option<usize>],
    slot: usize,
    configurations: &BTreeSet<Configuration>,
) -> BTreeSet<Configuration> {
    let bit = 1 << slot;
    let is_optional = open[slot].is_some_and(|at| history[at].seen == Seen::Nothing);
    let mut reached = configurations.clone();
    let mut todo: Vec<Configuration> = configurations.iter().copied().collect();
    let mut next = BTreeSet::new();
    while let Some((value, done)) = todo.pop() {
        if done & bit != 0 {
            next.insert((value, done & !bit));
            continue;
        }
        if is_optional {
            next.insert((value, done));
        }
        for (other, at) in open.iter().enumerate() {
            let Some(at) = at.filter(|_| done & (1 << other) == 0) else { continue };
            if let Some(value) = step(value, &history[at]) {
                let configuration = (value, done | (1 << other));
                if reached.len() <= CONFIGURATIONS && reached.insert(configuration) {
                    todo.push(configuration);
                }
            }
        }
    }
    if reached.len() > CONFIGURATIONS {
        // As too large, not as empty: the caller must not take a search cut short for a finding.
        next.extend(reached.into_iter().map(|(value, done)| (value, done & !bit)));
    }
    next
}
