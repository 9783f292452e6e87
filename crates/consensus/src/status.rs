//! What can be seen of a replica from outside.

use types::{ConfState, HardState, Index, PeerId, RegionId, Term};

use crate::Role;

/// How a leader sends to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// One append at a time, until the peer's log is matched.
    Probe,
    /// Appends go out without waiting.
    Replicate,
    /// A snapshot is on its way; appends wait.
    Snapshot {
        /// Its last entry.
        index: Index,
    },
}

/// A leader's knowledge of one peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerStatus {
    /// Who.
    pub peer: PeerId,
    /// Known to be durable there up to here.
    pub matched: Index,
    /// Sent next.
    pub next: Index,
    /// How entries are sent.
    pub flow: Flow,
    /// Whether anything was heard of it in the current election timeout.
    pub recent_active: bool,
    /// Whether it has no vote.
    pub learner: bool,
    /// What it is known to have committed.
    pub commit: Index,
}

/// A replica at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The group.
    pub region: RegionId,
    /// This replica.
    pub peer: PeerId,
    /// What it is.
    pub role: Role,
    /// Who leads, as far as it knows.
    pub leader: Option<PeerId>,
    /// Term, vote and commit index.
    pub hard_state: HardState,
    /// The first entry in the log.
    pub first: Index,
    /// The last entry in the log, durable or not.
    pub last: Index,
    /// The last entry's term.
    pub last_term: Term,
    /// Durable up to here.
    pub persisted: Index,
    /// Applied up to here, as reported.
    pub applied: Index,
    /// The peers the replica goes by.
    pub conf_state: ConfState,
    /// Whether a change of the peers may be in the log and not applied (leader only; may be true
    /// without need).
    pub pending_conf: bool,
    /// Who leadership is being handed to.
    pub transferee: Option<PeerId>,
    /// A leader's view of every peer, itself included, by id; empty on others.
    pub peers: Vec<PeerStatus>,
    /// Ticks of silence after which this replica stands for election.
    pub election_timeout: usize,
    /// Ticks for which it still refuses votes after a restart.
    pub settling: usize,
    /// Bytes of entries held in memory.
    pub cached_bytes: usize,
    /// Reads waiting for their index.
    pub pending_reads: usize,
}
