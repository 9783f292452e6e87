//! A registry as a node keeps it: the node's own clock and waits, the words to the clock, and the
//! questions that the oracles put.

#[path = "../../../node/src/registry/clock.rs"]
mod clock;
mod question;
#[path = "../../../node/src/registry/topic.rs"]
mod topic;
#[path = "../../../node/src/registry/waits.rs"]
mod waits;
mod word;

pub(crate) use question::{QUESTIONS, Question, Seen, look};
pub(crate) use topic::{Topic, concerns_nobody, topics};
pub(crate) use word::{Said, Told, Word};

use clock::Clock;
use waits::Waits;

/// What a node keeps beside its copy of a registry.
pub(crate) struct Share {
    pub(crate) clock: Clock,
    pub(crate) waits: Waits,
}

impl Share {
    pub(crate) fn new(settings: state::registry::deadlines::Settings) -> Self {
        Self { clock: Clock::new(settings), waits: Waits::default() }
    }
}
