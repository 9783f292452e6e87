//! Consul's blocking queries: who asks the same waits for the same answer.

mod flight;
mod key;
mod shared;

pub(crate) use key::Key;
pub(crate) use shared::Queries;
