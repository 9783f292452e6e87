//! Sleep: a group in which nothing goes on is not ticked, and says nothing (hibernation). Who may sleep
//! and who wakes whom is decided above; here is what must hold for one replica.

use types::{Index, PeerId};

use super::Replica;

impl Replica {
    /// Whether everything in the log is committed, durable and applied here, and nothing waits or is
    /// under way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let Some(node) = self.raw.node() else { return self.failure().is_none() };
        let raft = &node.raft;
        let log = &raft.raft_log;
        let last = log.last_index();
        let done = [log.committed, log.persisted, log.applied, self.applied] == [last; 4];
        let waits = self.reads.len() > 0
            || raft.pending_read_count() > 0
            || raft.lead_transferee.is_some()
            || raft.has_pending_conf()
            || raft.snap().is_some()
            || self.settling > 0;
        let writes = !self.writes.is_settled() || self.writes.has_vote();
        self.failure().is_none() && done && !waits && !writes && self.held.is_empty()
    }

    /// Whether this leader knows that the peer has all of its log, durable and committed.
    #[must_use]
    pub fn is_level(&self, peer: PeerId) -> bool {
        let last = self.last_index().get();
        self.is_leader()
            && self.raw.raft.prs().get(peer.get()).is_some_and(|progress| {
                progress.state == raft::ProgressState::Replicate
                    && [progress.matched, progress.committed_index] == [last; 2]
                    && progress.pending_request_snapshot == 0
            })
    }

    /// Whether it still refuses votes because it restarted (rule 5).
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.settling > 0
    }

    /// No ticks will come until [`Replica::wake`]. Gives back what memory it can. A leader forgets whom it
    /// heard, so that after waking it must hear a quorum within one election timeout.
    pub fn sleep(&mut self) {
        self.release_memory();
        let _ = self.run(|replica| {
            if replica.is_leader() {
                let id = replica.raw.raft.id;
                replica.raw.raft.mut_prs().quorum_recently_active(id);
            }
            Ok(())
        });
    }

    /// Ticks come again; `slept` of them passed. That time counts for what this voter promised and for
    /// how long it settles: leases are counted on clocks that went on. It does not count as silence of
    /// a leader, who was asleep as well, unless the leader is known to be lost.
    pub fn wake(&mut self, slept: u64, leader_lost: bool) {
        let _ = self.run(|replica| {
            replica.now += slept;
            let passed = usize::try_from(slept).unwrap_or(usize::MAX);
            replica.settling = replica.settling.saturating_sub(passed);
            let silence = replica.now - replica.heard.unwrap_or(0);
            let silence = usize::try_from(silence).unwrap_or(usize::MAX);
            let counts = leader_lost && !replica.is_leader();
            replica.raw.raft.election_elapsed =
                if counts { silence.min(replica.election_ticks) } else { 0 };
            if counts {
                replica.be_orphan();
            }
            Ok(())
        });
    }

    /// The end of the log, if everything up to there is committed.
    #[must_use]
    pub fn level_index(&self) -> Option<Index> {
        Some(self.last_index()).filter(|last| *last == self.commit_index())
    }
}
