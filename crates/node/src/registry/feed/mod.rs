//! Pushing: what changed of a service goes to all who subscribed to it, made once and shared by them.

mod audit;
mod delta;
mod feeds;
mod run;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use audit::{Audit, Push, Reader};
pub use delta::{Delta, Seen};
pub use subscriptions::Subscriptions;

pub(crate) use feeds::Feeds;
