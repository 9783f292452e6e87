//! The registry as the node uses it: the transcripts' words for it, and random commands on three
//! replicas against a model that knows nothing of indexes but compares whole answers.

mod answers;
mod bounds;
mod commands;
mod keys;
mod look;
mod memory;
mod model;
mod operations;
mod random;
mod restore;
pub(crate) mod show;
pub(crate) mod words;
