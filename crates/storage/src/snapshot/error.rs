use std::io;
use std::path::PathBuf;

use types::ReadFailure;

use crate::engine;

/// Why a snapshot was not written, taken or installed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream is not what was sent. Ask for it again.
    #[error("snapshot chunk {chunk}: {damage}")]
    Damaged {
        /// The chunk's position in the stream, from 0.
        chunk: u32,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The stream ended before its trailer.
    #[error("the snapshot ends after {chunks} chunks, its trailer is missing")]
    Incomplete {
        /// Chunks that came.
        chunks: u32,
    },
    /// The header given to `export` is too long.
    #[error("a snapshot header must have at most 1048576 bytes, this one has {len}")]
    HeaderTooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// More chunks or bytes than the format can number.
    #[error("the range does not fit into one snapshot")]
    TooLarge,
    /// A name that cannot be a file name.
    #[error("a snapshot name must have 1 to 100 characters of [A-Za-z0-9_-], not {0:?}")]
    Name(String),
    /// The snapshot has records that do not belong to the range it is to be installed in, or the
    /// range is empty or holds the engine's own records.
    #[error("the snapshot's records do not lie in the range they are to be installed in")]
    Range,
    /// A note about an interrupted installation in the engine cannot be read.
    #[error("the engine's record of an unfinished installation is damaged")]
    Marker,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The engine could not be read.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// What the stream is written to or read from failed.
    #[error(transparent)]
    Stream(io::Error),
    /// The disk failed.
    #[error("snapshot file {path}: {doing} failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
}

/// What is wrong with a chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// It does not begin as a chunk does.
    #[error("not a snapshot chunk")]
    Magic,
    /// A version this build does not read.
    #[error("format version {0}, this build reads 1")]
    Version(u8),
    /// Its length is not the one it tells, or is over the limit.
    #[error("wrong length")]
    Length,
    /// Its checksum does not match.
    #[error("wrong checksum")]
    Checksum,
    /// Another chunk was due.
    #[error("out of order, it is numbered {0}")]
    Sequence(u32),
    /// A kind of chunk that cannot come here.
    #[error("a chunk of kind {0} cannot come here")]
    Kind(u8),
    /// The records in it make no sense, or are not in ascending order.
    #[error("malformed records")]
    Records,
    /// The trailer tells other totals than those of the chunks before it.
    #[error("the totals differ from what came")]
    Totals,
    /// The trailer's checksum of the whole stream does not match.
    #[error("the checksum of the whole stream differs")]
    Overall,
}
