//! A replica as an operator sees it.

use types::{Index, PeerId};

use super::{Peer, Proposal};
use crate::{GroupPeer, GroupStats};

impl<P, R> Peer<P, R> {
    pub(crate) fn stats(&self, ticks: u64) -> GroupStats {
        let status = self.replica.status();
        let peers = status.peers.iter().map(|peer| GroupPeer::new(peer, peer.peer.node()));
        GroupStats {
            region: status.region,
            peer: status.peer,
            role: status.role,
            term: status.hard_state.term,
            vote: status.hard_state.vote,
            leader: status.leader,
            leader_node: status.leader.map(PeerId::node),
            first: status.first,
            last: status.last,
            persisted: status.persisted,
            commit: status.hard_state.commit,
            applied: status.applied,
            unapplied_entries: self.unapplied(),
            unapplied_bytes: self.unapplied_bytes,
            ticks_since_leader: self.replica.ticks_since_leader().map(|since| {
                if self.is_leader() { 0 } else { since + self.rest.slept_ticks(ticks) }
            }),
            idle_ticks: self.rest.idle_ticks(ticks),
            hibernating: self.is_asleep(),
            pending_proposals: self.proposals.len() + self.fresh.len(),
            waiting_reads: self.reads.len(),
            transferee: status.transferee,
            peers: peers.collect(),
            memory_bytes: self.memory_bytes(),
        }
    }

    /// What is held beside the library's own tables, about.
    fn memory_bytes(&self) -> usize {
        let waiting = self.proposals.capacity() * size_of::<Proposal<P>>()
            + self.reads.len() * size_of::<R>()
            + self.handed.capacity() * size_of::<(Index, usize)>();
        size_of::<Self>() + self.replica.memory_bytes() + waiting + self.unapplied_bytes
    }
}
