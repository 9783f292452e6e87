//! What is wrong, in words, with what to do next.

use std::collections::BTreeMap;

use client::native::{Liveness, NodeSeen};

use super::collect::Views;
use super::report::{Condition, Node, Region, Report};
use super::strain;
use crate::cli::size::{bytes, since};

/// Entries a replica may be behind before it is worth a warning: some are always on their way.
const LAG: u64 = 1_000;
/// Regions that are named one by one; more with the same trouble are counted.
const NAMED: usize = 5;
/// How long a link between nodes may take to come up, or to be noticed as gone.
const SETTLES_MS: u64 = 5_000;

pub(super) fn is_alive(seen: &NodeSeen) -> bool {
    matches!(seen.state(), Liveness::Alive | Liveness::Suspected)
}

/// The cluster in one word, and its troubles, the worst first.
pub(super) fn about(report: &Report, views: &Views) -> (Condition, Vec<String>) {
    let mut troubles = Vec::new();
    if report.cluster.is_empty() {
        troubles.push(
            "the cluster is not formed yet: too few nodes are there. Start the others; their logs \
             say whom they wait for"
                .to_owned(),
        );
    }
    let lost = report.regions.iter().filter(|region| region.state == "no-quorum").count();
    quorum(report, lost, &mut troubles);
    report.nodes.iter().for_each(|it| node(it, views, &mut troubles));
    one_way(report, views, &mut troubles);
    strain::links(report, views, &mut troubles);
    troubles.extend(views.strangers.iter().map(|stranger| {
        format!("{stranger}; it is not shown. Correct --endpoints, or start what should be there")
    }));
    regions(report, &mut troubles);
    let condition = if lost > 0 || report.cluster.is_empty() {
        Condition::NoQuorum
    } else if troubles.is_empty() {
        Condition::Healthy
    } else {
        Condition::Degraded
    };
    (condition, troubles)
}

fn quorum(report: &Report, lost: usize, troubles: &mut Vec<String>) {
    let Some(region) = report.regions.iter().find(|region| region.state == "no-quorum") else {
        return;
    };
    let there = region.replicas.iter().filter(|replica| replica.applied.is_some()).count();
    let all = region.replicas.len();
    troubles.push(format!(
        "{lost} of {} regions have no quorum: {there} of {all} replicas answer here ({}). Nothing can \
         be written; stale reads go on. Bring back {} of the nodes below, with their data directories",
        report.regions.len(),
        region.detail,
        (all / 2 + 1).saturating_sub(there).max(1),
    ));
}

fn node(node: &Node, views: &Views, troubles: &mut Vec<String>) {
    let (id, name) = (node.id, &node.name);
    if name.is_empty() {
        troubles.push(format!(
            "node {id} was added and has not come yet: start it with an empty directory, \
             --advertise-peer {} and --join, or remove the member",
            node.peer_address
        ));
        return;
    }
    if !node.reachable {
        let why = node.error.as_deref().unwrap_or("no answer");
        let others = !views.answers.is_empty();
        let next = match (node.is_heard, node.silent_ms) {
            (true, _) => {
                "the other nodes hear it: its client port, or the way from here, is closed. \
                          Ask from another machine, and see its log"
                    .to_owned()
            }
            (false, Some(ms)) => format!(
                "silent for {}: is its process running? Read its log, `hiraeth flight` on its data \
                 directory, and start it again with the same directory",
                since(ms)
            ),
            (false, None) if others => {
                "not heard since the others were started: start it".to_owned()
            }
            (false, None) => "start it".to_owned(),
        };
        troubles.push(format!("node {id} ({name}) cannot be reached: {why}; {next}"));
    } else if !node.is_heard && views.answers.len() > 1 && !is_missed(node.id, views) {
        troubles.push(format!(
            "node {id} ({name}) answers, and the others do not hear it yet: one of them has just \
             started. Ask again in a moment"
        ));
    } else if !node.is_heard && views.answers.len() > 1 {
        troubles.push(format!(
            "node {id} ({name}) answers, but no other node hears it: see that port {} is open between \
             the nodes",
            node.peer_address
        ));
    }
    let free = node.disk_free_bytes.map_or_else(|| "little".to_owned(), bytes);
    let (reserve, path) = (bytes(node.disk_reserve_bytes), &node.data_dir);
    if node.flags.contains(&"read-only") {
        troubles.push(format!(
            "node {id} ({name}) is read-only: {free} free on the disk of {path}, {reserve} are kept \
             back. Free or add space there, or delete keys and compact"
        ));
    } else if node.flags.contains(&"disk-low") {
        troubles.push(format!(
            "node {id} ({name}) has {free} free on the disk of {path}; below {reserve} it takes no \
             writes. Make room"
        ));
    }
    if node.flags.contains(&"stopping") {
        troubles.push(format!("node {id} ({name}) is stopping"));
    }
    strain::node(node, views, troubles);
}

/// Whether another node has not heard this one for so long that a start does not explain it.
fn is_missed(node: u64, views: &Views) -> bool {
    let others = views.answers.iter().filter(|(id, _)| **id != node);
    let seen = others.flat_map(|(_, answer)| &answer.seen);
    seen.filter(|seen| seen.node == node).any(|seen| seen.for_ms > SETTLES_MS)
}

/// Nodes that answer and hear others that do not hear them.
fn one_way(report: &Report, views: &Views, troubles: &mut Vec<String>) {
    for (node, answer) in &views.answers {
        for seen in answer.seen.iter().filter(|seen| seen.node != *node) {
            if is_alive(seen) && !seen.hears_us && seen.for_ms > SETTLES_MS {
                let (to, from) = (report.name(*node), report.name(seen.node));
                troubles.push(format!(
                    "{from} does not hear {to}, though {to} hears {from}: the network lets through \
                     one way only"
                ));
            }
        }
    }
}

fn regions(report: &Report, troubles: &mut Vec<String>) {
    let mut by_state: BTreeMap<&str, Vec<&Region>> = BTreeMap::new();
    for region in &report.regions {
        // A hand-over is no trouble, and one without a quorum is told already.
        if !matches!(region.state.as_str(), "" | "active" | "transferring" | "no-quorum") {
            by_state.entry(&region.state).or_default().push(region);
        }
    }
    for (state, regions) in by_state {
        let next = match state {
            "electing" => {
                "no writes until a leader is elected, mostly in a second or two; if it \
                           stays so, see the nodes' logs"
            }
            "read-only" => "make room on the disk of its leader's node",
            _ => "restart the node it is broken on, and report this",
        };
        troubles.push(format!("{} {state}: {next}", listed(&regions)));
    }
    for region in &report.regions {
        for (node, why) in region.broken.iter().filter(|_| region.state != "broken") {
            let node = report.name(*node);
            troubles.push(format!(
                "region {} is set aside on {node}: {why}. Restart {node}, and report this",
                region.id
            ));
        }
    }
    let behind: Vec<&Region> = report.regions.iter().filter(|it| it.behind > LAG).collect();
    for region in behind.iter().take(NAMED) {
        let slowest = region.replicas.iter().filter(|it| it.applied.is_some());
        let Some(slowest) = slowest.min_by_key(|it| it.applied) else { continue };
        troubles.push(format!(
            "region {} on node {} is {} entries behind: is its disk or processor busy?",
            region.id,
            report.name(slowest.node),
            region.behind
        ));
    }
    if behind.len() > NAMED {
        troubles.push(format!("{} more regions are behind", behind.len() - NAMED));
    }
}

/// A few regions by name, many by number.
fn listed(regions: &[&Region]) -> String {
    let name = |region: &&Region| match (&region.keyspace_name, region.keyspace) {
        (Some(name), _) => format!("{} ({name})", region.id),
        (None, 0) => format!("{} (meta)", region.id),
        (None, _) => region.id.to_string(),
    };
    let named: Vec<String> = regions.iter().take(NAMED).map(name).collect();
    let verb = if regions.len() == 1 { "is" } else { "are" };
    match regions.len() {
        1 => format!("region {} {verb}", named[0]),
        count if count <= NAMED => format!("regions {} {verb}", named.join(", ")),
        count => format!("{count} regions ({}, ..) {verb}", named.join(", ")),
    }
}
