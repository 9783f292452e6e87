//! How commands and outcomes are written down: in the log, between nodes, in session records. Drawn
//! in `docs/format.md`. Every decoder takes bytes from outside: it is bounded and never panics.

pub(crate) mod acl;
pub(crate) mod auth;
mod command;
mod level;
pub(crate) mod methods;
pub(crate) mod outcome;
pub(crate) mod primitives;
mod query;
pub(crate) mod records;
pub(crate) mod request;

#[cfg(test)]
pub(crate) mod tests;

pub use command::{proposed_again, routed_version};
pub use primitives::CodecError;

/// The first byte of an envelope and of an outcome.
const VERSION: u8 = 1;
