use std::path::PathBuf;

use types::ReadFailure;

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key is empty or longer than [`super::KEY_BYTES_MAX`]. Nothing was written.
    #[error("an engine key must have 1 to 65535 bytes, this one has {len}")]
    KeyLength {
        /// Its length in bytes.
        len: usize,
    },
    /// A value is longer than [`super::VALUE_BYTES_MAX`]. Nothing was written.
    #[error("an engine value must have at most 67108864 bytes, this one has {len}")]
    ValueLength {
        /// Its length in bytes.
        len: usize,
    },
    /// An earlier failure stopped the engine; the text tells which.
    #[error("the engine stopped after a failure, restart the node: {0}")]
    Latched(String),
    /// The call failed, and the engine is latched from now on.
    #[error("engine {doing} failed")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What went wrong below.
        #[source]
        source: lsm_tree::Error,
    },
    /// A read failed, and the engine is latched from now on.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// Another process (or an engine of this one that is not dropped yet) has the directory open.
    #[error(
        "the engine directory {path} is in use by another process; \
         stop it or choose another data directory"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory has a format this build does not read.
    #[error(
        "the engine directory {path} has {found}, this build reads tables of version 3 and \
         nothing else: it was written by another version of the engine"
    )]
    Format {
        /// The directory.
        path: PathBuf,
        /// What the directory says of itself.
        found: String,
    },
    /// The directory cannot be opened.
    #[error("cannot open the engine directory {path}")]
    Open {
        /// The directory.
        path: PathBuf,
        /// What went wrong below.
        #[source]
        source: lsm_tree::Error,
    },
    /// The file system refused something around the engine directory.
    #[error("cannot prepare the engine directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
}
