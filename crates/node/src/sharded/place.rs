//! Carries out what [`placement`] plans, where this node leads the meta region: it puts the wish where a
//! region's replicas are to be into the directory, and whoever leads the region brings it about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use placement::{Limits, Move, NodeState, NodeView, RegionView, View};
use state::command::Command;
use state::directory::{Directory, NodeRecord, Part, Phase, RegionRecord};
use tokio::time::{sleep, timeout};
use types::{Code, NodeId, RegionId, Term};

use super::overview::{LISTEN, Led, fixed, is_well, lost_for};
use crate::forward;
use crate::shared::Shared;

/// Between two plans.
const PLAN: Duration = Duration::from_secs(1);
/// How long a wish may take to be heard; it is planned again otherwise.
const STEP: Duration = Duration::from_secs(5);

/// Runs as long as the node.
pub(crate) async fn place(shared: Arc<Shared>) {
    let mut office: Option<Term> = None;
    // By what nothing was to be done.
    let mut idle: Option<(u64, Arc<Directory>, BTreeMap<NodeId, NodeView>)> = None;
    loop {
        sleep(PLAN).await;
        let Some(meta) = shared.shard(RegionId::META) else { continue };
        let leadership = meta.leadership();
        if !leadership.here {
            office = None;
            continue;
        }
        if office != Some(leadership.term) {
            office = Some(leadership.term);
            shared.sharding.overview.lock().forget(shared.clock.now());
            sleep(LISTEN).await;
            continue;
        }
        let directory = shared.directory();
        if !directory.regions.values().any(|region| region.placed().is_some()) {
            continue;
        }
        let limits = Limits {
            lost_after: shared.config.replace_after.as_secs().max(1),
            ..Limits::default()
        };
        let loads = shared.sharding.overview.lock().loads(shared.clock.now());
        let fixed = unplaced(&shared, &directory, &loads);
        let nodes = directory.nodes.values().map(|node| {
            let load = fixed.get(&node.id).copied().unwrap_or(0);
            (node.id, NodeView { load, ..node_view(&shared, node) })
        });
        let nodes: BTreeMap<_, _> = nodes.collect();
        let version = shared.sharding.overview.lock().version(shared.clock.now());
        // The same view gives the same plan.
        let is_idle = idle.as_ref().is_some_and(|(at, in_directory, of)| {
            *at == version && Arc::ptr_eq(in_directory, &directory) && *of == nodes
        });
        if is_idle {
            continue;
        }
        let view = view(&shared, &directory, nodes, &loads);
        let plan = placement::plan(&view, &limits);
        idle = plan.is_empty().then_some((version, directory.clone(), view.nodes));
        for step in plan {
            if !wish(&shared, &directory, step).await {
                break;
            }
        }
    }
}

/// Answers whether the meta region takes wishes.
async fn wish(shared: &Arc<Shared>, directory: &Directory, step: Move) -> bool {
    let Some(meta) = shared.shard(RegionId::META).filter(|meta| meta.leadership().here) else {
        return false;
    };
    let Move { region, nodes, why } = step;
    let known = directory.regions.get(&region).and_then(RegionRecord::placed);
    let Some(from) = known.cloned() else { return true };
    tracing::info!(%region, ?why, from = %listed(&from), to = %listed(&nodes), "a region is to move");
    let command = Command::Place { region, from, to: nodes };
    match timeout(STEP, forward::propose(shared, &meta, command)).await {
        Ok(Ok(applied)) => match applied.outcome.result {
            Ok(_) => {
                shared.meters.moves.add(1);
                true
            }
            // Somebody else had another one meanwhile.
            Err(fault) => fault.code == Code::EpochMismatch,
        },
        Ok(Err(fault)) => {
            tracing::debug!(%region, %fault, "the region is not to move yet");
            false
        }
        Err(_) => false,
    }
}

fn listed(nodes: &BTreeSet<NodeId>) -> String {
    let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    nodes.join(",")
}

/// What there is to plan with.
fn view(
    shared: &Shared,
    directory: &Directory,
    nodes: BTreeMap<NodeId, NodeView>,
    loads: &BTreeMap<RegionId, u64>,
) -> View {
    let led = shared.sharding.overview.lock().led(shared.clock.now());
    let regions = directory.regions.values();
    View {
        nodes,
        regions: regions
            .filter_map(|record| {
                let load = loads.get(&record.id).copied().unwrap_or(0);
                let view = region_view(directory, record, &led)?;
                Some((record.id, RegionView { load, ..view }))
            })
            .collect(),
    }
}

/// What each node is asked for in regions that are not placed.
fn unplaced(
    shared: &Shared,
    directory: &Directory,
    loads: &BTreeMap<RegionId, u64>,
) -> BTreeMap<NodeId, u64> {
    let mut sums = fixed(shared, directory, loads);
    let is_everywhere = |region: &RegionId| {
        let record = directory.regions.get(region);
        directory.is_led_evenly(*region) && record.is_some_and(|record| record.placed().is_none())
    };
    let everywhere: Vec<_> = loads.iter().filter(|(region, _)| is_everywhere(region)).collect();
    if everywhere.is_empty() {
        return sums;
    }
    let led = shared.sharding.overview.lock().led(shared.clock.now());
    for (region, load) in everywhere {
        if let Some((leader, _)) = led.get(region) {
            let sum = sums.entry(*leader).or_default();
            *sum = sum.saturating_add(*load);
        }
    }
    sums
}

fn node_view(shared: &Shared, node: &NodeRecord) -> NodeView {
    let state = match node.phase {
        Phase::Joining => NodeState::Joining,
        Phase::Leaving => NodeState::Draining,
        Phase::Member if node.is_draining || node.part != Part::Voter => NodeState::Draining,
        Phase::Member => NodeState::Serving,
    };
    NodeView {
        state,
        zone: node.zone.clone(),
        down_seconds: lost_for(shared, node.id).as_secs(),
        accepts: is_well(shared, node.id),
        load: 0,
    }
}

/// `None` for a region that is on every node, and for one that is being split: what comes of it is placed.
fn region_view(
    directory: &Directory,
    record: &RegionRecord,
    led: &BTreeMap<RegionId, (NodeId, Led)>,
) -> Option<RegionView> {
    let wanted = record.placed()?.clone();
    let keyspace = directory.keyspaces.get(&record.keyspace)?;
    // A node that was removed takes its replica with it.
    let is_known = |node: &NodeId| directory.nodes.contains_key(node);
    let current = record.peers.iter().filter(|(peer, _)| record.votes(*peer));
    let known = led.get(&record.id);
    Some(RegionView {
        wanted: wanted.into_iter().filter(is_known).collect(),
        current: current.map(|(_, node)| *node).collect(),
        replicas: usize::try_from(keyspace.replicas).unwrap_or(usize::MAX),
        bytes: known.map_or(0, |(_, led)| led.bytes),
        leader: known.map(|(node, _)| *node),
        load: 0,
    })
}
