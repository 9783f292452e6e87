//! What a host wants done, collected over one round.

use core::time::Duration;

use consensus::{Role, SnapshotMeta};
use types::{Code, Entry, HardState, Index, NodeId, PeerId, RegionId, Term};

use crate::{Forfeit, RegionMessage, Sleep};

/// Something for the log. Writes of one region must become durable in the order they were given.
#[derive(Debug)]
pub struct LogWrite {
    /// The region.
    pub region: RegionId,
    /// Whose log it is.
    pub peer: PeerId,
    /// To be handed back with `persisted` once this is durable; `None` asks for no answer.
    pub number: Option<u64>,
    /// Term, vote and commit to keep.
    pub hard_state: Option<HardState>,
    /// Entries to append; the first may overwrite a suffix.
    pub entries: Vec<Entry>,
    /// A snapshot replaced the log: it is empty now and continues after this position.
    pub reset_to: Option<(Index, Term)>,
    /// Entries up to here are no longer needed.
    pub compact_to: Option<(Index, Term)>,
    /// Whether anyone waits for durability; otherwise the write may ride along with a later sync.
    pub must_sync: bool,
    /// To be sent only after all of this is durable.
    pub messages: Vec<(NodeId, RegionMessage)>,
}

/// Entries to apply, in order, with whoever waits for them.
#[derive(Debug)]
pub struct Committed<P> {
    /// The region.
    pub region: RegionId,
    /// The leader's term when this was handed out.
    pub term: Term,
    /// The entries, contiguous.
    pub entries: Vec<Entry>,
    /// Who proposed which of them here, ascending by index.
    pub waiting: Vec<(Index, P)>,
    /// What conf-change entries among them changed the configuration to.
    pub configurations: Vec<(Index, types::ConfState)>,
}

/// A snapshot to put in place of a region's state, once the log was reset to it.
#[derive(Debug)]
pub struct Install {
    /// The region.
    pub region: RegionId,
    /// What the snapshot is.
    pub meta: SnapshotMeta,
}

/// A replica's role or leader changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoleChange {
    /// The region.
    pub region: RegionId,
    /// What this replica is now.
    pub role: Role,
    /// The node that leads, if known.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: Term,
}

/// One round's results. The order to carry them out: put `forfeited` and `roles` into effect for whoever
/// reads under a lease, send `messages` and then `sleep`, write `writes`, hand `installs` and then
/// `committed` to the applier; the rest in any order.
#[derive(Debug)]
pub struct Output<P, R> {
    /// Leases that end before their time. Nothing else of this output may happen before they did.
    pub forfeited: Vec<(RegionId, Term, Forfeit)>,
    /// A quorum round begun at that moment, while leading in that term, was answered in that term.
    pub confirmed: Vec<(RegionId, Term, Duration)>,
    /// May leave at once.
    pub messages: Vec<(NodeId, RegionMessage)>,
    /// To leave after `messages`: words about sleep to replicas on other nodes.
    pub sleep: Vec<(NodeId, Sleep)>,
    /// For the log.
    pub writes: Vec<LogWrite>,
    /// Snapshots to install.
    pub installs: Vec<Install>,
    /// Entries to apply.
    pub committed: Vec<Committed<P>>,
    /// Regions whose commit index moved, and to where: entries up to there may be applied on other
    /// nodes from now on, even if they are not durable here yet.
    pub commits: Vec<(RegionId, Index)>,
    /// Reads that may be served once this index was applied.
    pub reads: Vec<(RegionId, Index, R)>,
    /// Proposals that were not, or not knowingly, carried out.
    pub failed_proposals: Vec<(P, Code)>,
    /// Reads that could not be confirmed.
    pub failed_reads: Vec<(R, Code)>,
    /// Roles that changed.
    pub roles: Vec<RoleChange>,
    /// Regions whose handover began ([`crate::Host::hand_over`]).
    pub transfers: Vec<RegionId>,
    /// Regions whose replica needs a snapshot of the applied state to send.
    pub snapshots_wanted: Vec<RegionId>,
    /// Replicas that fell asleep (`true`) or woke up, in this order.
    pub rest: Vec<(RegionId, bool)>,
    /// Replicas that broke and were set aside, with what they said.
    pub quarantined: Vec<(RegionId, String)>,
}

impl<P, R> Default for Output<P, R> {
    fn default() -> Self {
        Self {
            forfeited: Vec::new(),
            confirmed: Vec::new(),
            messages: Vec::new(),
            sleep: Vec::new(),
            writes: Vec::new(),
            installs: Vec::new(),
            committed: Vec::new(),
            commits: Vec::new(),
            reads: Vec::new(),
            failed_proposals: Vec::new(),
            failed_reads: Vec::new(),
            roles: Vec::new(),
            transfers: Vec::new(),
            snapshots_wanted: Vec::new(),
            rest: Vec::new(),
            quarantined: Vec::new(),
        }
    }
}
