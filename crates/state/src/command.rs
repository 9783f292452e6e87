//! What goes through the log.

use std::collections::BTreeSet;

use bytes::Bytes;
use types::{ClusterId, Epoch, KeyRange, LeaseId, NodeId, PeerId, RegionId, Revision};

use crate::alarms::Alarm;
use crate::auth::AuthCommand;
use crate::directory::{NodeRecord, Part};
use crate::registry::RegistryCommand;
use crate::request::{DeleteRequest, PutRequest, TxnRequest};

/// What all nodes have to know before one of them may put it into a log (ADR 18): each level knows what those
/// before it know. What a command came with, [`Command::level`] says.
pub mod level {
    /// What was there before there were levels.
    pub const FIRST: u32 = 1;
    /// Envelopes that say they were proposed before.
    pub const PROPOSED_AGAIN: u32 = 2;
    /// Of Consul's ACL: secrets that are kept, templated policies, auth methods.
    pub const ACL_METHODS: u32 = 3;
    /// Registries whose services lie in shards.
    pub const REGISTRY_SHARDS: u32 = 4;
    /// Sharded keyspaces whose records are all kept in memory.
    pub const MEMORY_KEYSPACES: u32 = 5;
    /// All that this build knows.
    pub const ALL: u32 = MEMORY_KEYSPACES;
}

/// A change of a region's state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Set a key.
    Put(PutRequest),
    /// Remove a range of keys.
    Delete(DeleteRequest),
    /// A transaction with at least one write.
    Txn(TxnRequest),
    /// Drop history before this revision.
    Compact {
        /// The oldest revision that stays readable.
        revision: Revision,
    },
    /// Raise an alarm, or put it down.
    Alarm {
        /// Which.
        alarm: Alarm,
        /// Whether it is to stand.
        raise: bool,
    },
    /// Make a lease. The id is chosen before proposing, never 0.
    LeaseGrant {
        /// Its id.
        id: LeaseId,
        /// Its time to live.
        ttl_seconds: i64,
    },
    /// End a lease and delete its keys, because a client said so.
    LeaseRevoke {
        /// Its id.
        id: LeaseId,
    },
    /// End leases whose time was up on the leader's clock, each at a revision of its own; unknown
    /// ones are passed over.
    LeaseExpire {
        /// Their ids.
        ids: Vec<LeaseId>,
    },
    /// A put, a transaction or a `LeaseRevoke`, carried out only if every key that lives by then with
    /// a lease it touches lies in one of the ranges; else `PermissionDenied`.
    Limited {
        /// Where who asks for it may write, in order and apart.
        ranges: Vec<KeyRange>,
        /// What is asked for.
        command: Box<Command>,
    },
    /// Meta region: the first command of a cluster. Later ones are passed over, so that every
    /// candidate for first leader may propose its own.
    Initialize {
        /// The new cluster's identity.
        cluster: ClusterId,
        /// The nodes it starts with; every initial region has a replica on each, with peer id =
        /// node id.
        nodes: Vec<NodeRecord>,
    },
    /// Meta region: a node was met; records its identity and addresses. Refused with
    /// `ClusterMismatch` when the record already has another identity.
    RegisterNode(Box<NodeRecord>),
    /// Meta region: a node says up to which level it knows what goes through logs. Refused with
    /// `ClusterMismatch` when the cluster is beyond it.
    TellLevel {
        /// Which.
        node: NodeId,
        /// Up to which, from 1 on.
        most: u32,
    },
    /// Meta region: what came up to this level may be used from now on; for ever, and nobody is let in who
    /// does not know it. Refused with `Unsupported` while a member does not.
    RaiseLevel {
        /// Up to which.
        to: u32,
    },
    /// Meta region: a node is going to join; it is known by its address until it comes.
    AddNode {
        /// Where peers will reach it, `host:port`.
        peer_address: String,
        /// What it is to become.
        part: Part,
    },
    /// Meta region: a node that was added has come.
    IntroduceNode {
        /// The address it was added with.
        peer_address: String,
        /// Its data directory's identity.
        identity: u128,
        /// Its name.
        name: String,
        /// Where clients reach it; may be empty.
        client_address: String,
    },
    /// Meta region: a learner is to vote.
    PromoteNode {
        /// Which.
        node: NodeId,
    },
    /// Meta region: a node is to leave, for good.
    RemoveNode {
        /// Which.
        node: NodeId,
    },
    /// Meta region: a node is reached elsewhere.
    UpdateNode {
        /// Which.
        node: NodeId,
        /// Where, `host:port`.
        peer_address: String,
    },
    /// Meta region: what a region's leader says its replicas are. Older news than what is known is
    /// passed over.
    RecordPeers {
        /// The region.
        region: RegionId,
        /// Its shape's version, whose `conf_ver` every change of the replicas raises.
        epoch: Epoch,
        /// The replicas.
        peers: Vec<PeerId>,
        /// Those of them that do not vote.
        learners: Vec<PeerId>,
    },
    /// Meta region: make an ordered keyspace with a region of its own on every node.
    CreateKeyspace {
        /// Its name.
        name: String,
    },
    /// Meta region: make a keyspace whose commands a custom machine carries out.
    CreateMachine {
        /// The keyspace's name.
        name: String,
        /// What nodes know the kind of machine by.
        machine: String,
    },
    /// Meta region: make the registry, sharded: a keyspace for what is of no service, and one for each
    /// shard of services, all with a region on every node.
    CreateRegistry {
        /// How many shards, from 1 on.
        shards: u32,
    },
    /// Meta region: make a sharded keyspace, with one region, or one more for each key it is split at.
    CreateSharded {
        /// Its name.
        name: String,
        /// The keys, in order.
        split_at: Vec<Bytes>,
        /// How many replicas each region is to have; 0 for one on every node.
        replicas: u32,
        /// Whether all of its records are kept in memory.
        in_memory: bool,
    },
    /// Meta region: a region of a sharded keyspace is to have its replicas on other nodes. Whoever leads it
    /// brings that about.
    Place {
        /// The region.
        region: RegionId,
        /// Where they were to be when that was decided; if that is another wish by now, nothing is done.
        from: BTreeSet<NodeId>,
        /// Where they are to be.
        to: BTreeSet<NodeId>,
    },
    /// Meta region: a node is to be rid of replicas that may be elsewhere, or may have them again.
    DrainNode {
        /// Which.
        node: NodeId,
        /// Whether it is to be rid of them.
        drain: bool,
    },
    /// Meta region: a region of a sharded keyspace is going to be split. The new region's number is handed
    /// out; whoever leads the region brings the split about, and the directory learns of it with the next
    /// `RecordPeers`. Until then the plan stands, and whoever plans another one is answered with it.
    PlanSplit {
        /// The region.
        region: RegionId,
        /// The version of its epoch.
        version: u64,
        /// The first key of the new region.
        at: Bytes,
    },
    /// Sharded keyspace: the keys from `at` on are those of a new region from here on.
    Split {
        /// The first key of the new region.
        at: Bytes,
        /// The new region's number.
        child: RegionId,
        /// About how many keys lie there.
        keys: u64,
        /// About how many bytes of keys and values.
        bytes: u64,
    },
    /// Meta region: change users and roles.
    Auth(AuthCommand),
    /// Change the registry.
    Registry(RegistryCommand),
    /// For the custom machine of the keyspace.
    Execute {
        /// What only the machine understands.
        data: Bytes,
    },
}

/// Names a command once and for all, so that a retry is applied once (Raft dissertation, 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionTag {
    /// The client: a node's incarnation, or a native client's id.
    pub client: u64,
    /// The command's number, from 1 up, per client and region.
    pub sequence: u64,
    /// Every number up to this one is done with: the client will not ask again, outcomes can go.
    pub acknowledged: u64,
    /// Whether it was asked for before, and may have been carried out: where it is not known any more
    /// what became of the client's commands, it is refused instead of done again.
    pub again: bool,
}

/// An entry of the log, decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The region's shape as the proposer knew it; another one at apply is `EpochMismatch`.
    pub epoch: Epoch,
    /// Who asks, for exactly-once; `None` for commands that are harmless twice.
    pub session: Option<SessionTag>,
    /// What to do.
    pub command: Command,
}
