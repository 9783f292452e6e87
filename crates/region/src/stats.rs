//! What an operator may want to know of one group on this node (feature L10).

use consensus::{Flow, Role};
use types::{Index, NodeId, PeerId, RegionId, Term};

/// A leader's knowledge of one replica.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupPeer {
    /// Who.
    pub peer: PeerId,
    /// Where it lives.
    pub node: NodeId,
    /// Known to be durable there up to here.
    pub matched: Index,
    /// Sent next.
    pub next: Index,
    /// What it is known to have committed.
    pub commit: Index,
    /// How entries are sent; says of a snapshot under way up to where it goes.
    pub flow: Flow,
    /// Whether anything was heard of it in the current election timeout.
    pub recent_active: bool,
    /// Whether it has no vote.
    pub learner: bool,
}

/// One group as its replica on this node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupStats {
    /// The group.
    pub region: RegionId,
    /// This node's replica.
    pub peer: PeerId,
    /// What it is.
    pub role: Role,
    /// The term.
    pub term: Term,
    /// Whom it voted for in this term.
    pub vote: Option<PeerId>,
    /// Who leads, as far as it knows.
    pub leader: Option<PeerId>,
    /// Where the leader lives.
    pub leader_node: Option<NodeId>,
    /// The first entry in the log.
    pub first: Index,
    /// The last entry in the log, durable or not.
    pub last: Index,
    /// Durable up to here.
    pub persisted: Index,
    /// Known committed up to here.
    pub commit: Index,
    /// Applied up to here.
    pub applied: Index,
    /// Entries handed out to be applied and not reported applied.
    pub unapplied_entries: u64,
    /// Their bytes.
    pub unapplied_bytes: usize,
    /// Ticks since it heard its leader, 0 if it leads; `None` if it never did since it started.
    pub ticks_since_leader: Option<u64>,
    /// Ticks since anything but heartbeats went on.
    pub idle_ticks: u64,
    /// Whether it sleeps.
    pub hibernating: bool,
    /// Proposals that wait for their commit.
    pub pending_proposals: usize,
    /// Reads that wait for their index.
    pub waiting_reads: usize,
    /// To whom leadership is being handed.
    pub transferee: Option<PeerId>,
    /// A leader's view of every replica, itself included, by id; empty on others.
    pub peers: Vec<GroupPeer>,
    /// About what it costs in memory, in bytes, without the state machine.
    pub memory_bytes: usize,
}

impl GroupPeer {
    pub(crate) fn new(status: &consensus::PeerStatus, node: NodeId) -> Self {
        Self {
            peer: status.peer,
            node,
            matched: status.matched,
            next: status.next,
            commit: status.commit,
            flow: status.flow,
            recent_active: status.recent_active,
            learner: status.learner,
        }
    }
}
