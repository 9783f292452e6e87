//! Nodes that are bad neighbours: slow disks, slow links, too little processor time, descriptors or memory.

use std::collections::{BTreeMap, BTreeSet};

use client::native::{NodeHealth, NodeSeen};

use super::collect::Views;
use super::report::{Node, Report};
use super::worry::is_alive;
use crate::cli::size::{bytes, since};

/// Percent of what there may be, from which on little is left.
const FILES: u64 = 80;
/// The kernel's own of a process counts in a cgroup, too, and is not told.
const MEMORY: u64 = 85;

/// What is said of `node` by its own health.
pub(super) fn node(node: &Node, views: &Views, troubles: &mut Vec<String>) {
    let health = views.answers.get(&node.id).and_then(|answer| answer.health.as_ref());
    let whose = format!("node {} ({})", node.id, node.name);
    let others_lead = "others lead meanwhile, where they are better off";
    if node.flags.contains(&"slow-disk") {
        let took =
            health.filter(|health| health.sync_longest_us > 0).map(syncs).unwrap_or_default();
        troubles.push(format!(
            "{whose} has a slow disk{took}; see who else uses that disk (`iotop`), or give the data \
             directory one of its own; {others_lead}"
        ));
    }
    if node.flags.contains(&"starved") {
        let late = health.map(|health| {
            format!(": its threads run up to {} late", short(health.tick_late_us / 1_000))
        });
        troubles.push(format!(
            "{whose} lacks processor time{}; see what else runs on its machine (`top`), or whether a \
             container or its unit (`CPUQuota=`) allows it too little; {others_lead}",
            late.unwrap_or_default()
        ));
    }
    files(&whose, node, health, troubles);
    if let Some(health) = health {
        memory(&whose, health, troubles);
    }
}

/// Times below a second matter here.
fn short(millis: u64) -> String {
    if millis < 1_000 { format!("{millis} ms") } else { since(millis) }
}

fn syncs(health: &NodeHealth) -> String {
    let NodeHealth { syncs, sync_mean_us, sync_longest_us, .. } = health;
    let longest = short(sync_longest_us / 1_000);
    match syncs {
        0 => format!(": a sync of its log takes {longest} by now"),
        _ => format!(
            ": of {syncs} syncs of its log in ten seconds the longest took {longest}, all of them {} on \
             average",
            short(sync_mean_us / 1_000)
        ),
    }
}

/// A node without any left cannot be asked how many those are: the others say it.
fn files(whose: &str, node: &Node, health: Option<&NodeHealth>, troubles: &mut Vec<String>) {
    let (open, most) = health.map_or((0, 0), |health| (health.open_files, health.most_files));
    let refuses = "the last are kept for the other nodes and the disk, so clients are refused";
    let few = match (node.flags.contains(&"crowded"), most) {
        (true, 0) => format!("has its file descriptors open but for a few: {refuses}"),
        (true, _) => format!("has {open} of {most} file descriptors open: {refuses}"),
        (false, 1..) if open * 100 >= most * FILES => {
            format!("has {open} of {most} file descriptors open: each connection takes one")
        }
        _ => return,
    };
    troubles.push(format!(
        "{whose} {few}; raise the limit (`LimitNOFILE=` of its unit, or `ulimit -n`), or see which \
         clients connect so often"
    ));
}

fn memory(whose: &str, health: &NodeHealth, troubles: &mut Vec<String>) {
    let (used, most) = (health.memory_used_bytes, health.memory_limit_bytes);
    if most == 0 || used.saturating_mul(100) < most.saturating_mul(MEMORY) {
        return;
    }
    let (of, next) = match health.memory_limit_by.as_str() {
        "cgroup" => (
            "that its cgroup allows",
            "give it more (`MemoryMax=` of its unit, the container's limit)",
        ),
        "machine" => ("that its machine has", "see what else needs it there"),
        _ => ("that a limit of its process allows", "raise it (`ulimit -a` before its start)"),
    };
    troubles.push(format!(
        "{whose} is short of memory: {} of the {} {of} are in use, and beyond that it is ended; {next}, \
         or have it keep less (`--engine-memory-mib`)",
        bytes(used),
        bytes(most)
    ));
}

/// Links that are slow, by who is at their ends: one sentence where one node has several.
pub(super) fn links(report: &Report, views: &Views, troubles: &mut Vec<String>) {
    let starved = |id: u64| {
        let node = report.nodes.iter().find(|node| node.id == id);
        // It hears late, and is heard late, whatever the link does.
        node.is_some_and(|node| node.flags.contains(&"starved"))
    };
    let mut slow: BTreeMap<(u64, u64), &NodeSeen> = BTreeMap::new();
    for (node, answer) in &views.answers {
        for seen in answer.seen.iter().filter(|it| it.node != *node && it.slow_link && is_alive(it))
        {
            if !starved(*node) && !starved(seen.node) {
                let known =
                    slow.entry((*node.min(&seen.node), *node.max(&seen.node))).or_insert(seen);
                if (seen.round_trip_us, seen.late_ms) > (known.round_trip_us, known.late_ms) {
                    *known = seen;
                }
            }
        }
    }
    let mut told = BTreeSet::new();
    while let Some((node, pairs)) = busiest(&slow, &told) {
        let each =
            pairs.iter().map(|(other, seen)| format!("{} {}", report.name(*other), figures(seen)));
        let each: Vec<String> = each.collect();
        told.extend(pairs.iter().map(|(other, _)| (node.min(*other), node.max(*other))));
        let links = if pairs.len() == 1 { "link is" } else { "links are" };
        troubles.push(format!(
            "node {node} ({})'s {links} slow: {}; see the network between them (`ping`, `mtr`): every \
             write that is led there waits for it; others lead meanwhile, where they are better off",
            report.name(node),
            each.join(", ")
        ));
    }
}

type Pairs<'a> = BTreeMap<(u64, u64), &'a NodeSeen>;

/// The node with the most slow links that are not told yet, and these, by who is at the other end.
fn busiest<'a>(
    slow: &Pairs<'a>,
    told: &BTreeSet<(u64, u64)>,
) -> Option<(u64, Vec<(u64, &'a NodeSeen)>)> {
    let mut by_node: BTreeMap<u64, Vec<(u64, &NodeSeen)>> = BTreeMap::new();
    for ((one, other), seen) in slow.iter().filter(|(pair, _)| !told.contains(pair)) {
        by_node.entry(*one).or_default().push((*other, seen));
        by_node.entry(*other).or_default().push((*one, seen));
    }
    by_node.into_iter().rev().max_by_key(|(_, pairs)| pairs.len())
}

fn figures(seen: &NodeSeen) -> String {
    let trip = match seen.round_trip_us {
        0 => String::new(),
        micros => format!("{} there and back, ", short(micros / 1_000)),
    };
    format!("({trip}beats up to {} late)", short(seen.late_ms))
}
