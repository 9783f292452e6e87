//! One picture made of what each node says.

use std::collections::BTreeMap;

use client::native::{NodeInfo, NodeSeen, RegionInfo, Role};
use serde::Serialize;

use super::collect::Views;
use super::worry;
use crate::cli::json;

/// The cluster in one word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::cli) enum Condition {
    Healthy,
    Degraded,
    NoQuorum,
}

impl Condition {
    pub(in crate::cli) const fn exit(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Degraded => 1,
            Self::NoQuorum => 2,
        }
    }
}

/// The cluster, as `--output json` prints it.
#[derive(Serialize)]
pub(in crate::cli) struct Report {
    pub(in crate::cli) state: Condition,
    /// Empty until there is one.
    pub(in crate::cli) cluster: String,
    /// Up to which level it uses what goes through logs; 0 if nobody could be asked.
    pub(in crate::cli) level: u32,
    pub(in crate::cli) nodes: Vec<Node>,
    keyspaces: Vec<json::Keyspace>,
    pub(in crate::cli) regions: Vec<Region>,
    pub(in crate::cli) warnings: Vec<String>,
}

#[derive(Serialize, Default)]
pub(in crate::cli) struct Node {
    pub(in crate::cli) id: u64,
    pub(in crate::cli) name: String,
    pub(in crate::cli) peer_address: String,
    pub(in crate::cli) client_address: String,
    /// Whether it answered here.
    pub(in crate::cli) reachable: bool,
    pub(in crate::cli) error: Option<String>,
    pub(in crate::cli) version: Option<String>,
    /// Up to which level its build knows that; 0 until it told.
    pub(in crate::cli) level: u32,
    /// How long ago the others heard it, by the one that heard it last; null if none ever did, or
    /// nobody could be asked.
    pub(in crate::cli) silent_ms: Option<u64>,
    /// Whether any other node takes it for alive.
    #[serde(skip)]
    pub(in crate::cli) is_heard: bool,
    /// `read-only`, `disk-low`, `stopping`, `slow-disk`, `starved`, `far`, `crowded`.
    pub(in crate::cli) flags: Vec<&'static str>,
    /// Regions it leads.
    pub(in crate::cli) leads: u64,
    pub(in crate::cli) regions: u64,
    pub(in crate::cli) hibernating: Option<u64>,
    /// The most entries one of its regions has committed and not applied.
    pub(in crate::cli) lag: Option<u64>,
    pub(in crate::cli) db_bytes: Option<u64>,
    pub(in crate::cli) disk_free_bytes: Option<u64>,
    #[serde(skip)]
    pub(in crate::cli) disk_reserve_bytes: u64,
    #[serde(skip)]
    pub(in crate::cli) data_dir: String,
    pub(in crate::cli) rss_bytes: Option<u64>,
    pub(in crate::cli) cpu_percent: Option<u64>,
    pub(in crate::cli) uptime_ms: Option<u64>,
}

#[derive(Serialize)]
pub(in crate::cli) struct Region {
    pub(in crate::cli) id: u64,
    pub(in crate::cli) keyspace: u32,
    pub(in crate::cli) keyspace_name: Option<String>,
    pub(in crate::cli) state: String,
    pub(in crate::cli) detail: String,
    pub(in crate::cli) leader: Option<u64>,
    pub(in crate::cli) term: u64,
    pub(in crate::cli) commit: u64,
    pub(in crate::cli) applied: u64,
    pub(in crate::cli) last: u64,
    pub(in crate::cli) revision: i64,
    compacted: i64,
    /// Entries the slowest replica that answers has not applied.
    pub(in crate::cli) behind: u64,
    pub(in crate::cli) replicas: Vec<Replica>,
    /// Nodes that set their replica aside, and why.
    #[serde(skip)]
    pub(in crate::cli) broken: Vec<(u64, String)>,
}

#[derive(Serialize)]
pub(in crate::cli) struct Replica {
    pub(in crate::cli) node: u64,
    /// Null when the node does not answer.
    pub(in crate::cli) applied: Option<u64>,
}

impl Report {
    pub(in crate::cli) fn new(views: &Views) -> Self {
        let keyspaces = views.answers.values().map(|answer| &answer.keyspaces);
        let keyspaces = keyspaces.max_by_key(|keyspaces| keyspaces.len());
        let keyspaces = keyspaces.map_or(&[][..], Vec::as_slice);
        let names: BTreeMap<u32, &str> =
            keyspaces.iter().map(|keyspace| (keyspace.id, keyspace.name.as_str())).collect();
        let regions = regions(views, &names);
        let mut leads: BTreeMap<u64, u64> = BTreeMap::new();
        for leader in regions.iter().filter_map(|region| region.leader) {
            *leads.entry(leader).or_default() += 1;
        }
        let nodes = views.nodes().iter();
        let nodes = nodes
            .map(|info| node(views, leads.get(&info.id).copied().unwrap_or(0), info))
            .collect();
        let cluster = views.answers.values().map(|answer| answer.cluster.clone()).next();
        let mut report = Self {
            state: Condition::Healthy,
            cluster: cluster.unwrap_or_default(),
            level: views.answers.values().map(|answer| answer.level).max().unwrap_or(0),
            nodes,
            keyspaces: keyspaces.iter().map(json::Keyspace::new).collect(),
            regions,
            warnings: Vec::new(),
        };
        (report.state, report.warnings) = worry::about(&report, views);
        report
    }

    pub(in crate::cli) fn name(&self, id: u64) -> String {
        let node = self.nodes.iter().find(|node| node.id == id);
        node.map_or_else(|| id.to_string(), |node| node.name.clone())
    }
}

fn node(views: &Views, leads: u64, info: &NodeInfo) -> Node {
    let others = views.answers.iter().filter(|(node, _)| **node != info.id);
    let seen = others.flat_map(|(_, answer)| answer.seen.iter().filter(|it| it.node == info.id));
    let seen: Vec<&NodeSeen> = seen.collect();
    let heard = seen.iter().filter(|it| it.state != client::native::Liveness::Never as i32);
    let newest = heard.min_by_key(|it| it.silent_ms);
    let answer = views.answers.get(&info.id);
    let own = answer.and_then(|answer| answer.seen.iter().find(|it| it.node == info.id));
    let summary = own.or(newest.copied());
    let health = answer.and_then(|answer| answer.health.as_ref());
    let flags = [
        (summary.is_some_and(|it| it.read_only), "read-only"),
        (summary.is_some_and(|it| it.disk_low && !it.read_only), "disk-low"),
        (summary.is_some_and(|it| it.stopping), "stopping"),
        (summary.is_some_and(|it| it.slow_disk), "slow-disk"),
        (summary.is_some_and(|it| it.starved), "starved"),
        (summary.is_some_and(|it| it.far), "far"),
        (summary.is_some_and(|it| it.crowded), "crowded"),
    ];
    Node {
        id: info.id,
        name: info.name.clone(),
        peer_address: info.peer_address.clone(),
        client_address: info.client_address.clone(),
        reachable: answer.is_some(),
        error: views.failures.get(&info.id).cloned(),
        version: answer.map(|answer| answer.version.clone()),
        level: info.level,
        silent_ms: newest.map(|it| it.silent_ms),
        is_heard: seen.iter().any(|it| worry::is_alive(it)),
        flags: flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect(),
        leads,
        regions: summary.map_or(0, |it| it.regions),
        hibernating: health.map(|it| it.hibernating),
        lag: summary.map(|it| it.lag),
        db_bytes: answer.map(|answer| answer.db_bytes),
        disk_free_bytes: health.map(|it| it.disk_free_bytes),
        disk_reserve_bytes: health.map_or(0, |it| it.disk_reserve_bytes),
        data_dir: health.map(|it| it.data_dir.clone()).unwrap_or_default(),
        rss_bytes: health.map(|it| it.rss_bytes),
        cpu_percent: health.map(|it| it.cpu_percent),
        uptime_ms: health.map(|it| it.uptime_ms),
    }
}

/// Each region as its leader tells it or, if that cannot be asked, the replica with the newest term
/// that knows of a quorum.
fn regions(views: &Views, names: &BTreeMap<u32, &str>) -> Vec<Region> {
    let mut told: BTreeMap<u64, Vec<(u64, &RegionInfo)>> = BTreeMap::new();
    for (node, answer) in &views.answers {
        for region in &answer.regions {
            told.entry(region.id).or_default().push((*node, region));
        }
    }
    told.into_iter().filter_map(|(id, told)| region(id, &told, names)).collect()
}

fn region(id: u64, told: &[(u64, &RegionInfo)], names: &BTreeMap<u32, &str>) -> Option<Region> {
    // A replica that hears too few may have the highest term, of elections that nobody won.
    let weight = |info: &RegionInfo| {
        let serves = !matches!(info.state.as_str(), "no-quorum" | "broken");
        (serves, info.term, info.role() == Role::Leader, info.applied)
    };
    let (_, best) = told.iter().max_by_key(|(_, info)| weight(info))?;
    let newest = told.iter().filter(|(_, info)| info.term == best.term);
    let leader = newest.map(|(_, info)| info.leader).find(|leader| *leader != 0);
    let applied: BTreeMap<u64, u64> =
        told.iter().map(|(node, info)| (*node, info.applied)).collect();
    let replica = |node: &u64| Replica { node: *node, applied: applied.get(node).copied() };
    let broken = told.iter().filter(|(_, info)| info.state == "broken");
    let slowest = applied.values().min().copied().unwrap_or(best.applied);
    Some(Region {
        id,
        keyspace: best.keyspace,
        keyspace_name: names.get(&best.keyspace).map(|name| (*name).to_owned()),
        state: best.state.clone(),
        detail: best.state_detail.clone(),
        // Nobody leads where nobody hears a quorum.
        leader: leader.filter(|_| best.state != "no-quorum"),
        term: best.term,
        commit: best.commit,
        applied: best.applied,
        last: best.last,
        revision: best.revision,
        compacted: best.compacted,
        behind: best.commit.saturating_sub(slowest),
        replicas: best.nodes.iter().map(replica).collect(),
        broken: broken.map(|(node, info)| (*node, info.state_detail.clone())).collect(),
    })
}
