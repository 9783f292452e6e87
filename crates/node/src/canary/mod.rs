//! Gray releases that end by themselves. All there is to know of them is in their records: whoever leads the
//! region of the configurations brings them to their end, whichever node began them.

mod keep;
mod running;

pub(crate) use keep::keep;

/// Milliseconds until what failed is tried again.
const AGAIN_MS: u64 = 1_000;
