//! For how long a leader may go by a quorum's word without asking again (guard rule 5).

use core::time::Duration;

use types::Term;

/// How far clocks may be trusted, and how long a leader's lease is because of it.
///
/// # The arithmetic
/// A voter that its leader bound refuses votes, and does not stand itself, for `promise_ticks` ticks of
/// its own. The first of them may come at once, and a tick that came late may be followed by one that
/// is on time: `n` ticks take more than `(n - 2) * tick` by the voter's clock. With the fastest clock
/// that is `(promise_ticks - 2) * tick * 1000 / fastest` of true time. A lease of length `d` on the
/// slowest clock takes `d * 1000 / slowest` of true time. It began before the voter heard anything, so
/// it ends before the voter votes if
///
/// ```text
/// d <= (promise_ticks - 2) * tick * slowest / fastest
/// ```
///
/// With 5 ticks of 100 ms and clocks between 0.9 and 1.1 that is 245 ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockRules {
    /// The length of a tick.
    pub tick: Duration,
    /// For how many ticks a voter that its leader bound refuses to vote.
    pub promise_ticks: usize,
    /// How fast the slowest clock runs, in thousandths of true time.
    pub slowest: u32,
    /// How fast the fastest clock runs, in thousandths of true time.
    pub fastest: u32,
}

impl ClockRules {
    /// Clocks that run between 0.9 and 1.1 of true time.
    #[must_use]
    pub const fn new(tick: Duration, promise_ticks: usize) -> Self {
        Self { tick, promise_ticks, slowest: 900, fastest: 1_100 }
    }

    /// How long a lease is, on the leader's own clock, from when the question was put to the quorum.
    #[must_use]
    pub fn lease(&self) -> Duration {
        let ticks = u32::try_from(self.promise_ticks.saturating_sub(2)).unwrap_or(u32::MAX);
        self.tick.saturating_mul(ticks).saturating_mul(self.slowest) / self.fastest.max(1)
    }
}

/// Why a lease ends before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forfeit {
    /// A transfer of leadership was begun. Whoever is told to take over may be told late, and the
    /// others vote for it at once whenever that is: there is no lease in this term any more.
    Term,
    /// Rounds begun up to this moment do not count any more; the group goes to sleep.
    RoundsUpTo(Duration),
}

/// What a leader knows of its quorum. Times are on the monotonic clock of the leader's node, and what
/// confirms is `Output::confirmed`, what forfeits is `Output::forfeited`, in that order or not.
///
/// 32 bytes and a few comparisons: meant to be kept under a short lock or copied. Reading under it goes
/// like this: see that the state is applied as far as the commit index known, read, and then ask
/// `is_valid` with the time after the read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeaderLease {
    term: Term,
    began: Option<Duration>,
    forfeited: Option<Duration>,
}

impl LeaderLease {
    /// A quorum round begun at `began` while leading in `term` was answered, in that term.
    pub fn confirmed(&mut self, term: Term, began: Duration) {
        self.enter(term);
        let counts = self.forfeited.is_none_or(|forfeited| began > forfeited);
        if term == self.term && counts {
            self.began = self.began.max(Some(began));
        }
    }

    /// The lease of `term` ends now.
    pub fn forfeit(&mut self, term: Term, why: Forfeit) {
        self.enter(term);
        if term != self.term {
            return;
        }
        let up_to = match why {
            Forfeit::Term => Duration::MAX,
            Forfeit::RoundsUpTo(moment) => moment,
        };
        self.forfeited = self.forfeited.max(Some(up_to));
        self.began = self.began.filter(|began| Some(*began) > self.forfeited);
    }

    /// Until when a leader of `term` may answer by itself; `None` if it has to ask.
    #[must_use]
    pub fn until(&self, term: Term, rules: &ClockRules) -> Option<Duration> {
        let began = self.began.filter(|_| term == self.term)?;
        Some(began.saturating_add(rules.lease()))
    }

    /// Whether a leader of `term` may answer by itself at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Duration, term: Term, rules: &ClockRules) -> bool {
        self.until(term, rules).is_some_and(|until| now < until)
    }

    fn enter(&mut self, term: Term) {
        if term > self.term {
            *self = Self { term, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClockRules, Forfeit, LeaderLease};
    use core::time::Duration;
    use types::Term;

    const RULES: ClockRules = ClockRules::new(Duration::from_millis(100), 10);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_lease_counts_from_the_question_and_only_in_its_term() {
        let mut lease = LeaderLease::default();
        assert!(!lease.is_valid(ms(0), Term(0), &RULES));
        lease.confirmed(Term(3), ms(1_000));
        assert!(lease.is_valid(ms(1_654), Term(3), &RULES));
        assert!(!lease.is_valid(ms(1_655), Term(3), &RULES));
        assert!(!lease.is_valid(ms(1_001), Term(4), &RULES));
        lease.confirmed(Term(3), ms(900));
        assert_eq!(lease.until(Term(3), &RULES), Some(ms(1_000) + RULES.lease()), "an older round");
        lease.confirmed(Term(2), ms(5_000));
        assert!(!lease.is_valid(ms(5_000), Term(3), &RULES), "a round of a term that is over");
    }

    #[test]
    fn a_transfer_ends_it_for_the_term_and_sleep_until_the_next_round() {
        let mut lease = LeaderLease::default();
        lease.confirmed(Term(3), ms(1_000));
        lease.forfeit(Term(3), Forfeit::RoundsUpTo(ms(1_100)));
        assert_eq!(lease.until(Term(3), &RULES), None);
        lease.confirmed(Term(3), ms(1_100));
        assert_eq!(lease.until(Term(3), &RULES), None, "it was asked before");
        lease.confirmed(Term(3), ms(1_101));
        assert!(lease.is_valid(ms(1_102), Term(3), &RULES));
        lease.forfeit(Term(2), Forfeit::Term);
        assert!(lease.is_valid(ms(1_102), Term(3), &RULES), "that was about another term");
        lease.forfeit(Term(3), Forfeit::Term);
        lease.forfeit(Term(3), Forfeit::RoundsUpTo(ms(1_200)));
        lease.confirmed(Term(3), ms(9_000));
        assert_eq!(lease.until(Term(3), &RULES), None);
        lease.confirmed(Term(4), ms(9_100));
        assert!(lease.is_valid(ms(9_101), Term(4), &RULES));
    }
}
