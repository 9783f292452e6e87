//! What a replica wants done.

use bytes::Bytes;
use types::{ConfState, Entry, HardState, Index, PeerId, Term};

use crate::Message;

/// What a replica is at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// Follows a leader, or waits for one.
    #[default]
    Follower,
    /// Asks whether an election would succeed.
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

/// A new role, leader or term, as `(role, leader, term)`.
pub type RoleChange = (Role, Option<PeerId>, Term);

/// One attempt to learn the read index. Never used twice by the same replica object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReadContext(pub u64);

/// Which state a snapshot holds. The state itself travels beside the message; `data` is whatever
/// the driver needs to find it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SnapshotMeta {
    /// The last entry in it.
    pub index: Index,
    /// That entry's term.
    pub term: Term,
    /// The peers as of `index`.
    pub conf_state: ConfState,
    /// The driver's own description.
    pub data: Bytes,
}

/// A peer fell behind the log and needs a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotRequest {
    /// Who needs it.
    pub to: PeerId,
    /// The snapshot must reach at least to here.
    pub at_least: Index,
}

/// What is to be done now. The order that must hold:
///
/// 1. `messages` may leave at once, also before anything of this `Ready` is durable.
/// 2. `snapshot`, then `entries` and `hard_state` are made durable. Entries replace everything in
///    the log from the first one's index on; a snapshot replaces the whole log and the state.
/// 3. `Replica::persisted(number)` is called, in the order of the numbers; one call may stand for
///    all smaller numbers.
/// 4. `messages_after_persist` leave, after step 3 and not before.
///
/// A `Ready` for which [`Ready::awaits_disk`] is false needs steps 1 and the rest only; one that
/// writes nothing but has `messages_after_persist` waits for the writes before it.
///
/// `committed` may be applied at any time and across several `Ready`s, in order; then
/// `Replica::applied` is called. Everything in it is durable here.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ready {
    /// Counts up from 1.
    pub number: u64,
    /// Set when role, leader or term changed since the last `Ready`.
    pub role_change: Option<RoleChange>,
    /// Set when it changed.
    pub hard_state: Option<HardState>,
    /// To be appended, cutting off what was at or after the first one.
    pub entries: Vec<Entry>,
    /// To be installed before `entries` are appended. Entries handed out before and not applied yet
    /// are in it: they are skipped. Once it is durable and in place, `applied` is called with its
    /// index.
    pub snapshot: Option<SnapshotMeta>,
    /// May leave at once.
    pub messages: Vec<Message>,
    /// May leave once this `Ready` is reported persisted. No snapshot is among them.
    pub messages_after_persist: Vec<Message>,
    /// To be applied in order. A change of the peers goes to `Replica::apply_conf_change` at its
    /// place among them.
    pub committed: Vec<Entry>,
    /// Reads that may be served from a state applied up to the index.
    pub reads: Vec<(ReadContext, Index)>,
    /// Reads that got no index: leadership moved or time ran out. They are to be tried again, with
    /// a new context. Every context that `read_index` gave ends in one of the two lists, once.
    pub reads_failed: Vec<ReadContext>,
    /// Whether step 2 needs an fsync. If not, only the commit index changed: it may be written
    /// without one, and `persisted` may be called once it is.
    pub must_sync: bool,
    /// Told once per need; told again if it is not answered within an election timeout.
    pub wants_snapshot: Option<SnapshotRequest>,
}

impl Ready {
    /// Whether there is anything to write, or messages that wait for an earlier write: whether the
    /// driver must report this one persisted.
    #[must_use]
    pub fn awaits_disk(&self) -> bool {
        self.hard_state.is_some()
            || self.snapshot.is_some()
            || !self.entries.is_empty()
            || !self.messages_after_persist.is_empty()
    }
}
