//! When a replica was last known to be caught up, for readers of stale copies.

use env::Moment;
use types::{Index, NodeId};

/// What a replica knows of how far it is behind.
///
/// A moment counts when this node heard from the leader at it, and has by now applied everything it
/// had been told to be committed at it.
#[derive(Default)]
pub(crate) struct Contact {
    /// The newest moment that counts.
    current: Option<Moment>,
    /// A later moment, which counts once this index is applied. Kept until it does: under load there
    /// is always more to apply, and always replacing it would never get anywhere.
    pending: Option<(Index, Moment)>,
    /// On the leader: when each of the others last answered in its term.
    heard: Vec<(NodeId, Moment)>,
}

impl Contact {
    /// The leader spoke at `at`, and entries up to `told` were known to be committed then.
    pub(crate) fn leader_spoke(&mut self, at: Moment, told: Index, applied: Index) {
        self.settle(applied);
        if applied >= told {
            self.current = self.current.max(Some(at));
        } else if self.pending.is_none() {
            self.pending = Some((told, at));
        }
    }

    /// This replica leads, of `voters`, and `node` answered it at `at`. Together with this one a
    /// quorum was heard since the oldest of the newest answers.
    pub(crate) fn follower_answered(
        &mut self,
        at: Moment,
        node: NodeId,
        voters: usize,
        told: Index,
        applied: Index,
    ) {
        match self.heard.iter_mut().find(|(known, _)| *known == node) {
            Some((_, heard)) => *heard = at,
            None => self.heard.push((node, at)),
        }
        // Itself not counted.
        let others = voters / 2;
        let since = |moment: Moment| self.heard.iter().filter(|(_, it)| *it >= moment).count();
        let moments = self.heard.iter().map(|(_, heard)| *heard);
        if let Some(quorum) = moments.filter(|heard| since(*heard) >= others).max() {
            self.leader_spoke(quorum, told, applied);
        }
    }

    /// Another term or leader: answers to an earlier leadership say nothing about this one.
    pub(crate) fn forget_followers(&mut self) {
        self.heard.clear();
    }

    /// Everything acknowledged anywhere before `at` is applied.
    pub(crate) fn confirmed(&mut self, at: Moment) {
        self.current = self.current.max(Some(at));
    }

    /// The newest moment at which the replica was caught up, with so much applied.
    pub(crate) fn current(&mut self, applied: Index) -> Option<Moment> {
        self.settle(applied);
        self.current
    }

    fn settle(&mut self, applied: Index) {
        if let Some((index, at)) = self.pending
            && applied >= index
        {
            self.current = self.current.max(Some(at));
            self.pending = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Contact, Index, Moment, NodeId};

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    #[test]
    fn a_moment_counts_when_all_that_was_told_at_it_is_applied() {
        let mut contact = Contact::default();
        assert_eq!(contact.current(Index(9)), None, "nothing was heard");
        contact.leader_spoke(at(1), Index(5), Index(3));
        contact.leader_spoke(at(2), Index(8), Index(4));
        assert_eq!(contact.current(Index(4)), None, "5 is not applied");
        assert_eq!(contact.current(Index(7)), Some(at(1)), "8 is not applied");
        contact.leader_spoke(at(3), Index(9), Index(8));
        contact.leader_spoke(at(4), Index(12), Index(8));
        assert_eq!(contact.current(Index(9)), Some(at(3)), "the first that waits is kept");
        contact.confirmed(at(2));
        assert_eq!(contact.current(Index(9)), Some(at(3)), "it never goes back");
    }

    #[test]
    fn a_leader_counts_from_when_it_heard_a_quorum() {
        let mut contact = Contact::default();
        let mut heard = |seconds, node| {
            contact.follower_answered(at(seconds), NodeId(node), 5, Index(1), Index(1));
            contact.current(Index(1))
        };
        assert_eq!(heard(1, 2), None, "two of five");
        assert_eq!(heard(1, 2), None, "the same one again");
        assert_eq!(heard(3, 3), Some(at(1)));
        assert_eq!(heard(9, 4), Some(at(3)));
        contact.forget_followers();
        contact.follower_answered(at(20), NodeId(2), 5, Index(1), Index(1));
        assert_eq!(contact.current(Index(1)), Some(at(3)), "a new leadership starts over");
        contact.follower_answered(at(30), NodeId(2), 3, Index(1), Index(1));
        assert_eq!(contact.current(Index(1)), Some(at(30)), "one of the others is enough of three");
    }
}
