//! Looking at a replica from outside.

use types::{ConfState, Index, PeerId, RegionId, Term};

use super::Replica;
use crate::{Error, Flow, PeerStatus, Role, Status, convert};

impl Replica {
    /// The group.
    #[must_use]
    pub fn region(&self) -> RegionId {
        self.region
    }

    /// This replica of it.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// Whether it leads, as far as it knows.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.raw.node().is_some_and(|node| node.raft.state == raft::StateRole::Leader)
    }

    /// What it is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.raw.node().map_or(Role::Follower, |node| convert::role(node.raft.state))
    }

    /// Who leads, as far as it knows.
    #[must_use]
    pub fn leader(&self) -> Option<PeerId> {
        convert::peer(self.raw.leader())
    }

    /// The current term.
    #[must_use]
    pub fn term(&self) -> Term {
        self.hard_state().term
    }

    /// What is known committed.
    #[must_use]
    pub fn commit_index(&self) -> Index {
        self.hard_state().commit
    }

    /// The end of the log, durable or not.
    #[must_use]
    pub fn last_index(&self) -> Index {
        Index(self.raw.last())
    }

    /// The peers this replica goes by.
    #[must_use]
    pub fn configuration(&self) -> ConfState {
        self.conf_state()
    }

    /// Whether it leads, and a majority is known to have committed the last change of the peers; in a joint
    /// configuration one of both halves. Peers apply such a change only once its commit is durable with
    /// them. Until then the loss of the leader may leave the majority to such as still go by the
    /// configuration before, and need the votes of those who went.
    #[must_use]
    pub fn is_configuration_known(&self) -> bool {
        let Some(node) = self.raw.node() else { return false };
        let tracker = node.raft.prs();
        let knows = tracker.iter().filter(|(id, progress)| {
            **id == self.peer.get() || progress.committed_index >= self.conf_index
        });
        self.is_leader() && tracker.has_quorum(&knows.map(|(id, _)| *id).collect())
    }

    /// Ticks since it heard a leader: 0 if it leads, `None` if it never did since it started.
    #[must_use]
    pub fn ticks_since_leader(&self) -> Option<u64> {
        if self.is_leader() { Some(0) } else { self.heard.map(|heard| self.now - heard) }
    }

    /// About what it holds in memory: itself, its entries, and what the library keeps per peer.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        /// A peer's progress with its place in the library's tables.
        const PER_PEER: usize = 256;
        let of_node = self.raw.node().map_or(0, |node| {
            let peers = node.raft.prs().iter().len() * PER_PEER;
            size_of_val(node) + peers + node.raft.inflight_buffers_size()
        });
        size_of::<Self>() + self.raw.store().cached_bytes() + of_node
    }

    /// Why it stopped for good, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.stopped.clone().or(self.inside.then_some(Error::Poisoned))
    }

    /// Everything worth knowing. Allocates; for operators and tests, not for the write path.
    #[must_use]
    pub fn status(&self) -> Status {
        let raft = self.raw.node().map(|node| &node.raft);
        let last = self.last_index();
        Status {
            region: self.region,
            peer: self.peer,
            role: self.role(),
            leader: self.leader(),
            hard_state: self.hard_state(),
            first: Index(raft.map_or(self.raw.store().first(), |raft| raft.raft_log.first_index())),
            last,
            last_term: Term(match raft {
                Some(raft) => raft.raft_log.term(last.get()).unwrap_or(0),
                None => self.raw.store().term_at(last.get()).unwrap_or(0),
            }),
            persisted: raft.map_or(last, |raft| Index(raft.raft_log.persisted)),
            applied: self.applied_index(),
            conf_state: self.conf_state(),
            pending_conf: raft.is_some_and(|raft| raft.has_pending_conf()),
            transferee: raft.and_then(|raft| raft.lead_transferee).map(PeerId),
            peers: self.peers(),
            election_timeout: match raft {
                Some(raft) => raft.randomized_election_timeout(),
                None => self.seeded_timeout(),
            },
            settling: self.settling,
            cached_bytes: self.raw.store().cached_bytes(),
            pending_reads: self.reads.len(),
        }
    }

    fn peers(&self) -> Vec<PeerStatus> {
        if !self.is_leader() {
            return Vec::new();
        }
        let tracker = self.raw.raft.prs();
        let learners = tracker.conf().learners();
        let mut peers: Vec<_> = tracker
            .iter()
            .map(|(&id, progress)| PeerStatus {
                peer: PeerId(id),
                matched: Index(progress.matched),
                next: Index(progress.next_idx),
                flow: match progress.state {
                    raft::ProgressState::Probe => Flow::Probe,
                    raft::ProgressState::Replicate => Flow::Replicate,
                    raft::ProgressState::Snapshot => {
                        Flow::Snapshot { index: Index(progress.pending_snapshot) }
                    }
                },
                recent_active: progress.recent_active,
                learner: learners.contains(&id),
                commit: Index(progress.committed_index),
            })
            .collect();
        peers.sort_unstable_by_key(|peer| peer.peer);
        peers
    }
}
