//! The flight recorder: what the node did lately, on disk, to be read after a crash.
//!
//! Once a second a sample, and each event at once, as lines in `DATA/flight/` (drawn in
//! `docs/format.md`). A thread of its own writes them; whoever has news leaves it in a bounded queue
//! and never waits. Nothing is synced but the last words of a node that stops: a killed process loses
//! nothing that was written, a power cut the last seconds.

mod event;
mod files;
mod leaders;
mod line;
mod panics;
mod read;
mod recorder;
mod sample;
#[cfg(test)]
mod tests;

pub use event::Event;
use leaders::LeaderNews;
pub(crate) use panics::record as record_panics;
pub use read::{Damage, Entry, Timeline, read};
#[cfg(test)]
use recorder::Recorder;
pub(crate) use recorder::{Flight, run};
pub use sample::Sample;
