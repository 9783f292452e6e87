//! When all is quiet: every replica holds the same state, the same history, and a log that agrees
//! with what was committed (state machine safety; watches from any kept revision see the same).

use std::collections::BTreeSet;

use state::history;
use state::registry::{DEFAULT_NAMESPACE, Registry};
use state::request::RangeRequest;
use types::{Index, KeyRange, RegionId, Revision};

use crate::node::Node;
use crate::oracle::Oracles;
use crate::registry::look;

/// A region as one node shows it.
#[derive(PartialEq, Eq)]
struct Shown {
    applied: Index,
    revision: Revision,
    compacted: Revision,
    state: String,
    leases: String,
}

/// Compares all nodes, each with each other.
pub(crate) fn compare_nodes(nodes: &[Node], oracles: &Oracles) -> Result<(), String> {
    let running = nodes.iter().filter_map(|node| node.running.as_ref());
    let regions: BTreeSet<RegionId> = running.flat_map(|it| it.shards.keys().copied()).collect();
    for region in regions {
        let has =
            |node: &&Node| node.running.as_ref().is_some_and(|it| it.shards.contains_key(&region));
        let nodes: Vec<&Node> = nodes.iter().filter(has).collect();
        let mut shown = Vec::new();
        let mut oldest = Revision(1);
        for node in &nodes {
            let one = show(node, region)?;
            oldest = oldest.max(one.compacted);
            shown.push(one);
            check_log(node, region, oracles)?;
        }
        for (node, one) in nodes.iter().zip(&shown) {
            if *one != shown[0] {
                return Err(format!(
                    "region {region}: node {} and {} differ at index {} and {}: {} {} | {} {}",
                    nodes[0].id,
                    node.id,
                    shown[0].applied,
                    one.applied,
                    shown[0].state,
                    shown[0].leases,
                    one.state,
                    one.leases
                ));
            }
            let committed = oracles.log.last(region);
            if one.applied < committed {
                let applied = one.applied;
                return Err(format!(
                    "region {region}: {committed} was committed, {applied} is left"
                ));
            }
        }
        let first = nodes[0].running.as_ref().and_then(|it| it.shards.get(&region));
        let is_sharded = first.is_some_and(|it| it.machine.is_sharded());
        if region != RegionId::META && !is_sharded {
            compare_histories(&nodes, region, oldest, shown[0].revision)?;
        }
    }
    for node in nodes {
        check_tiles(node)?;
    }
    Ok(())
}

/// Every key of a sharded keyspace has one owner, as the directory knows it.
fn check_tiles(node: &Node) -> Result<(), String> {
    let Some(running) = &node.running else { return Ok(()) };
    let directory = &running.directory;
    for keyspace in directory.keyspaces.values().filter(|keyspace| keyspace.is_sharded()) {
        let known = directory.regions_of(keyspace.id);
        if !directory.is_tiled(keyspace.id) {
            return Err(format!("node {}: gaps or overlaps: {known:?}", node.id));
        }
        for record in known {
            if record.peer_on(running.id()).is_none() {
                continue;
            }
            let shape = running.shards.get(&record.id).and_then(|shard| shard.machine.shape());
            if shape.map(|shape| &shape.range) != Some(&record.range) {
                return Err(format!("node {}: {shape:?} is known as {record:?}", node.id));
            }
        }
    }
    Ok(())
}

fn show(node: &Node, region: RegionId) -> Result<Shown, String> {
    let running = node.running.as_ref().ok_or("a node does not run")?;
    let shard = running.shards.get(&region).ok_or("a region is missing")?;
    let machine = &shard.machine;
    let state = if let Some(directory) = machine.directory() {
        format!("{directory:?}")
    } else {
        let range = machine.shape().map_or_else(KeyRange::all, |shape| shape.range.clone());
        let request = RangeRequest { range, ..RangeRequest::default() };
        let selection = machine.select(&request).map_err(|fault| fault.to_string())?;
        let found = selection.fetch(running.engine.as_ref()).map_err(|error| error.to_string())?;
        format!("{found:?}")
    };
    let state = match machine.registry() {
        Some(registry) => format!("{state} {}", show_registry(registry)),
        None => state,
    };
    let leases: Vec<_> =
        machine.leases().map(|(id, ttl)| (id, ttl, machine.lease_keys(id))).collect();
    Ok(Shown {
        applied: machine.applied().index,
        revision: machine.revision(),
        compacted: machine.compacted(),
        state,
        leases: format!("{leases:?}"),
    })
}

/// All of it, in the words of its answers.
fn show_registry(registry: &Registry) -> String {
    let nodes = registry.nodes(&[]);
    let each: Vec<_> = nodes
        .value
        .iter()
        .map(|node| (registry.node(&node.name), registry.node_checks(&node.name)))
        .collect();
    let lists = (registry.services(DEFAULT_NAMESPACE), registry.checks(DEFAULT_NAMESPACE, None));
    let timers: Vec<_> = registry.timers().collect();
    format!(
        "{nodes:?} {each:?} {lists:?} {:?} {timers:?} {:?}",
        registry.sessions(None),
        look(registry)
    )
}

fn check_log(node: &Node, region: RegionId, oracles: &Oracles) -> Result<(), String> {
    let Some(running) = &node.running else { return Ok(()) };
    let Some(log) = running.log.region(region) else { return Err("a log is missing".into()) };
    let mut low = log.first;
    while low <= log.last {
        let high = log.last.next();
        let entries = running.log.entries(region, low, high, 1 << 20);
        for entry in entries.map_err(|error| error.to_string())? {
            oracles.log.stored(node.id, region, &entry)?;
            low = entry.index.next();
        }
    }
    Ok(())
}

/// Every watch that starts at any kept revision sees the same events in the same order.
fn compare_histories(
    nodes: &[&Node],
    region: RegionId,
    from: Revision,
    to: Revision,
) -> Result<(), String> {
    if from >= to {
        return Ok(());
    }
    let mut first = None;
    for node in nodes {
        let Some(running) = &node.running else { continue };
        let mut events = String::new();
        let mut next = Revision(from.get().max(1) + 1);
        while next <= to {
            let all = KeyRange::all();
            let engine = running.engine.as_ref();
            let page = history::page(engine, region, next, to, &all, 16 << 10, 256)
                .map_err(|error| error.to_string())?;
            for event in &page.events {
                let Revision(revision) = event.kv.mod_revision;
                events.push_str(&format!("{:?} {:?}@{revision};", event.kind, event.kv.key));
            }
            next = page.next;
        }
        match &first {
            None => first = Some(events),
            Some(first) if *first != events => {
                let node = node.id;
                return Err(format!("region {region}: another history on node {node} from {from}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
