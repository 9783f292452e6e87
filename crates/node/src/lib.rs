//! The driver: threads, clocks and connections around the pure crates. Everything outside sees one
//! [`Handle`].

mod answer;
mod applier;
mod config;
mod contact;
mod error;
mod failure;
mod flight;
mod forward;
mod frame;
mod handle;
mod history;
pub mod identity;
mod inbox;
mod janitor;
mod leadership;
mod lease;
mod lifecycle;
mod live;
mod liveness;
mod machines;
mod mailbox;
mod meters;
mod network;
mod node;
mod poller;
mod read;
mod region_state;
mod shard;
mod shared;
mod snapshots;
mod space;
mod traffic;
pub mod transport;
mod varint;
mod watch;
mod writer;

pub use answer::{Age, Answer, Consistency, Header, LeaseStatus, Member, ReplicaStatus};
pub use config::{EngineKind, NodeConfig};
pub use env::RealDisk;
pub use error::Error;
pub use failure::{Failure, FailureKind};
pub use flight::{Damage, Entry, Event, Sample, Timeline, read as read_flight};
pub use handle::Handle;
pub use lease::{LeaseClock, LeaseLimits};
pub use liveness::{DiskState, NodeLiveness, NodeState, Summary};
pub use meters::{Counter, Histogram, Meters, Process, READ_MODES, Tally, file_descriptors};
pub use network::{Connected, Joining, Network};
pub use node::{Node, NodeBuilder};
pub use region_state::{RegionState, StateKind};
pub use space::{Room, Space};
pub use state::custom::{StateMachine, Store, View};
pub use traffic::{Lane, LaneTraffic, PeerTraffic};
pub use transport::memory::MemoryNet;
pub use watch::{
    History, Hub, Page, SharedEvents, WatchControl, WatchCreate, WatchEvent, WatchLimits,
    WatchMessage, WatchMessages, event_bytes,
};
