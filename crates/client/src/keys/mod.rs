//! What a key-value store is asked for beside reading and writing: several keys at once, conditional writes,
//! appending, ids, batches. In a sharded keyspace whatever is about one region is done whole or not at all;
//! what is about several says what became of each part.

mod atomic;
mod batch;
mod batcher;
mod groups;
mod many;
mod scan;
mod sequence;

pub use atomic::Swap;
pub use batch::{BatchPart, Write};
pub use batcher::Batcher;
pub use many::DeletedPart;
pub use scan::RegionPages;
pub use sequence::Sequence;
