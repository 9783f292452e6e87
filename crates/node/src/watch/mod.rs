//! Watches: what was committed, pushed to whoever asked, in order, without a gap and without a
//! repeat, and never at the expense of those who write.

mod message;

pub use message::{WatchCreate, WatchEvent, WatchMessage};
