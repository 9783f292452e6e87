//! One picture made of what each node says.

use std::collections::BTreeMap;

use client::native::{NodeInfo, RegionInfo, Role};
use serde::Serialize;

use super::collect::Views;
use crate::cli::json;

/// Entries a replica may be behind before it is worth a warning: some are always on their way.
const LAG: u64 = 1_000;

/// The cluster, as `--output json` prints it.
#[derive(Serialize)]
pub(super) struct Report {
    /// Empty until there is one.
    pub(super) cluster: String,
    pub(super) nodes: Vec<Node>,
    keyspaces: Vec<json::Keyspace>,
    pub(super) regions: Vec<Region>,
    pub(super) warnings: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) peer_address: String,
    pub(super) client_address: String,
    pub(super) reachable: bool,
    pub(super) error: Option<String>,
    pub(super) version: Option<String>,
    /// Regions it leads.
    pub(super) leads: u64,
    pub(super) db_bytes: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Region {
    pub(super) id: u64,
    pub(super) keyspace: u32,
    pub(super) keyspace_name: Option<String>,
    pub(super) leader: Option<u64>,
    pub(super) term: u64,
    pub(super) commit: u64,
    pub(super) applied: u64,
    pub(super) last: u64,
    pub(super) revision: i64,
    compacted: i64,
    pub(super) replicas: Vec<Replica>,
}

#[derive(Serialize)]
pub(super) struct Replica {
    pub(super) node: u64,
    /// Null when the node does not answer.
    pub(super) applied: Option<u64>,
}

impl Report {
    pub(super) fn new(views: &Views) -> Self {
        let keyspaces = views.answers.values().map(|answer| &answer.keyspaces);
        let keyspaces = keyspaces.max_by_key(|keyspaces| keyspaces.len());
        let keyspaces = keyspaces.map_or(&[][..], Vec::as_slice);
        let names: BTreeMap<u32, &str> =
            keyspaces.iter().map(|keyspace| (keyspace.id, keyspace.name.as_str())).collect();
        let regions = regions(views, &names);
        let nodes: Vec<Node> =
            views.nodes().iter().map(|info| node(views, &regions, info)).collect();
        let cluster = views.answers.values().map(|answer| answer.cluster.clone()).next();
        let mut report = Self {
            cluster: cluster.unwrap_or_default(),
            nodes,
            keyspaces: keyspaces.iter().map(json::Keyspace::new).collect(),
            regions,
            warnings: Vec::new(),
        };
        report.warn(views);
        report
    }

    fn warn(&mut self, views: &Views) {
        let mut warnings = Vec::new();
        if self.cluster.is_empty() {
            warnings.push("the cluster is not formed yet: too few nodes are there".to_owned());
        }
        for node in self.nodes.iter().filter(|node| !node.reachable) {
            let why = node.error.as_deref().unwrap_or("no answer");
            warnings.push(format!("node {} ({}) cannot be reached: {why}", node.id, node.name));
        }
        warnings.extend(views.strangers.iter().cloned());
        self.regions.iter().for_each(|region| region.warn(&mut warnings));
        self.warnings = warnings;
    }
}

impl Region {
    fn warn(&self, warnings: &mut Vec<String>) {
        let id = self.id;
        if self.leader.is_none() {
            warnings.push(format!("region {id} has no leader: it takes no writes"));
        }
        let there = self.replicas.iter().filter(|replica| replica.applied.is_some()).count();
        if there * 2 <= self.replicas.len() {
            let all = self.replicas.len();
            warnings.push(format!("region {id} has {there} of {all} replicas: no majority"));
        }
        for replica in &self.replicas {
            let behind = self.commit.saturating_sub(replica.applied.unwrap_or(self.commit));
            if behind > LAG {
                let node = replica.node;
                warnings.push(format!("region {id} on node {node} is {behind} entries behind"));
            }
        }
    }
}

fn node(views: &Views, regions: &[Region], info: &NodeInfo) -> Node {
    let answer = views.answers.get(&info.id);
    let leads = regions.iter().filter(|region| region.leader == Some(info.id)).count();
    Node {
        id: info.id,
        name: info.name.clone(),
        peer_address: info.peer_address.clone(),
        client_address: info.client_address.clone(),
        reachable: answer.is_some(),
        error: views.failures.get(&info.id).cloned(),
        version: answer.map(|answer| answer.version.clone()),
        leads: leads as u64,
        db_bytes: answer.map(|answer| answer.db_bytes),
    }
}

/// Each region as its leader tells it or, if that cannot be asked, the replica with the newest term.
fn regions(views: &Views, names: &BTreeMap<u32, &str>) -> Vec<Region> {
    let mut told: BTreeMap<u64, Vec<(u64, &RegionInfo)>> = BTreeMap::new();
    for (node, answer) in &views.answers {
        for region in &answer.regions {
            told.entry(region.id).or_default().push((*node, region));
        }
    }
    let region = |(id, told): (u64, Vec<(u64, &RegionInfo)>)| {
        let weight = |info: &RegionInfo| (info.term, info.role() == Role::Leader, info.applied);
        let (_, best) = told.iter().max_by_key(|(_, info)| weight(info))?;
        // Nobody may lead any more whom only a replica that hears nothing believes to lead.
        let newest = told.iter().filter(|(_, info)| info.term == best.term);
        let leader = newest.map(|(_, info)| info.leader).find(|leader| *leader != 0);
        let applied: BTreeMap<u64, u64> =
            told.iter().map(|(node, info)| (*node, info.applied)).collect();
        let replica = |node: &u64| Replica { node: *node, applied: applied.get(node).copied() };
        Some(Region {
            id,
            keyspace: best.keyspace,
            keyspace_name: names.get(&best.keyspace).map(|name| (*name).to_owned()),
            leader,
            term: best.term,
            commit: best.commit,
            applied: best.applied,
            last: best.last,
            revision: best.revision,
            compacted: best.compacted,
            replicas: best.nodes.iter().map(replica).collect(),
        })
    };
    told.into_iter().filter_map(region).collect()
}
