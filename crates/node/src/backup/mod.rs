//! Backups: a file with all of a cluster or one keyspace of it, and clusters that begin with one. The bytes
//! are drawn in `docs/format.md`, "Backup".

mod contents;
mod error;
mod gathered;
mod header;
mod plan;
mod reader;
mod restore;
mod tiles;
mod writer;

pub use contents::{Contents, KeyspaceFound, Take};
pub use error::Error;
pub use gathered::Gathered;
pub use header::{Begin, DirectorySection, End, KeyspaceSection, Scope, Section, ShareSection};
pub use reader::{BackupReader, Visit};
pub use restore::{Restored, Target, restore};
pub use tiles::uncovered;
pub use writer::{BackupWriter, Put};
