//! A region's records as a stream of checked chunks: written by one node, kept as a file by another,
//! and installed in its engine. The bytes are drawn in `docs/format.md`, "Snapshot stream".

mod check;
mod chunk;
mod error;
mod export;
mod file;
mod install;
mod row;
mod writer;

pub use check::Records;
pub use chunk::{CHUNK_BYTES, HEADER_BYTES_MAX};
pub use error::{Damage, Error};
pub use export::{SnapshotChunks, export, export_ranges};
pub use file::{SnapshotFile, Totals};
pub use install::{PendingInstall, clean, pending_installs};
pub use row::{ChunkReader, StreamCheck, StreamWriter, is_foreign};
pub use writer::SnapshotWriter;
