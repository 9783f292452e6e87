//! What one holds, or some do, and others wait for: locks, shared or not, places of a semaphore, and leading.
//! All go from hand to hand in the order of asking, and live with a lease.

mod held;
mod hold;
mod line;
mod wanted;

pub use held::HeldLock;
pub use wanted::Lock;
