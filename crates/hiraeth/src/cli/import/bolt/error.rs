use std::io;

/// Why a bolt file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Error {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("this is no file of bolt, which etcd keeps its data in: {0}")]
    Foreign(&'static str),
    #[error(
        "the file is cut off: it tells of {told} bytes and has {found}. Copy it again, or take another \
         snapshot"
    )]
    Short { told: u64, found: u64 },
    #[error("page {page} of the file is damaged: {what}. Copy it again, or take another snapshot")]
    Page { page: u64, what: &'static str },
    #[error(
        "the checksum behind the file is not that of its bytes. Copy it again, or take another snapshot"
    )]
    Checksum,
    #[error("there is no bucket {0:?} in the file: it is none of etcd's v3 store")]
    NoBucket(String),
    /// Whoever was shown the entries wants no more.
    #[error("{0}")]
    Stopped(String),
}
