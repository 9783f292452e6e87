//! Many Raft groups on one node, without I/O: a [`Host`] takes ticks, messages, proposals and
//! completions, and says what to send, what to make durable, what to apply and which reads may be
//! served. The node drives it with threads, the simulator with a seed; both run this very code.

mod ground;
mod guards;
mod host;
mod hot;
mod lease;
mod membership;
mod message;
mod output;
mod peer;
mod reads;
mod sleep;
mod stats;

pub use ground::{Ground, Plot};
pub use guards::HostGuards;
pub use host::{Host, HostLimits};
pub use hot::{HOT_KEYS, HotKey, HotKeys};
pub use lease::{ClockRules, Forfeit, LeaderLease};
pub use membership::{Step, is_settled, next_step};
pub use message::RegionMessage;
pub use output::{Committed, Install, LogWrite, Output, RoleChange};
pub use peer::{Peer, PeerStart};
pub use sleep::{Sleep, SleepKind};
pub use stats::{GroupPeer, GroupStats};
