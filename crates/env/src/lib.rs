//! The only seam to the world: time, disk, network, randomness and threads, as traits the simulator
//! can stand in for, and the real ones beside them. No other crate touches `std::fs`, clocks or
//! thread-local randomness for anything that is replicated or stored.

mod clock;
mod disk;
mod net;
mod random;
mod real;
mod spawn;

pub use clock::{Clock, Moment};
pub use disk::{Disk, DiskFile, DiskSpace, OpenMode};
pub use net::{Inbox, Net, Refused};
pub use random::Rng;
pub use real::{MonotonicClock, OsRandom, RealDisk, ThreadSpawn};
pub use spawn::{Joined, Spawn};
