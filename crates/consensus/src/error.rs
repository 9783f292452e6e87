//! Everything a replica can refuse, and why.

use types::{Index, PeerId};

/// A log that cannot be read any more.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("log read failed: {0}")]
pub struct LogFailure(pub String);

/// Why a replica did not do what it was asked. Unless a variant says otherwise, nothing changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// Only the leader can do this.
    #[error("not the leader (leader: {leader:?})")]
    NotLeader {
        /// Who leads, as far as this replica knows.
        leader: Option<PeerId>,
    },
    /// Leadership is being handed over; nothing is proposed until that ends.
    #[error("leadership is being transferred to peer {to}")]
    TransferInProgress {
        /// Who gets it.
        to: PeerId,
    },
    /// Too many bytes are proposed and not committed.
    #[error("too many uncommitted bytes")]
    Dropped,
    /// A proposal without payload; those are the no-ops of new leaders.
    #[error("empty proposal")]
    EmptyProposal,
    /// An earlier change of the peers may not be applied yet.
    #[error("a change of the peers is pending")]
    ConfChangePending,
    /// The change is malformed or does not fit the configuration.
    #[error("change of the peers refused: {0}")]
    InvalidConfChange(String),
    /// A snapshot that is on its way to the disk includes this entry.
    #[error("a snapshot includes it")]
    Superseded,
    /// The change would take the vote of the leader itself: hand leadership over first.
    #[error("the leader cannot remove itself: transfer leadership first")]
    TransferFirst,
    /// A new leader has not committed in its own term yet, so it cannot know the read index.
    #[error("nothing committed in this term yet")]
    NotReadyToRead,
    /// More reads wait for their index than the bound.
    #[error("too many reads are waiting")]
    TooManyReads,
    /// Not a peer of this region, or not one that can do this.
    #[error("peer {0} cannot take part in this")]
    NoSuchPeer(PeerId),
    /// This replica restarted or woke up less than an election timeout ago and may still be
    /// counted in somebody's lease, so it neither votes nor stands for election.
    #[error("restarted less than an election timeout ago")]
    Settling,
    /// The log is not durable to its end, or a snapshot is being installed: no election now.
    #[error("the log is still being written")]
    Writing,
    /// Bytes that are no message.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// A message no correct peer sends.
    #[error("message from peer {from} refused: {why}")]
    Refused {
        /// Who says it sent it.
        from: PeerId,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The leader knows that this replica had entries which it does not have now. Its disk lost
    /// acknowledged data; it must not vote or acknowledge any more and is to be replaced.
    #[error("entries up to {commit} were acknowledged, but the log ends at {last}")]
    LostLog {
        /// What the leader knows this replica had.
        commit: Index,
        /// Where the log ends.
        last: Index,
    },
    /// What was read at the start contradicts itself.
    #[error("cannot start: {0}")]
    BadStart(String),
    /// A configuration value out of its bounds.
    #[error("bad configuration: {0}")]
    BadConfig(String),
    /// A snapshot that nobody asked for, or that does not fit.
    #[error("snapshot refused: {0}")]
    BadSnapshot(&'static str),
    /// The log could not be read; the replica has stopped.
    #[error(transparent)]
    Log(#[from] LogFailure),
    /// An earlier call panicked; the replica is quarantined.
    #[error("quarantined after a panic")]
    Poisoned,
}
