//! Configurations over the keys of an ordered keyspace: how they are named and kept, who is answered which
//! version, what a schema allows, and which transaction makes a change. Pure: whoever has a node at hand
//! carries the transactions out.

pub mod canary;
pub mod content;
pub mod diff;
pub mod gray;
pub mod key;
pub mod limits;
mod name;
pub mod plan;
pub mod record;
pub mod schema;

pub use content::ContentType;
pub use name::Name;

/// The keyspace that configurations are in.
pub const KEYSPACE: &str = "config";
