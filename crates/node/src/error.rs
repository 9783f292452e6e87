//! Why a node cannot start or go on.

use types::{Index, RegionId};

/// What a person has to deal with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The identity of the data directory.
    #[error(transparent)]
    Identity(#[from] crate::identity::Error),
    /// The network.
    #[error(transparent)]
    Transport(#[from] crate::transport::Error),
    /// The cluster does not take this node.
    #[error("the cluster does not take this node: {0}")]
    Refused(types::Fault),
    /// The log.
    #[error("the log cannot be opened: {0}")]
    Log(#[from] storage::wal::Error),
    /// The engine.
    #[error("the engine cannot be opened: {0}")]
    Engine(#[from] storage::engine::Error),
    /// A snapshot file.
    #[error(transparent)]
    Snapshot(#[from] storage::snapshot::Error),
    /// A region's state.
    #[error("the state of region {region} cannot be loaded: {reason}")]
    Load {
        /// The region.
        region: RegionId,
        /// What was wrong.
        reason: String,
    },
    /// A region's log and state do not meet.
    #[error(
        "region {region} was applied up to {applied}, but its log holds {first} to {last}: the data \
         directory is damaged or was put together from two. This node must not run with it: restore \
         the directory from a backup taken while the node was stopped, or replace the member by one \
         with an empty directory; the other nodes go on meanwhile"
    )]
    Torn {
        /// The region.
        region: RegionId,
        /// What the engine has.
        applied: Index,
        /// The log's first entry.
        first: Index,
        /// The log's last entry.
        last: Index,
    },
    /// The log is in memory, and what it forgets would be missed.
    #[error(
        "a node with a log in memory can keep its state in memory only, and be started once: give it \
         an engine in memory, and a directory that no node has used, not {}", directory.display()
    )]
    Forgetful {
        /// The data directory.
        directory: std::path::PathBuf,
    },
    /// A node that was in a cluster has no log.
    #[error(
        "this node was in its cluster already, but {} has no log: the directory `log` was removed or \
         exchanged, and with it what this node promised the others. Put it back; or restore the whole \
         data directory, or replace the member by one with an empty one", directory.display()
    )]
    PromisesGone {
        /// The data directory.
        directory: std::path::PathBuf,
    },
    /// A region has state but no log.
    #[error(
        "region {region} was applied up to {applied}, but the log knows nothing of it: the directory \
         `log` was removed or exchanged, and with it what this node promised the others. Put it \
         back; or restore the whole data directory, or replace the member by one with an empty one"
    )]
    LogGone {
        /// The region.
        region: RegionId,
        /// What the engine has.
        applied: Index,
    },
    /// The first members are needed once more, and others are named.
    #[error(
        "the state lost its end in a power cut and is told again by the log, for which the \
         --initial-cluster of this node's first start is needed: start it with that"
    )]
    InitialCluster,
    /// A snapshot was half installed, and cannot be finished.
    #[error(
        "the state between {start:?} and the next region is half replaced by the snapshot {file}, \
         which is gone: restore the data directory, or replace the member by one with an empty one"
    )]
    HalfInstalled {
        /// First key of the range.
        start: bytes::Bytes,
        /// The snapshot's file.
        file: String,
    },
    /// No node can go on alone with the directory.
    #[error("{} cannot be gone on with: {what}", dir.display())]
    Reset {
        /// The data directory.
        dir: std::path::PathBuf,
        /// Why, and what to do.
        what: String,
    },
    /// A part of the start panicked.
    #[error("the start broke off: {0}; this is a bug, please report it")]
    Thread(String),
    /// A thread could not be started, or a directory made.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}
