//! What every log has to do, by one suite over each of them.

mod conformance;

use storage::log::{Log, MemoryLog};

use crate::fault_disk::FaultDisk;
use crate::wal::bed::{open, small};

/// An empty log of each kind. The files of the first are small, so that little makes many.
fn logs() -> [(&'static str, Box<dyn Log>); 2] {
    let (wal, _) = open(&FaultDisk::new(512), small()).unwrap();
    [("on disk", Box::new(wal)), ("in memory", Box::new(MemoryLog::new()))]
}
