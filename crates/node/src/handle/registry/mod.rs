//! The registry: questions, waiting for their answers to change, and words to the leader's clock. What
//! changes it goes by [`super::Handle::propose`].

mod ask;
mod fields;
mod made;
mod mirror;
mod register;
mod route;
mod txn;
mod words;

pub use route::{Rest, Routed};
pub use words::Beat;
