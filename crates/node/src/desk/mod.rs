//! Requests without a task of their own.
//!
//! A front door that has many requests under way on one connection need not have a task wait for
//! each: it hands them over as [`Orders`], many at once, and finds what became of them on its
//! [`Desk`], many at once. What does not go the ordinary way (no leader, a lost link, a refusal that
//! may pass) comes back as [`News::Stuck`], and is then brought to its end by [`Handle::pursue`],
//! which waits and asks again as [`Handle::propose`] does, under the same number: it is carried out
//! once.

mod orders;
mod queue;
mod reads;
mod submission;

pub(crate) use orders::Way;
pub use orders::{Orders, Unsent};
pub(crate) use queue::Done;
pub use queue::{Desk, News};
pub use reads::PendingRead;
pub use submission::{Pursuit, Stuck, Submission};

#[cfg(doc)]
use crate::Handle;
