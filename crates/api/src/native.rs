//! Hiraeth's own services: what etcd's have no words for.

use node::{Answer, Handle};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::keyspaces_server::Keyspaces;
use proto::hiraeth::v1::node_server::Node;
use state::directory::{Directory, KeyspaceRecord, NodeRecord, RegionRecord};
use tonic::{Request, Response, Status};
use types::NodeId;

use crate::error;

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

fn role(leader: Option<NodeId>, member: NodeId, is_learner: bool) -> pb::Role {
    match leader {
        None => pb::Role::Unknown,
        Some(leader) if leader == member => pb::Role::Leader,
        Some(_) if is_learner => pb::Role::Learner,
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
        let mut response = pb::NodeStatusResponse {
            cluster: directory.cluster.map(|id| id.to_string()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: directory.nodes.values().map(node).collect(),
            keyspaces: keyspaces(&directory),
            ..Default::default()
        };
        for record in directory.regions.values() {
            // A region without a replica here has nothing this node could tell.
            let Ok(Answer { header, body }) = self.handle.status(record.keyspace).await else {
                continue;
            };
            response.node = header.member.get();
            response.db_bytes = body.db_size;
            response.db_bytes_in_use = body.db_size_in_use;
            response.regions.push(pb::RegionInfo {
                leader: body.leader.map_or(0, NodeId::get),
                role: role(body.leader, header.member, body.is_learner).into(),
                term: header.term.get(),
                commit: body.commit_index,
                applied: body.applied_index,
                last: body.last_index,
                revision: header.revision.get(),
                compacted: body.compacted.get(),
                ..region(record)
            });
        }
        Ok(Response::new(response))
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
