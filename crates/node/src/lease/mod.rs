//! Leases' deadlines. They live in the leader's memory and are never replicated: the log knows which
//! leases exist, the leader knows when they end.

mod clock;
mod due;

#[cfg(test)]
mod tests;

pub use clock::{LeaseClock, LeaseLimits};
pub(crate) use due::Deadlines;
