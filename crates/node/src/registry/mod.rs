//! What a node does for a registry beside keeping its copy: the leader's clock, who waits for an answer
//! to become another one, and what clients say to the leader's clock from any node.

mod alias;
pub(crate) mod checker;
mod clock;
mod feed;
mod lane;
pub(crate) mod mirrors;
mod parts;
mod share;
mod time;
mod topic;
mod waits;
mod word;

pub use feed::{Audit, Delta, Push, Reader, Seen, Subscriptions};
pub use parts::Scope;
pub use share::RegistryLoad;
pub use topic::Topic;

pub(crate) use lane::say;
pub(crate) use parts::{Parts, PartsKnown, number_of};
pub(crate) use share::Share;
pub(crate) use time::expire;
pub(crate) use word::{Told, WORDS_TOGETHER, Word, answer_words, hear_now};
