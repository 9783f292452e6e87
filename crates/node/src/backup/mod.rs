//! Backups: a file with all of a cluster or one keyspace of it, those that hold what came since another, and
//! clusters that begin with them. The bytes are drawn in `docs/format.md`, "Backup".

mod bases;
mod chain;
mod collect;
mod contents;
mod error;
mod gathered;
mod header;
mod kept;
mod listing;
mod marks;
mod plan;
mod reader;
mod restore;
mod tiles;
mod writer;

pub use bases::{BASES, BASES_BYTES, Base, Bases};
pub(crate) use bases::{must_be_behind, versions_up_to};
pub use chain::{Chain, FILES, File, Open, Source, goes_on};
pub use contents::{Contents, KeyspaceFound, ShareFound, Take};
pub use error::Error;
pub use gathered::Gathered;
pub use header::{
    Begin, DirectorySection, End, KeyspaceSection, KeyspaceSince, Scope, Section, ShareSection,
    Since,
};
pub(crate) use listing::{Listing, Stayed, unless};
pub(crate) use marks::known;
pub use marks::{Marks, mark};
pub use reader::{BackupReader, Visit};
pub use restore::{Restored, Target, restore};
pub use tiles::uncovered;
pub use writer::{BackupWriter, Put};
