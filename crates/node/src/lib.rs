//! The driver: threads, clocks and connections around the pure crates. Everything outside sees one
//! [`Handle`].
//!
//! A program may have a node inside itself: [`Node::builder`]. It brings along what it likes of its
//! own: state machines ([`StateMachine`]), links ([`Network`], [`MemoryNet`]), an engine
//! ([`storage::engine::Engine`]), a log ([`storage::log::Log`]), a clock ([`env::Clock`]).
//!
//! # A replicated counter: `cargo run -p node --example counter`
//!
//! ```
#![doc = include_str!("../examples/counter.rs")]
//! ```
//!
//! # Three nodes in one process: `cargo run -p node --example embedded_kv`
//!
//! ```
#![doc = include_str!("../examples/embedded_kv.rs")]
//! ```

mod answer;
mod applier;
pub mod audit;
mod auth;
pub mod backup;
pub mod calendar;
mod canary;
mod compaction;
mod config;
mod contact;
mod desk;
mod error;
mod failure;
mod flight;
mod forward;
mod frame;
mod front_door;
mod group;
mod handle;
mod history;
mod hot;
pub mod identity;
mod inbox;
mod janitor;
mod leadership;
mod lease;
mod levels;
mod lifecycle;
mod live;
mod liveness;
mod machines;
mod mailbox;
mod membership;
mod meters;
mod network;
mod node;
mod observe;
mod poller;
mod proposal;
mod rarely;
mod read;
mod region_state;
mod region_watch;
mod registry;
pub mod reset;
mod shard;
mod sharded;
mod shared;
mod snapshots;
mod space;
mod strain;
mod traffic;
pub mod transport;
mod varint;
mod waiter;
mod watch;
mod watched;
mod writer;

pub use answer::{Age, Answer, Consistency, Header, LeaseStatus, Member, ReplicaStatus};
pub use auth::AuthChanges;
pub use compaction::AutoCompaction;
pub use config::{AclSettings, EngineKind, NodeConfig};
pub use consensus::{Flow, Role};
pub use desk::{Desk, News, Orders, PendingRead, Pursuit, Stuck, Submission, Unsent};
pub use env::RealDisk;
pub use error::Error;
pub use failure::{Failure, FailureKind};
pub use flight::{Damage, Entry, Event, Sample, Timeline, read as read_flight};
pub use front_door::{Answerer, Answering};
pub use handle::{
    Backup, BackupOf, Beat, Caller, ClusterView, Credentials, Frozen, Granted, Handle, HotRegion,
    Judge, KEPT, LedRegion, NodeView, Number, RegionRoute, RegionStats, ReplicaView, Rest, Routed,
    Verdict,
};
pub use lease::{LeaseClock, LeaseLimits};
pub use liveness::{DiskState, Link, NodeLiveness, NodeState, Summary};
pub use meters::{
    Counter, Histogram, Meters, Process, READ_MODES, Tally, client_descriptors_left,
    file_descriptors, most_file_descriptors,
};
pub use network::{Connected, Joining, Network};
pub use node::{Node, NodeBuilder};
pub use observe::{NodeSight, Observation, Observer, RegionSight};
pub use region::{GroupPeer, GroupStats, HotKey};
pub use region_state::{RegionState, StateKind};
pub use registry::{Audit, Delta, Push, Reader, RegistryLoad, Scope, Seen, Subscriptions, Topic};
pub use space::{MemoryRoom, Room, Space};
pub use state::custom::{StateMachine, Store, View};
pub use state::directory::{Part, Phase};
pub use strain::{Memory, Recent, Strain};
pub use traffic::{Lane, LaneTraffic, PeerTraffic};
pub use transport::memory::MemoryNet;
pub use watch::{
    History, Hub, HubLoad, Page, SharedEvents, WatchControl, WatchCreate, WatchEvent, WatchLimits,
    WatchMessage, WatchMessages, WatchSight, event_bytes,
};
pub use {env, probe, state, storage, types};
