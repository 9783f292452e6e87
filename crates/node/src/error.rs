//! Why a node cannot start or go on.

use types::{Index, NodeId, RegionId};

/// What a person has to deal with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The identity of the data directory.
    #[error(transparent)]
    Identity(#[from] crate::identity::Error),
    /// The network.
    #[error(transparent)]
    Transport(#[from] crate::transport::Error),
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
         directory is damaged or was put together from two; restore it, or remove it and let the \
         node rejoin"
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
    /// A region has no replica here.
    #[error("region {region} has no replica on node {node}")]
    NotMember {
        /// The region.
        region: RegionId,
        /// This node.
        node: NodeId,
    },
    /// A thread could not be started, or a directory made.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}
