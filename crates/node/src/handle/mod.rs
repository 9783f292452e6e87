//! The one door to a node, for every API and for programs that embed it.

mod acl;
mod alarms;
mod archive;
mod backup;
mod caller;
mod cluster;
mod commands;
mod compaction;
mod configuration;
mod frozen;
mod hot;
mod lease;
mod load;
mod login;
mod machine;
mod members;
mod numbered;
mod reads;
mod registry;
mod routes;
mod sharded;
mod stats;
mod status;
mod transfer;
mod waits;

pub use acl::{Granted, KEPT};
pub use backup::{Backup, BackupOf};
pub(crate) use configuration::configurations_in;
pub(crate) use frozen::FROZEN;
pub use frozen::Frozen;
pub use hot::HotRegion;
pub use numbered::Number;
pub(crate) use numbered::carry as carry_numbered;
pub use stats::RegionStats;

use std::sync::Arc;

use state::directory::Directory;
use types::{Code, Fault, KeyspaceId, NodeId, RegionId, Revision};

use crate::answer::Header;
use crate::forward;
use crate::shard::Shard;
use crate::shared::Shared;

pub use caller::{Caller, Credentials, Judge, Verdict};
pub use cluster::{ClusterView, LedRegion, NodeView, ReplicaView};
pub use registry::{Beat, Rest, Routed};
pub use routes::RegionRoute;

/// A running node; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The keyspace called `name`; `None` is `default`.
    ///
    /// # Errors
    /// `KeyspaceNotFound`.
    pub fn keyspace(&self, name: Option<&str>) -> Result<KeyspaceId, Fault> {
        let Some(name) = name else { return Ok(KeyspaceId::DEFAULT) };
        let directory = self.shared.directory();
        let record = directory.keyspace_named(name);
        record.map(|record| record.id).ok_or_else(|| Fault::new(Code::KeyspaceNotFound, name))
    }

    /// What begins the traces of requests here.
    #[must_use]
    pub fn tracer(&self) -> &spans::Tracer {
        &self.shared.config.tracer
    }

    /// The header for answers that come from no command, with the replica's newest applied revision.
    #[must_use]
    pub fn header(&self, keyspace: KeyspaceId) -> Header {
        match self.shard(keyspace) {
            Ok(shard) => self.header_of(&shard),
            Err(_) => Header { member: self.shared.node(), ..Header::default() },
        }
    }

    /// The cluster as this node's copy of the meta region knows it.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.shared.directory()
    }

    /// Waits for the node's end, for who would go on for as long as it is there.
    pub async fn ended(&self) {
        self.shared.ended().await;
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.shared.node()
    }

    /// The keyspace's shard; while the cluster is being formed, waits for it as long as a request
    /// may take.
    async fn ready_shard(&self, keyspace: KeyspaceId) -> Result<Arc<Shard>, Fault> {
        if self.shared.directory().cluster.is_none() {
            let mut directory = self.shared.watch_directory();
            let formed = directory.wait_for(|directory| directory.cluster.is_some());
            let formed = tokio::time::timeout(forward::REQUEST_TIMEOUT, formed);
            tokio::select! {
                biased;
                formed = formed => drop(formed),
                () = self.shared.ended() => {}
            }
        }
        self.shard(keyspace)
    }

    pub(crate) fn shard(&self, keyspace: KeyspaceId) -> Result<Arc<Shard>, Fault> {
        if let Some(reason) = self.shared.failed() {
            return Err(Fault::new(Code::ShuttingDown, reason));
        }
        if self.shared.has_ended() {
            return Err(Code::ShuttingDown.into());
        }
        if self.shared.directory().cluster.is_none() {
            return Err(Code::NoLeader.into());
        }
        let shard = self.shared.keyspace_shard(keyspace)?;
        shard.broken()?;
        Ok(shard)
    }

    /// The newest revision that a region's replica here has applied; 0 without one.
    #[must_use]
    pub fn region_revision(&self, region: RegionId) -> Revision {
        self.shared.shard(region).map_or(Revision(0), |shard| shard.revision())
    }

    fn header_of(&self, shard: &Shard) -> Header {
        self.header_at(shard, shard.revision())
    }

    pub(crate) fn header_at(&self, shard: &Shard, revision: Revision) -> Header {
        Header {
            cluster: self.shared.directory().cluster.unwrap_or_default(),
            member: self.shared.node(),
            revision,
            term: shard.leadership().term,
            age: None,
        }
    }
}
