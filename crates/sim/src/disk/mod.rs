//! A disk in memory that forgets what a real one may forget, and lies as a broken one may lie.
//!
//! Writes go to a page cache, sector by sector, and to the platter only by `sync_data`; names of
//! files change in the directory at once, and for good only by `sync_dir`. At a power cut each
//! sector that was not synced keeps any of the versions it had since, each length and each change
//! of a name survives or not, all drawn from a seed. A sector is never torn itself.
//!
//! It can also be told to cut the power at a given operation, to fail a sync, to be full, and to
//! damage what is on the platter (`lies`).

mod control;
mod inode;
mod io;
mod lies;
mod names;
mod random;
mod state;

pub(crate) use control::FaultDisk;
pub(crate) use random::Random;
