//! Plans on paper clusters: every move is held against what a move must never do, and what the moves come
//! to is held against the least that would do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod cases;
mod clusters;
mod hot;
mod loads;
mod paper;
mod storms;
