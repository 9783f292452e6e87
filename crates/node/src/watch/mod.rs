//! Watches: what was committed, pushed to whoever asked, in order, without a gap and without a
//! repeat, and never at the expense of those who write. How it works: `docs/architecture/watch.md`.

mod batch;
mod catch_up;
mod control;
mod history;
mod hub;
mod index;
mod interval;
mod limits;
mod live;
mod message;
mod reader;
mod recent;
mod region;
mod share;
mod sight;
mod stream;

#[cfg(test)]
mod tests;

pub use control::WatchControl;
pub use history::{History, Page, event_bytes};
pub use hub::{Hub, HubLoad};
pub use limits::WatchLimits;
pub use message::{SharedEvents, WatchCreate, WatchEvent, WatchMessage};
pub use reader::WatchMessages;
pub use sight::WatchSight;
