//! What the handle answers with.

use std::time::Duration;

use state::alarms::Alarm;
use types::{ClusterId, LeaseId, NodeId, Revision, Term};

/// What every answer tells about the keyspace it comes from (etcd `ResponseHeader`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node that answers.
    pub member: NodeId,
    /// The keyspace's revision: after the command, or at the read.
    pub revision: Revision,
    /// The region's term.
    pub term: Term,
    /// How old a stale read is; `None` for an answer that was confirmed.
    pub age: Option<Age>,
}

/// How long ago a copy was last known to be caught up: what a reader of it may have missed.
///
/// It says that this node then heard from the region's leader (on the leader: from a quorum), and
/// had applied everything it was told to be committed. So it counts neither the time that messages
/// take, nor what the leader had committed and this node was not told yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Age {
    /// That long ago, rounded up to a millisecond.
    Known(Duration),
    /// Not since the node was started.
    Unknown,
}

/// An answer with its header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer<T> {
    /// Where it comes from.
    pub header: Header,
    /// What it is.
    pub body: T,
}

/// How fresh a read must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Consistency {
    /// As if there were one copy: confirmed with a quorum before it is served.
    #[default]
    Linearizable,
    /// Linearizable too, as long as clocks run alike (see `region::LeaderLease`): the leader answers
    /// from its own copy while it holds a quorum's promise to follow nobody else. Another node has the leader
    /// answer.
    Lease,
    /// Linearizable, from this node's copy: the leader is asked only how far it must be. A copy that
    /// does not get there soon has the leader answer.
    Follower,
    /// From this node's own copy, however old, with its age (etcd `serializable`).
    Stale,
    /// As `Stale`, but `TooStale` if the copy is older than this.
    StaleWithin(Duration),
}

/// What is left of a lease (etcd `LeaseTimeToLiveResponse`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaseStatus {
    /// The lease.
    pub id: LeaseId,
    /// Seconds left; -1 for an unknown lease.
    pub ttl_seconds: i64,
    /// Seconds it was granted for; 0 for an unknown lease.
    pub granted_seconds: i64,
    /// The keys attached, if asked for.
    pub keys: Vec<bytes::Bytes>,
}

/// A member of the cluster as clients see it (etcd `Member`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its number.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// `http://host:port` for peers.
    pub peer_urls: Vec<String>,
    /// `http://host:port` for clients; empty until the node registered.
    pub client_urls: Vec<String>,
    /// Whether it does not vote yet.
    pub is_learner: bool,
}

/// This node's replica of a keyspace (etcd `StatusResponse`, and more).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicaStatus {
    /// Who leads, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The oldest index in the log: a replica that needs an older one gets a snapshot.
    pub first_index: u64,
    /// The newest index in the log.
    pub last_index: u64,
    /// The newest index known committed.
    pub commit_index: u64,
    /// The newest index applied.
    pub applied_index: u64,
    /// Whether this replica does not vote.
    pub is_learner: bool,
    /// Bytes of the engine's records, in tables and not yet in one (the whole node's).
    pub db_size: u64,
    /// Bytes of them in use.
    pub db_size_in_use: u64,
    /// The oldest revision still readable.
    pub compacted: Revision,
    /// What is wrong: alarms that were raised, and nodes without room.
    pub alarms: Vec<Alarm>,
}
