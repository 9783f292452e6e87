//! What decides whether a history of answers can be true. Used on simulated clusters by `sim` and on
//! real processes by `chaos`.

mod linear;
#[cfg(test)]
mod linear_tests;
mod settle;

pub use linear::{Action, OPERATIONS, Operation, Seen, Verdict, check};
pub use settle::settle;
