//! Hiraeth's own services: what etcd's have no words for.

use node::{Handle, ReplicaStatus};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::keyspaces_server::Keyspaces;
use proto::hiraeth::v1::node_server::Node;
use state::directory::{Directory, KeyspaceRecord, NodeRecord, RegionRecord};
use tonic::{Request, Response, Status};
use types::NodeId;

use crate::{error, metadata};

/// `hiraeth.v1.Keyspaces`.
pub struct KeyspacesService {
    handle: Handle,
}

impl KeyspacesService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

fn keyspace(record: &KeyspaceRecord) -> pb::Keyspace {
    pb::Keyspace { id: record.id.get(), name: record.name.clone(), region: record.region.get() }
}

fn keyspaces(directory: &Directory) -> Vec<pb::Keyspace> {
    directory.keyspaces.values().map(keyspace).collect()
}

#[tonic::async_trait]
impl Keyspaces for KeyspacesService {
    async fn create(
        &self,
        request: Request<pb::CreateKeyspaceRequest>,
    ) -> Result<Response<pb::CreateKeyspaceResponse>, Status> {
        let name = &request.get_ref().name;
        let record =
            self.handle.create_keyspace(name).await.map_err(|fault| error::status(&fault))?;
        let keyspace = Some(keyspace(&record));
        Ok(Response::new(pb::CreateKeyspaceResponse { keyspace }))
    }

    async fn list(
        &self,
        _: Request<pb::ListKeyspacesRequest>,
    ) -> Result<Response<pb::ListKeyspacesResponse>, Status> {
        let keyspaces = keyspaces(&self.handle.directory());
        Ok(Response::new(pb::ListKeyspacesResponse { keyspaces }))
    }
}

/// `hiraeth.v1.Node`.
pub struct NodeService {
    handle: Handle,
}

impl NodeService {
    /// The service over `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

fn node(record: &NodeRecord) -> pb::NodeInfo {
    pb::NodeInfo {
        id: record.id.get(),
        name: record.name.clone(),
        peer_address: record.peer_address.clone(),
        client_address: record.client_address.clone(),
    }
}

fn role(replica: &ReplicaStatus, member: NodeId) -> pb::Role {
    match replica.leader {
        None => pb::Role::Unknown,
        Some(leader) if leader == member => pb::Role::Leader,
        Some(_) if replica.is_learner => pb::Role::Learner,
        Some(_) => pb::Role::Follower,
    }
}

#[tonic::async_trait]
impl Node for NodeService {
    async fn status(
        &self,
        _: Request<pb::NodeStatusRequest>,
    ) -> Result<Response<pb::NodeStatusResponse>, Status> {
        let directory = self.handle.directory();
        let member = self.handle.node();
        let mut response = pb::NodeStatusResponse {
            node: member.get(),
            cluster: directory.cluster.map(|id| id.to_string()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: directory.nodes.values().map(node).collect(),
            keyspaces: keyspaces(&directory),
            ..Default::default()
        };
        let replicas =
            self.handle.region_statuses().await.map_err(|fault| error::status(&fault))?;
        for (id, term, replica) in replicas {
            // Between the two looks a region may have come or gone.
            let Some(record) = directory.regions.get(&id) else { continue };
            response.db_bytes = replica.db_size;
            response.db_bytes_in_use = replica.db_size_in_use;
            response.regions.push(pb::RegionInfo {
                leader: replica.leader.map_or(0, NodeId::get),
                role: role(&replica, member).into(),
                term: term.get(),
                commit: replica.commit_index,
                applied: replica.applied_index,
                last: replica.last_index,
                revision: self.handle.header(record.keyspace).revision.get(),
                compacted: replica.compacted.get(),
                ..region(record)
            });
        }
        Ok(Response::new(response))
    }

    async fn barrier(
        &self,
        request: Request<pb::BarrierRequest>,
    ) -> Result<Response<pb::BarrierResponse>, Status> {
        let keyspace = metadata::admit(&self.handle, request.metadata())?;
        let answer = self.handle.barrier(keyspace).await.map_err(|fault| error::status(&fault))?;
        Ok(Response::new(pb::BarrierResponse {
            term: answer.header.term.get(),
            revision: answer.header.revision.get(),
            applied: answer.body.get(),
        }))
    }

    async fn verify_leader(
        &self,
        request: Request<pb::VerifyLeaderRequest>,
    ) -> Result<Response<pb::VerifyLeaderResponse>, Status> {
        let keyspace = metadata::admit(&self.handle, request.metadata())?;
        let answer =
            self.handle.verify_leader(keyspace).await.map_err(|fault| error::status(&fault))?;
        let (leader, term) = (answer.body.get(), answer.header.term.get());
        Ok(Response::new(pb::VerifyLeaderResponse { leader, term }))
    }
}

/// What the directory knows of a region.
fn region(record: &RegionRecord) -> pb::RegionInfo {
    pb::RegionInfo {
        id: record.id.get(),
        keyspace: record.keyspace.get(),
        nodes: record.peers.iter().map(|(_, node)| node.get()).collect(),
        epoch_version: record.epoch.version,
        epoch_conf_ver: record.epoch.conf_ver,
        ..Default::default()
    }
}
