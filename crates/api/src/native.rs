//! Hiraeth's own services: what etcd's have no words for.

use std::collections::{BTreeMap, BTreeSet};

use node::{Handle, Part, RegionRoute, ReplicaStatus};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::keyspaces_server::Keyspaces;
use proto::hiraeth::v1::node_server::Node;
use state::auth::Demand;
use state::directory::{Directory, KeyspaceRecord, NodeRecord, Phase, RegionRecord};
use tonic::{Request, Response, Status};
use types::{Code, Fault, KeyRange, KeyspaceId, NodeId, RegionId};

use crate::elsewhere::{self, Method};
use crate::metadata::Proof;
use crate::{backup, error, metadata, recorder, stats};

/// Regions in one answer of routes at most.
const ROUTES: usize = 1_000;

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

/// Replicas of the regions of a sharded keyspace for which none are said.
const REPLICAS: u32 = 3;

fn keyspace(record: &KeyspaceRecord) -> pb::Keyspace {
    pb::Keyspace {
        id: record.id.get(),
        name: record.name.clone(),
        region: record.region.get(),
        sharded: record.is_sharded(),
        replicas: record.replicas,
        in_memory: record.id.is_in_memory(),
    }
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
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let pb::CreateKeyspaceRequest { name, sharded, split_at, replicas, in_memory } =
            request.get_ref();
        let is_plain = split_at.is_empty() && replicas.is_none() && !in_memory;
        let record = match (sharded, is_plain) {
            (true, _) => {
                let (split_at, replicas) = (split_at.clone(), replicas.unwrap_or(REPLICAS));
                match in_memory {
                    true => caller.create_memory_keyspace(name, split_at, replicas).await,
                    false => caller.create_sharded_keyspace(name, split_at, replicas).await,
                }
            }
            (false, true) => caller.create_keyspace(name).await,
            (false, false) => {
                let detail = "only a sharded keyspace has split keys and replicas, or is in memory";
                Err(Fault::new(Code::InvalidArgument, detail))
            }
        };
        let record = record.map_err(|fault| error::status(&fault))?;
        let keyspace = Some(keyspace(&record));
        Ok(Response::new(pb::CreateKeyspaceResponse { keyspace }))
    }

    async fn list(
        &self,
        request: Request<pb::ListKeyspacesRequest>,
    ) -> Result<Response<pb::ListKeyspacesResponse>, Status> {
        metadata::admit(&self.handle, request.metadata())?;
        // Which there are is for users, in whichever of them it is asked.
        let caller = self.handle.caller(KeyspaceId::DEFAULT, Proof::of(request.metadata()));
        let may = caller.permit(Demand::Anyone).await;
        may.map_err(|fault| error::status(&fault))?;
        let keyspaces = keyspaces(&self.handle.directory());
        Ok(Response::new(pb::ListKeyspacesResponse { keyspaces }))
    }

    async fn regions(
        &self,
        request: Request<pb::KeyspaceRegionsRequest>,
    ) -> Result<Response<pb::KeyspaceRegionsResponse>, Status> {
        // Borders are keys of users.
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let keyspace = self.handle.keyspace(Some(&request.get_ref().keyspace));
        let keyspace = keyspace.map_err(|fault| error::status(&fault))?;
        let directory = self.handle.directory();
        let regions = directory.regions_of(keyspace).into_iter().map(keyspace_region).collect();
        Ok(Response::new(pb::KeyspaceRegionsResponse { regions }))
    }

    async fn routes(
        &self,
        request: Request<pb::RoutesRequest>,
    ) -> Result<Response<pb::RoutesResponse>, Status> {
        let pb::RoutesRequest { key, range_end, limit } = request.get_ref();
        let range = KeyRange::from_etcd(key, range_end);
        let what = Demand::Range(&range);
        let keyspace = metadata::permit(&self.handle, request.metadata(), what).await?;
        let most = usize::try_from(*limit).unwrap_or(usize::MAX);
        let most = if most == 0 { ROUTES } else { most.min(ROUTES) };
        let routes = self.handle.routes(keyspace, &range, most);
        let routes = routes.map_err(|fault| error::status(&fault))?;
        let named: BTreeSet<NodeId> =
            routes.iter().flat_map(|it| it.nodes.iter().copied().chain(it.leader)).collect();
        let directory = self.handle.directory();
        let nodes = directory.nodes.values().filter(|record| named.contains(&record.id));
        Ok(Response::new(pb::RoutesResponse {
            nodes: nodes.map(node).collect(),
            routes: routes.into_iter().map(route).collect(),
        }))
    }

    async fn split(
        &self,
        request: Request<pb::SplitRequest>,
    ) -> Result<Response<pb::SplitResponse>, Status> {
        // Before it is told whether there is such a keyspace.
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let caller = metadata::caller(&self.handle, request.metadata())?;
        let pb::SplitRequest { keyspace, at } = request.get_ref();
        let split = async {
            let keyspace = self.handle.keyspace(Some(keyspace))?;
            caller.split(keyspace, at.clone()).await
        };
        let region = split.await.map_err(|fault| error::status(&fault))?.get();
        Ok(Response::new(pb::SplitResponse { region }))
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

    /// The keyspace called so; none by an empty name, which is all.
    fn one_keyspace(&self, name: &str) -> Result<Option<KeyspaceId>, Status> {
        let named = (!name.is_empty()).then(|| self.handle.keyspace(Some(name)));
        named.transpose().map_err(|fault| error::status(&fault))
    }
}

fn node(record: &NodeRecord) -> pb::NodeInfo {
    pb::NodeInfo {
        id: record.id.get(),
        name: record.name.clone(),
        peer_address: record.peer_address.clone(),
        client_address: record.client_address.clone(),
        zone: record.zone.clone(),
        phase: match record.phase {
            Phase::Joining => "joining",
            Phase::Member => "member",
            Phase::Leaving => "leaving",
        }
        .to_owned(),
        learner: record.part == Part::Learner,
        draining: record.is_draining,
        replicas: 0,
        level: 0,
    }
}

/// The nodes, with how many replicas each has of regions that are not on every node.
fn nodes(directory: &Directory) -> Vec<pb::NodeInfo> {
    let mut counts: BTreeMap<NodeId, u64> = BTreeMap::new();
    let sharded = directory.regions.values().filter(|region| region.sharding.is_some());
    for (_, node) in sharded.flat_map(|region| &region.peers) {
        *counts.entry(*node).or_default() += 1;
    }
    let replicas = |id| counts.get(&id).copied().unwrap_or(0);
    let all = directory.nodes.values();
    let level = |id| directory.levels.get(&id).copied().unwrap_or(0);
    all.map(|record| {
        let (replicas, level) = (replicas(record.id), level(record.id));
        pb::NodeInfo { replicas, level, ..node(record) }
    })
    .collect()
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
        request: Request<pb::NodeStatusRequest>,
    ) -> Result<Response<pb::NodeStatusResponse>, Status> {
        if let Some(told) = elsewhere::ask(&self.handle, Method::Status, &request).await? {
            return Ok(told);
        }
        let directory = self.handle.directory();
        let member = self.handle.node();
        let mut response = pb::NodeStatusResponse {
            node: member.get(),
            cluster: directory.cluster.map(|id| id.to_string()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: nodes(&directory),
            keyspaces: keyspaces(&directory),
            seen: self.handle.nodes().iter().map(stats::seen).collect(),
            health: Some(stats::health(&self.handle)),
            level: directory.level(),
            marks: self.handle.marks().into_iter().collect(),
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
                revision: self.handle.region_revision(id).get(),
                compacted: replica.compacted.get(),
                ..region(record)
            });
        }
        for record in directory.regions.values() {
            let Some(state) = self.handle.region_state(record.id) else { continue };
            let known = response.regions.iter().position(|it| it.id == record.id.get());
            // One that was set aside has nothing else to tell.
            let known = known.unwrap_or_else(|| {
                response.regions.push(region(record));
                response.regions.len() - 1
            });
            let region = &mut response.regions[known];
            (region.state, region.state_detail) = (state.kind.name().to_owned(), state.detail);
        }
        Ok(Response::new(response))
    }

    async fn stats(
        &self,
        request: Request<pb::StatsRequest>,
    ) -> Result<Response<pb::StatsResponse>, Status> {
        if let Some(told) = elsewhere::ask(&self.handle, Method::Stats, &request).await? {
            return Ok(told);
        }
        let pb::StatsRequest { region, keyspace } = request.into_inner();
        let told = |fault: &Fault| error::status(fault);
        let keyspace = self.one_keyspace(&keyspace)?;
        let region = (region != 0).then_some(RegionId(region));
        let directory = self.handle.directory();
        let stats = self.handle.stats(region).await.map_err(|fault| told(&fault))?;
        if let (Some(region), true) = (region, stats.is_empty()) {
            let text = format!("region {region} is not on this node");
            return Err(told(&Fault::new(Code::RegionNotFound, text)));
        }
        let wanted =
            stats.iter().filter(|stats| keyspace.is_none_or(|wanted| stats.keyspace == wanted));
        Ok(Response::new(pb::StatsResponse {
            node: self.handle.node().get(),
            regions: wanted.map(|stats| stats::region(stats, &directory)).collect(),
        }))
    }

    async fn hot(
        &self,
        request: Request<pb::HotRequest>,
    ) -> Result<Response<pb::HotResponse>, Status> {
        if let Some(told) = elsewhere::ask(&self.handle, Method::Hot, &request).await? {
            return Ok(told);
        }
        // Keys are users'.
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let pb::HotRequest { keyspace, keys } = request.get_ref();
        let keyspace = self.one_keyspace(keyspace)?;
        let directory = self.handle.directory();
        let regions = self.handle.hot_regions().into_iter();
        let regions = regions.filter(|hot| keyspace.is_none_or(|wanted| hot.keyspace == wanted));
        Ok(Response::new(pb::HotResponse {
            node: self.handle.node().get(),
            regions: regions.map(|hot| stats::hot(hot, &directory, *keys)).collect(),
        }))
    }

    async fn flight(
        &self,
        request: Request<pb::FlightRequest>,
    ) -> Result<Response<pb::FlightResponse>, Status> {
        if let Some(told) = elsewhere::ask(&self.handle, Method::Flight, &request).await? {
            return Ok(told);
        }
        // Reasons and panics may name what is users'.
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        recorder::flight(&self.handle, request.get_ref()).await.map(Response::new)
    }

    async fn watches(
        &self,
        request: Request<pb::WatchesRequest>,
    ) -> Result<Response<pb::WatchesResponse>, Status> {
        if let Some(told) = elsewhere::ask(&self.handle, Method::Watches, &request).await? {
            return Ok(told);
        }
        // Keys are users'.
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let pb::WatchesRequest { keyspace, limit } = request.get_ref();
        let keyspace = self.one_keyspace(keyspace)?;
        Ok(Response::new(recorder::watches(&self.handle, keyspace, *limit)))
    }

    async fn barrier(
        &self,
        request: Request<pb::BarrierRequest>,
    ) -> Result<Response<pb::BarrierResponse>, Status> {
        let keyspace = metadata::permit(&self.handle, request.metadata(), Demand::Anyone).await?;
        let answer = self.handle.barrier(keyspace).await.map_err(|fault| error::status(&fault))?;
        Ok(Response::new(pb::BarrierResponse {
            term: answer.header.term.get(),
            revision: answer.header.revision.get(),
            applied: answer.body.get(),
        }))
    }

    async fn drain(
        &self,
        request: Request<pb::DrainNodeRequest>,
    ) -> Result<Response<pb::DrainNodeResponse>, Status> {
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let pb::DrainNodeRequest { node: id, drain } = *request.get_ref();
        let drained = self.handle.drain_member(NodeId(id), drain).await;
        let node = Some(node(&drained.map_err(|fault| error::status(&fault))?));
        Ok(Response::new(pb::DrainNodeResponse { node }))
    }

    async fn replace(
        &self,
        request: Request<pb::ReplaceNodeRequest>,
    ) -> Result<Response<pb::ReplaceNodeResponse>, Status> {
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let pb::ReplaceNodeRequest { node: old, peer_address, force } = request.get_ref();
        let new = self.handle.replace_member(NodeId(*old), peer_address, *force).await;
        let node = Some(node(&new.map_err(|fault| error::status(&fault))?));
        Ok(Response::new(pb::ReplaceNodeResponse { node }))
    }

    async fn remove(
        &self,
        request: Request<pb::RemoveNodeRequest>,
    ) -> Result<Response<pb::RemoveNodeResponse>, Status> {
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let node = NodeId(request.get_ref().node);
        self.handle.remove_member(node).await.map_err(|fault| error::status(&fault))?;
        let gone = !self.handle.directory().nodes.contains_key(&node);
        Ok(Response::new(pb::RemoveNodeResponse { gone }))
    }

    type BackupStream = backup::BackupStream;

    async fn backup(
        &self,
        request: Request<pb::BackupRequest>,
    ) -> Result<Response<Self::BackupStream>, Status> {
        // Before it is told whether there is such a keyspace.
        metadata::permit(&self.handle, request.metadata(), Demand::Root).await?;
        let of = backup::of(&self.handle, request.get_ref());
        let of = of.map_err(|fault| error::status(&fault))?;
        let since = backup::since(request.get_ref()).map_err(|fault| error::status(&fault))?;
        let backup = self.handle.backup(of, since).await;
        let backup = backup.map_err(|fault| error::status(&fault))?;
        Ok(Response::new(backup::stream(backup)))
    }

    async fn verify_leader(
        &self,
        request: Request<pb::VerifyLeaderRequest>,
    ) -> Result<Response<pb::VerifyLeaderResponse>, Status> {
        let keyspace = metadata::permit(&self.handle, request.metadata(), Demand::Anyone).await?;
        let answer =
            self.handle.verify_leader(keyspace).await.map_err(|fault| error::status(&fault))?;
        let (leader, term) = (answer.body.get(), answer.header.term.get());
        Ok(Response::new(pb::VerifyLeaderResponse { leader, term }))
    }
}

fn route(route: RegionRoute) -> pb::Route {
    pb::Route {
        region: route.region.get(),
        start: route.range.start,
        end: route.range.end,
        version: route.version,
        leader: route.leader.map_or(0, NodeId::get),
        term: route.term.get(),
        nodes: route.nodes.iter().map(|node| node.get()).collect(),
    }
}

fn keyspace_region(record: &RegionRecord) -> pb::KeyspaceRegion {
    let plan = record.sharding.as_ref().and_then(|sharding| sharding.plan.as_ref());
    pb::KeyspaceRegion {
        region: record.id.get(),
        start: record.range.start.clone(),
        end: record.range.end.clone(),
        version: record.epoch.version,
        nodes: record.peers.iter().map(|(_, node)| node.get()).collect(),
        split_at: plan.map(|plan| plan.at.clone()),
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
