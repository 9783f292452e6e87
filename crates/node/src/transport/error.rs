use std::io;

use crate::identity;

/// Why the transport cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system does not let us listen.
    #[error("cannot listen for peers: {0}")]
    Listen(#[from] io::Error),
    /// The identity could not be stored, or is another cluster's.
    #[error(transparent)]
    Identity(#[from] identity::Error),
    /// The cluster knows this node with another data directory.
    #[error(
        "{name} was a member and its data is gone: remove it from the cluster and add it again \
         (said by {by}: {detail})"
    )]
    DataGone {
        /// This node's name.
        name: String,
        /// Who refused it.
        by: String,
        /// In its words.
        detail: String,
    },
    /// The cluster was formed, and this node is not of it.
    #[error(
        "{name} is not a member of the cluster: add it first, then start it with an empty data \
         directory (said by {by}: {detail})"
    )]
    NotMember {
        /// This node's name.
        name: String,
        /// Who refused it.
        by: String,
        /// In its words.
        detail: String,
    },
    /// The transport was shut down meanwhile.
    #[error("the node is shutting down")]
    ShuttingDown,
}
