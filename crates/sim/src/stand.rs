//! How everything stands at one moment, for a person.

use crate::network::Network;
use crate::node::{Node, Running};
use crate::sky::Sky;
use consensus::Status;

/// The network, and each node with its replicas.
pub(crate) fn of(sky: &Sky, nodes: &[Node]) -> Vec<String> {
    let mut lines = vec![network(&sky.network)];
    for node in nodes {
        lines.push(process(sky, node));
        if let Some(running) = &node.running {
            lines.extend(running.shards.keys().filter_map(|region| {
                let status = running.host.peer(*region)?.status();
                let note = note(running, sky, *region);
                Some(format!("   {}", replica(node.id.get(), &status, &note)))
            }));
        }
    }
    lines
}

/// What passes and what does not.
pub(crate) fn network(network: &Network) -> String {
    let cuts: Vec<_> = network.cuts().map(|(from, to)| format!("{from}->{to}")).collect();
    let lost = match cuts.is_empty() {
        true => "whole".to_owned(),
        false => format!("cut {}", cuts.join(" ")),
    };
    let (drop, double) = (network.drop_percent, network.duplicate_percent);
    format!("network {lost}; lost {drop} %, doubled {double} %, late {} %", network.late_percent)
}

fn process(sky: &Sky, node: &Node) -> String {
    let mut words = vec![match &node.running {
        Some(_) => format!("n{} runs, life {}", node.id, node.life),
        None => format!("n{} down, life {}", node.id, node.life),
    }];
    let lasting = [
        ("does not get to run", node.paused_until),
        ("disk slow", node.slow_disk_until),
        ("applier slow", node.slow_applier_until),
        ("disk full or read-only", node.short_until),
    ];
    for (what, until) in lasting {
        if until > sky.now {
            words.push(format!("{what} for {} ms", (until - sky.now) / 1_000));
        }
    }
    words.join(", ")
}

fn note(running: &Running, sky: &Sky, region: types::RegionId) -> String {
    let Some(shard) = running.shards.get(&region) else { return String::new() };
    let asleep = running.host.group_stats(region).is_some_and(|stats| stats.hibernating);
    let lease = running.holds_lease(sky, region);
    let mut note = format!(", machine at {}", shard.machine.applied().index);
    if let Some(shape) = shard.machine.shape() {
        let end = shape.range.end.as_ref().map_or_else(String::new, |end| format!("{end:?}"));
        note.push_str(&format!(", keys {:?}..{end}", shape.range.start));
    }
    if lease {
        note.push_str(", has a lease");
    }
    if asleep {
        note.push_str(", asleep");
    }
    note
}

/// One replica.
pub(crate) fn replica(node: u64, status: &Status, note: &str) -> String {
    let Status { region, peer, role, leader, hard_state, first, last, applied, .. } = status;
    let leader = leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
    let (term, commit) = (hard_state.term, hard_state.commit);
    let voters: Vec<_> = status.conf_state.voters.iter().map(ToString::to_string).collect();
    format!(
        "n{node} region {region} peer {peer} {role:?} in term {term}, led by {leader}; log {first}..{last} \
         durable to {}, committed {commit}, applied {applied}; voters {}{note}",
        status.persisted,
        voters.join(" "),
    )
}
