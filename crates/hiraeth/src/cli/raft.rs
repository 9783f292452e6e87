//! `hiraeth raft`.

use std::io::Write;

use client::native::{PeerStats, RegionStats, StatsResponse};
use futures::future::join_all;
use serde::Serialize;

use super::failure::{Done, EXIT_CODES};
use super::output::{Format, Out, line, out};
use super::remote::Remote;
use super::size::bytes;
use super::table::Table;
use super::text;

/// Look closely at Raft groups.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show the groups of the nodes given by --endpoints, as each of them sees its replica.
    ///
    /// A leader also shows every replica: what is durable there, what is sent next, and how.
    ///
    /// JSON: one object per node: `{node, regions: [{region, keyspace, keyspace_name, state,
    /// state_detail, role, term, peer, vote, leader, first, last, persisted, commit, applied,
    /// unapplied_entries, unapplied_bytes, last_contact_ms, idle_ms, hibernating, pending_proposals,
    /// pending_reads, transferee, memory_bytes, peers: [{peer, node, matched, next, commit, flow,
    /// snapshot, active, learner}]}]}`.
    Stats {
        /// Only this region.
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        region: u64,
    },
}

#[derive(Serialize)]
struct JsonNode<'a> {
    node: u64,
    regions: Vec<JsonRegion<'a>>,
}

#[derive(Serialize)]
struct JsonRegion<'a> {
    region: u64,
    keyspace: u32,
    keyspace_name: &'a str,
    state: &'a str,
    state_detail: &'a str,
    role: &'a str,
    term: u64,
    peer: u64,
    vote: u64,
    leader: u64,
    first: u64,
    last: u64,
    persisted: u64,
    commit: u64,
    applied: u64,
    unapplied_entries: u64,
    unapplied_bytes: u64,
    last_contact_ms: Option<u64>,
    idle_ms: u64,
    hibernating: bool,
    pending_proposals: u64,
    pending_reads: u64,
    transferee: u64,
    memory_bytes: u64,
    peers: Vec<JsonPeer<'a>>,
}

#[derive(Serialize)]
struct JsonPeer<'a> {
    peer: u64,
    node: u64,
    matched: u64,
    next: u64,
    commit: u64,
    flow: &'a str,
    snapshot: u64,
    active: bool,
    learner: bool,
}

fn json(region: &RegionStats) -> JsonRegion<'_> {
    JsonRegion {
        region: region.region,
        keyspace: region.keyspace,
        keyspace_name: &region.keyspace_name,
        state: &region.state,
        state_detail: &region.state_detail,
        role: &region.role,
        term: region.term,
        peer: region.peer,
        vote: region.vote,
        leader: region.leader,
        first: region.first,
        last: region.last,
        persisted: region.persisted,
        commit: region.commit,
        applied: region.applied,
        unapplied_entries: region.unapplied_entries,
        unapplied_bytes: region.unapplied_bytes,
        last_contact_ms: region.last_contact_ms,
        idle_ms: region.idle_ms,
        hibernating: region.hibernating,
        pending_proposals: region.pending_proposals,
        pending_reads: region.pending_reads,
        transferee: region.transferee,
        memory_bytes: region.memory_bytes,
        peers: region.peers.iter().map(json_peer).collect(),
    }
}

fn json_peer(peer: &PeerStats) -> JsonPeer<'_> {
    JsonPeer {
        peer: peer.peer,
        node: peer.node,
        matched: peer.matched,
        next: peer.next,
        commit: peer.commit,
        flow: &peer.flow,
        snapshot: peer.snapshot,
        active: peer.active,
        learner: peer.learner,
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let Command::Stats { region } = arguments.command;
    let remote = &arguments.remote;
    let (client, keyspace) = (remote.client()?, remote.keyspace().unwrap_or_default());
    let asked = client.endpoints().map(|it| client.raft_stats(it, region, keyspace));
    let (mut out, mut failed, mut told) = (out(), None, 0);
    for answer in join_all(asked).await {
        match answer {
            Ok(stats) => {
                told += 1;
                match remote.output {
                    Format::Json => {
                        let regions = stats.regions.iter().map(json).collect();
                        line(&mut out, &JsonNode { node: stats.node, regions })?;
                    }
                    Format::Table => show(&mut out, &stats)?,
                }
            }
            Err(error) => {
                eprintln!("{error}");
                failed = Some(error);
            }
        }
    }
    out.flush()?;
    match failed {
        Some(error) if told == 0 => Err(error.into()),
        _ => Ok(Done::Well),
    }
}

fn show(out: &mut Out, stats: &StatsResponse) -> std::io::Result<()> {
    let node = stats.node;
    let mut regions = Table::new(&[
        "REGION", "KEYSPACE", "STATE", "ROLE", "LEADER", "TERM", "LOG", "COMMIT", "APPLIED",
        "CONTACT", "WAITING", "MEMORY",
    ]);
    stats.regions.iter().for_each(|region| regions.row(row(region)));
    writeln!(out, "node {node}")?;
    regions.print(out)?;
    let mut peers = Table::new(&["REGION", "NODE", "MATCHED", "NEXT", "COMMIT", "FLOW", "HEARD"]);
    let (mut any, mut told) = (false, Vec::new());
    for region in &stats.regions {
        any |= !region.peers.is_empty();
        region.peers.iter().for_each(|peer| peers.row(peer_row(region, peer)));
        if !region.state_detail.is_empty() {
            told.push(format!("region {}: {}", region.region, region.state_detail));
        }
    }
    if any {
        writeln!(out)?;
        peers.print(out)?;
    }
    for text in told {
        writeln!(out, "\n{}", text::shown(text.as_bytes()))?;
    }
    writeln!(out)
}

fn row(region: &RegionStats) -> [String; 12] {
    let keyspace = match region.keyspace_name.as_str() {
        "" => "(meta)".to_owned(),
        name => text::shown(name.as_bytes()),
    };
    let asleep = if region.hibernating { ", asleep" } else { "" };
    let leader = if region.leader == 0 { "none".to_owned() } else { region.leader.to_string() };
    let contact = match region.last_contact_ms {
        None => "never".to_owned(),
        Some(_) if region.role == "leader" => "-".to_owned(),
        Some(ms) => format!("{ms} ms"),
    };
    let waiting = format!(
        "{} proposals, {} reads, {} to apply",
        region.pending_proposals, region.pending_reads, region.unapplied_entries
    );
    [
        region.region.to_string(),
        keyspace,
        format!("{}{asleep}", region.state),
        region.role.clone(),
        leader,
        region.term.to_string(),
        format!("{}..{}", region.first, region.last),
        region.commit.to_string(),
        region.applied.to_string(),
        contact,
        waiting,
        bytes(region.memory_bytes),
    ]
}

fn peer_row(region: &RegionStats, peer: &PeerStats) -> [String; 7] {
    let flow = match peer.flow.as_str() {
        "snapshot" => format!("snapshot up to {}", peer.snapshot),
        flow if peer.learner => format!("{flow}, learner"),
        flow => flow.to_owned(),
    };
    let own = peer.peer == region.peer;
    let heard = if own {
        "itself"
    } else if region.hibernating {
        "asleep"
    } else if peer.active {
        "yes"
    } else {
        "no"
    };
    [
        region.region.to_string(),
        peer.node.to_string(),
        peer.matched.to_string(),
        peer.next.to_string(),
        peer.commit.to_string(),
        flow,
        heard.to_owned(),
    ]
}
