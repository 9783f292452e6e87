//! The state machine as the node uses it: readable transcripts, and random commands against a model.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod measure;
mod meta;
mod model;
mod parse;
mod random;
mod registry;
mod replica;
mod sessions;
mod sharded;
mod sweep;
mod tokens;
mod transcript;
mod users;
