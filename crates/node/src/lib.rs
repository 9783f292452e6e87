//! The driver: threads, clocks and connections around the pure crates. Everything outside sees one
//! [`Handle`].

mod answer;
mod handle;
mod lease;
mod watch;

pub use answer::{Answer, Consistency, Header, LeaseStatus, Member, ReplicaStatus};
pub use handle::{Handle, WatchControl, WatchMessages};
pub use lease::{LeaseClock, LeaseLimits};
pub use watch::{WatchCreate, WatchEvent, WatchMessage};
