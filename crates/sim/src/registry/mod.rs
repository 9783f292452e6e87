//! A registry as a node keeps it: the node's own clock and waits, the words to the clock, and the
//! questions that the oracles put.

mod question;
#[path = "../../../node/src/registry/share.rs"]
mod share;
#[path = "../../../node/src/registry/topic.rs"]
mod topic;
#[path = "../../../node/src/registry/waits.rs"]
mod waits;
mod word;

pub(crate) use question::{QUESTIONS, Question, Seen, look};
pub(crate) use share::Share;
pub(crate) use topic::{Topic, concerns_nobody, topics};
pub(crate) use word::{Said, Told, Word};
