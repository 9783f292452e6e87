use std::io;
use std::path::PathBuf;

use types::{ClusterId, NodeId};

/// Why a data directory cannot be used; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The identity file is damaged.
    #[error(
        "{} is damaged ({why}): restore it from a backup, or remove this member from the cluster, \
         empty the data directory and add the member again",
        path.display()
    )]
    Corrupt {
        /// The identity file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The directory was written by a newer version.
    #[error(
        "{} has format {found}, this version knows up to {known}: start the newer version that \
         wrote it",
        path.display()
    )]
    Newer {
        /// The identity file.
        path: PathBuf,
        /// The format it has.
        found: u64,
        /// The newest format known here.
        known: u64,
    },
    /// The directory is another node's.
    #[error(
        "data directory {} belongs to node {found}, not to {asked}: give the right --data-dir or \
         --name",
        dir.display()
    )]
    Name {
        /// The data directory.
        dir: PathBuf,
        /// The name in it.
        found: String,
        /// The name this process was started with.
        asked: String,
    },
    /// The directory is another cluster's.
    #[error(
        "data directory {} belongs to cluster {own}, the peers to cluster {other}: correct the \
         peers' addresses, or give the right --data-dir",
        dir.display()
    )]
    OtherCluster {
        /// The data directory.
        dir: PathBuf,
        /// The cluster in it.
        own: ClusterId,
        /// The cluster it met.
        other: ClusterId,
    },
    /// There is data, but nothing says whose.
    #[error(
        "data directory {} has data but no identity.json: restore the file from a backup, or \
         remove this member from the cluster, empty the directory and add the member again",
        dir.display()
    )]
    Lost {
        /// The data directory.
        dir: PathBuf,
    },
    /// The node is not among the initial cluster's.
    #[error(
        "node {name} is not in the initial cluster ({members}): add it to --initial-cluster, or \
         give the right --name"
    )]
    NotInitial {
        /// The node's name.
        name: String,
        /// The names that are in it.
        members: String,
    },
    /// The node waits to be let into a cluster.
    #[error(
        "data directory {} is of a node that was about to join a cluster: start it with --join, or \
         empty the directory",
        dir.display()
    )]
    NotJoined {
        /// The data directory.
        dir: PathBuf,
    },
    /// The node waits for a cluster to be formed.
    #[error(
        "data directory {} is of a node that was to form a cluster and never did: start it with \
         --initial-cluster and without --join, or empty the directory to join another",
        dir.display()
    )]
    NotFormed {
        /// The data directory.
        dir: PathBuf,
    },
    /// The node was removed from its cluster.
    #[error(
        "node {node} was removed from its cluster, and {} is of no use any more: to have this server in \
         the cluster again, add it as a new member and start it with an empty data directory",
        dir.display()
    )]
    Removed {
        /// The data directory.
        dir: PathBuf,
        /// The number it had.
        node: NodeId,
    },
    /// A reset of the peers did not come to its end.
    #[error(
        "data directory {} is of a node whose peers were being reset, and that did not come to its end: run \
         `hiraeth admin reset-peers` on it again",
        dir.display()
    )]
    Resetting {
        /// The data directory.
        dir: PathBuf,
    },
    /// The initial cluster makes no sense.
    #[error("the initial cluster cannot be used: {0}")]
    InitialCluster(String),
    /// Another process runs on the directory.
    #[error(
        "data directory {} is in use by another process: stop it, or give another --data-dir",
        dir.display()
    )]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
}

impl Error {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
