//! The real world.

mod clock;
mod disk;
mod random;
mod spawn;

pub use clock::MonotonicClock;
pub use disk::RealDisk;
pub use random::OsRandom;
pub use spawn::ThreadSpawn;
