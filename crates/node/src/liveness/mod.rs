//! Who is alive: nodes tell each other so with one beat an interval, whether their regions have
//! anything to say or not (features C5, C6).

mod beat;
mod drive;
mod health;
mod link;
mod table;

pub(crate) use beat::Beat;
pub use beat::Summary;
pub(crate) use drive::{
    Told, auth_known, heard, heard_known, link_down, summary, tell_known, tick,
};
pub use health::DiskState;
pub(crate) use health::Health;
pub use link::Link;
pub(crate) use table::Liveness;
pub use table::{NodeLiveness, NodeState};
