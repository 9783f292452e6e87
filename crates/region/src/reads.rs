//! Linearizable reads of one region: everything that waits is confirmed by one quorum round
//! (Raft dissertation, 6.4).

use core::time::Duration;
use std::collections::VecDeque;

use consensus::ReadContext;
use types::Term;

/// Rounds under way at once; what comes meanwhile waits for the next, so that load makes batches
/// larger instead of rounds more frequent.
const ROUNDS: usize = 2;

/// That a round may count for a lease: this replica led when it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Led {
    /// The term.
    pub(crate) term: Term,
    /// When that was.
    pub(crate) began: Duration,
    /// Which time it was that its heartbeats bind, if they did.
    pub(crate) binding: Option<u64>,
}

struct Round<R> {
    context: ReadContext,
    led: Option<Led>,
    reads: Vec<R>,
}

/// A round that was answered.
pub(crate) struct Answered<R> {
    /// The reads that may go, and those of the rounds before it.
    pub(crate) reads: Vec<R>,
    pub(crate) led: Option<Led>,
}

/// The reads of a region that wait for their index.
pub(crate) struct ReadQueue<R> {
    waiting: Vec<R>,
    rounds: VecDeque<Round<R>>,
}

impl<R> Default for ReadQueue<R> {
    fn default() -> Self {
        Self { waiting: Vec::new(), rounds: VecDeque::new() }
    }
}

impl<R> ReadQueue<R> {
    pub(crate) fn push(&mut self, read: R) {
        self.waiting.push(read);
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.rounds.iter().map(|round| round.reads.len()).sum::<usize>()
    }

    /// Whether a new round should be asked for.
    pub(crate) fn wants_round(&self) -> bool {
        !self.waiting.is_empty() && self.rounds.len() < ROUNDS
    }

    /// A round was begun: it carries everything that waits.
    pub(crate) fn begin(&mut self, context: ReadContext, led: Option<Led>) {
        let reads = std::mem::take(&mut self.waiting);
        self.rounds.push_back(Round { context, led, reads });
    }

    /// A round was confirmed. Rounds begun before it are covered too: their reads came earlier, and
    /// a later confirmation is as good.
    pub(crate) fn confirm(&mut self, context: ReadContext) -> Option<Answered<R>> {
        let at = self.rounds.iter().position(|round| round.context == context)?;
        let led = self.rounds.get(at)?.led;
        Some(Answered { reads: self.rounds.drain(..=at).flat_map(|it| it.reads).collect(), led })
    }

    /// A round got no index: its reads wait again, and the next attempt gets a context of its own
    /// (guard rule 4).
    pub(crate) fn retry(&mut self, context: ReadContext) {
        if let Some(at) = self.rounds.iter().position(|round| round.context == context)
            && let Some(mut round) = self.rounds.remove(at)
        {
            round.reads.append(&mut self.waiting);
            self.waiting = round.reads;
        }
    }

    /// Everything that waits starts over: the leader or the term changed.
    pub(crate) fn restart(&mut self) {
        let mut reads: Vec<R> = self.rounds.drain(..).flat_map(|round| round.reads).collect();
        reads.append(&mut self.waiting);
        self.waiting = reads;
    }

    /// Gives back what memory it does not need.
    pub(crate) fn shrink(&mut self) {
        self.waiting.shrink_to_fit();
        self.rounds.shrink_to_fit();
    }

    /// Gives up all reads.
    pub(crate) fn drain(&mut self) -> Vec<R> {
        self.restart();
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
mod tests {
    use super::{Duration, Led, ReadContext, ReadQueue, Term};

    #[test]
    fn a_later_confirmation_covers_earlier_rounds_and_a_lost_round_waits_again() {
        let mut queue = ReadQueue::default();
        queue.push('a');
        queue.begin(ReadContext(1), None);
        queue.push('b');
        assert!(queue.wants_round());
        let led = Some(Led { term: Term(3), began: Duration::from_secs(4), binding: Some(1) });
        queue.begin(ReadContext(2), led);
        queue.push('c');
        assert!(!queue.wants_round(), "two rounds are under way");
        let answered = queue.confirm(ReadContext(2)).unwrap();
        assert_eq!(answered.reads, vec!['a', 'b']);
        assert_eq!(answered.led, led, "its own, not an earlier one's");
        assert!(queue.confirm(ReadContext(1)).is_none(), "already covered");
        queue.begin(ReadContext(3), None);
        assert!(!queue.wants_round());
        queue.retry(ReadContext(3));
        assert!(queue.wants_round(), "the round failed and 'c' waits again");
        assert_eq!(queue.len(), 1);
    }
}
