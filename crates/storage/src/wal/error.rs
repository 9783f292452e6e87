//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

use types::{Index, RegionId};

/// Why the log could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is no room for the next segment.
    #[error(
        "cannot reserve {bytes} bytes for the log segment {}: free space on this disk, then start \
         the node again; nothing acknowledged is lost", path.display()
    )]
    Reserve {
        /// The file that was to be made.
        path: PathBuf,
        /// How large.
        bytes: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// Bytes that were promised to be there are not what was written.
    #[error("the log is damaged in {} at byte {offset}: {found}. {advice}", path.display())]
    Corrupt {
        /// The file, or the directory when a file is missing.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// A newer program wrote this log.
    #[error(
        "{} has log format {version}, this program knows up to {known}: start the version of the \
         program that wrote it, or a newer one", path.display()
    )]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The highest one that is understood here.
        known: u32,
    },
    /// An earlier write or sync failed, so what is on the disk is not known any more.
    #[error(
        "the log stopped at an earlier disk error: restart the node to read back what is there"
    )]
    Latched,
    /// The caller asked for something that makes no sense for the region; nothing was written.
    #[error("a write to region {region}'s log does not fit: {reason}")]
    Invalid {
        /// Whose log.
        region: RegionId,
        /// What is wrong.
        reason: String,
    },
    /// One append is larger than a segment can be; nothing was written.
    #[error("{bytes} bytes in one append, at most {limit} are possible")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// The log has nothing of this region.
    #[error("the log knows no region {0}")]
    UnknownRegion(RegionId),
    /// The entries asked for were compacted.
    #[error("region {region}'s log begins at {first}")]
    Compacted {
        /// Whose log.
        region: RegionId,
        /// Its first index.
        first: Index,
    },
    /// The entries asked for are not there yet.
    #[error("region {region}'s log ends at {last}")]
    Unavailable {
        /// Whose log.
        region: RegionId,
        /// Its last index.
        last: Index,
    },
}

const ADVICE: &str = "Do not delete or edit this file: votes and entries that this node acknowledged \
    would be forgotten. Check the disk, move the node's data directory aside, and let the node join \
    again as a new member with an empty one; or restore the directory from a backup taken while the \
    node was stopped";

impl Error {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn corrupt(path: &Path, offset: u64, found: impl Into<String>) -> Self {
        let found = found.into();
        Self::Corrupt { path: path.to_path_buf(), offset, found, advice: ADVICE }
    }
}
