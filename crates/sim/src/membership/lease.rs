//! The lease of a leader, by the rules of guard 5: counted from when a quorum was asked, shorter
//! than any voter's patience on the fastest clock, and gone for the term once leadership is handed
//! over.

use types::Term;

use super::node::{PROMISE_TICKS, TICK};
use crate::scenario::{RATE_MAX, RATE_MIN};

/// Microseconds of a leader's clock. The first of a voter's ticks may come at once.
const MICROS: u64 = (PROMISE_TICKS as u64 - 1) * TICK * RATE_MIN / RATE_MAX;

#[derive(Default)]
pub(super) struct Lease {
    /// The term and until when, by the leader's clock.
    until: (Term, u64),
    /// No lease in this term any more.
    forfeited: Term,
}

impl Lease {
    /// A quorum held this node for the leader of `term`, some time after `asked`.
    pub(super) fn confirmed(&mut self, term: Term, asked: u64) {
        self.until = self.until.max((term, asked + MICROS));
    }

    pub(super) fn forfeit(&mut self, term: Term) {
        self.forfeited = self.forfeited.max(term);
    }

    pub(super) fn is_valid(&self, term: Term, now: u64) -> bool {
        self.until.0 == term && now < self.until.1 && self.forfeited < term
    }
}
