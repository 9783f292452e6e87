//! The driver: threads, clocks and connections around the pure crates. Everything outside sees one
//! [`Handle`].

mod answer;
mod handle;
pub mod identity;
mod lease;
pub mod transport;
mod watch;

pub use answer::{Answer, Consistency, Header, LeaseStatus, Member, ReplicaStatus};
pub use handle::Handle;
pub use lease::{LeaseClock, LeaseLimits};
pub use watch::{
    History, Hub, Page, SharedEvents, WatchControl, WatchCreate, WatchEvent, WatchLimits,
    WatchMessage, WatchMessages, event_bytes,
};
