//! What a replica does whose leader's node is lost from sight: a process that ends takes its connections
//! with it, so this is known long before an election timeout has passed. It is no proof that the leader is
//! gone, and need not be one: a vote needs a quorum that does not hear the leader either (pre-vote), and none
//! of those may be bound to it.
//!
//! And what a leader does that lost sight of so many that no quorum is left.

use super::Replica;

/// Ticks until the first of the others stands, and between it and the next one.
const APART: usize = 2;

impl Replica {
    /// The node of the leader is lost from sight: an election need not wait for the whole timeout. Ends
    /// when a leader is heard. Does nothing on a leader, or where none is known.
    pub fn orphan(&mut self) {
        let _ = self.run(|replica| {
            replica.be_orphan();
            replica.hurry();
            Ok(())
        });
    }

    /// Leads no more, as a leader that heard no quorum for an election timeout: for one that knows sooner
    /// that it has none. Does nothing on others.
    pub fn resign(&mut self) {
        let _ = self.run(|replica| {
            if replica.is_leader() {
                let term = replica.raw.raft.term;
                replica.raw.raft.become_follower(term, raft::INVALID_ID);
            }
            Ok(())
        });
    }

    pub(super) fn be_orphan(&mut self) {
        let leader = self.raw.raft.leader_id;
        if !self.is_leader() && leader != raft::INVALID_ID {
            self.orphaned = Some(leader);
        }
    }

    /// Has as much patience passed as leaves it listening to candidates, and soon standing itself.
    pub(super) fn hurry(&mut self) {
        if self.orphaned.is_none() {
            return;
        }
        if self.is_leader() {
            self.orphaned = None;
            return;
        }
        let bound = self.is_bound() || self.settling > 0;
        let rounds = APART * (self.others() + 1);
        let raft = &mut self.raw.raft;
        raft.election_elapsed = if bound {
            // With the tick to come it listens, and does not stand.
            self.election_ticks - 1
        } else if raft.leader_id != raft::INVALID_ID {
            raft.election_elapsed.max(self.election_ticks)
        } else {
            // It stood, or somebody else did; once all had their turn it stands again.
            raft.election_elapsed.max((self.election_ticks + APART).saturating_sub(rounds))
        };
    }

    /// When it stands, in ticks: in turn, so that no two stand at once. Whose turn is first differs from
    /// region to region, so that not one node leads all.
    pub(super) fn orphans_timeout(&self, leader: u64) -> usize {
        let voters = self.raw.raft.prs().conf().voters().ids();
        let before = voters.iter().filter(|peer| *peer < self.peer.get() && *peer != leader);
        let others = self.others().max(1);
        let shift = usize::try_from(self.region.get() % others as u64).unwrap_or(0);
        let turn = (before.count() + shift) % others;
        (self.election_ticks + APART * (turn + 1)).min(2 * self.election_ticks - 1)
    }

    /// How many voters there are but the leader.
    fn others(&self) -> usize {
        self.raw.raft.prs().conf().voters().ids().len().saturating_sub(1)
    }
}
