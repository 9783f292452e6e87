use std::io;
use std::path::PathBuf;

use storage::snapshot;

/// Why a backup was not written, read or restored. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not begin as one.
    #[error("this is no backup: it does not begin as one")]
    Foreign,
    /// It is cut off.
    #[error(
        "the backup is not whole: it ends after {sections} whole parts and {bytes} bytes, and its end is \
         missing. Take another one: this one was cut short while it was made or copied"
    )]
    Incomplete {
        /// Streams that are whole.
        sections: u64,
        /// Bytes that are there.
        bytes: u64,
    },
    /// A byte is not what was written.
    #[error(
        "the backup is damaged in its part {section} (after byte {bytes}): {reason}. Take another one, or \
         copy it again"
    )]
    Damaged {
        /// The stream's position, from 0.
        section: u64,
        /// Bytes that were read before.
        bytes: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A part's header cannot be read.
    #[error("the backup is damaged: {0}. Take another one, or copy it again")]
    Header(String),
    /// Another version.
    #[error(
        "the backup has version {found}, and this program reads up to {}: use the version of hiraeth that \
         wrote it",
        super::header::VERSION
    )]
    Version {
        /// The version it has.
        found: u64,
    },
    /// The hash at its end is another one.
    #[error(
        "the backup is damaged: its checksum is not that of its bytes, though each part is whole. Parts are \
         missing, twice, or from another one. Take another one, or copy it again"
    )]
    Hash,
    /// A record in it cannot be read.
    #[error("a record of the backup cannot be read: {0}")]
    Record(String),
    /// What is in it does not fit together.
    #[error("the backup does not hold what it must: {0}")]
    Contents(String),
    /// It is of one keyspace.
    #[error(
        "the backup is of the keyspace {0:?} alone, and no cluster begins with it: `hiraeth admin restore \
         --into` puts its keys into a keyspace of a cluster that runs"
    )]
    OneKeyspace(String),
    /// It holds what came since another one, and that one is not before it.
    #[error(
        "it holds only what came since another backup, the one with the checksum {}: give all from the full \
         one on, each with a --from of its own, in the order they were taken", .0.hash
    )]
    NotFirst(super::header::Since),
    /// Backups that do not belong one behind the other.
    #[error("{0}")]
    Unfit(String),
    /// More files than are read as one.
    #[error(
        "{0} backups are more than the {max} that are read as one: take a full one",
        max = super::chain::FILES
    )]
    TooMany(usize),
    /// One of several files.
    #[error("{name}: {error}")]
    InFile {
        /// Which.
        name: String,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// There is something already.
    #[error(
        "{} is not empty ({found}): a restore makes a data directory of its own. Give another --data-dir, or \
         move away what is there", dir.display()
    )]
    Occupied {
        /// The data directory.
        dir: PathBuf,
        /// Something in it.
        found: String,
    },
    /// The data directory.
    #[error(transparent)]
    Identity(#[from] crate::identity::Error),
    /// The log.
    #[error("the log cannot be made: {0}")]
    Log(#[from] storage::wal::Error),
    /// The engine.
    #[error("the engine cannot be made: {0}")]
    Engine(#[from] storage::engine::Error),
    /// Where it is written or read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// The same, said of a file.
    pub(super) fn in_file(self, name: &str) -> Self {
        match self {
            // It names the files already.
            named @ (Self::InFile { .. } | Self::Unfit(_)) => named,
            error => Self::InFile { name: name.to_owned(), error: Box::new(error) },
        }
    }

    /// What a stream said when `sections` were whole, after `bytes`.
    pub(super) fn of_stream(error: snapshot::Error, sections: u64, bytes: u64) -> Self {
        match error {
            snapshot::Error::Stream(error) => Self::Io(error),
            snapshot::Error::Incomplete { .. } => Self::Incomplete { sections, bytes },
            error if bytes == 0 && snapshot::is_foreign(&error) => Self::Foreign,
            error => {
                let reason = error.to_string();
                Self::Damaged { section: sections, bytes, reason }
            }
        }
    }
}

impl From<state::LoadError> for Error {
    fn from(error: state::LoadError) -> Self {
        Self::Record(error.to_string())
    }
}
