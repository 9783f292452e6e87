//! `hiraeth admin`.

use std::io::Write;

use client::Client;
use client::native::NodeInfo;
use serde::Serialize;

use super::doctor;
use super::failure::{Done, EXIT_CODES, Usage};
use super::output::{Format, line, out};
use super::remote::Remote;
use super::table::Table;
use super::{backup, replace, reset};

/// Look after a cluster.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// The servers of the cluster. They are named by name or by number.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Look for what usually is wrong with a cluster, and say what to do about it.
    ///
    /// The servers given are asked, and with their help all others: members and spare ones, zones, versions,
    /// regions and their replicas, disks, the time syncs take, clocks, limits, certificates, history that
    /// nobody compacts, failures, alarms.
    ///
    /// JSON: `{cluster, nodes, answered, looked_for, findings: [{severity, kind, what, why, next}]}`, the
    /// worst first; `severity` is `problem`, `warning` or `note`.
    #[command(after_help = DOCTOR_EXIT_CODES)]
    Doctor,
    Backup(backup::Arguments),
    Restore(backup::Into),
    ResetPeers(reset::Arguments),
}

const DOCTOR_EXIT_CODES: &str = "\
Exit codes:
  0  nothing but notes
  1  warnings: something will be trouble when something else happens
  2  problems: something is trouble now, or no server can be reached, or the command line is wrong";

#[derive(clap::Subcommand)]
enum NodeCommand {
    /// List the servers, and how many replicas of sharded keyspaces each has.
    ///
    /// JSON: an array of objects `{id, name, peer_address, client_address, zone, phase, learner, draining,
    /// replicas}`.
    List,
    /// Add a server; then start it with `hiraeth serve --join` and the peer addresses of the others.
    Add {
        /// Where its peers will reach it, host:port.
        address: String,
    },
    /// Have the replicas of sharded keyspaces leave a server, which stays a member: before work on it. They
    /// go one after the other; `list` shows how far that is.
    Drain {
        /// Which server.
        node: String,
    },
    /// Let a server that was drained have replicas again.
    Fill {
        /// Which server.
        node: String,
    },
    Replace(replace::Arguments),
    /// Remove a server for good: its replicas go to others, and then it is no member any more and stops.
    /// Exit code 5 if that takes longer than some seconds; it goes on then.
    Remove {
        /// Which server.
        node: String,
    },
}

#[derive(Serialize)]
struct JsonNode<'a> {
    id: u64,
    name: &'a str,
    peer_address: &'a str,
    client_address: &'a str,
    zone: &'a str,
    phase: &'a str,
    learner: bool,
    draining: bool,
    replicas: u64,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Done> {
    let Arguments { remote, command } = arguments;
    match command {
        Command::Node(command) => node(&remote, command).await,
        Command::Doctor => doctor::run(&remote).await,
        Command::Backup(command) => backup::run(command, &remote).await,
        Command::Restore(command) => backup::into(&command, &remote).await,
        Command::ResetPeers(command) => reset::run(&command, remote.output),
    }
}

async fn node(remote: &Remote, command: NodeCommand) -> anyhow::Result<Done> {
    let client = remote.client()?;
    let mut done = Done::Well;
    let nodes = match command {
        NodeCommand::List => client.any_node_status().await?.nodes,
        NodeCommand::Add { address } => {
            let id = client.add_node(&address).await?;
            vec![added(&client, id, address).await?]
        }
        NodeCommand::Drain { node } => vec![drain(&client, &node, true).await?],
        NodeCommand::Fill { node } => vec![drain(&client, &node, false).await?],
        NodeCommand::Replace(arguments) => {
            let new = replace::run(&arguments, remote).await?;
            done = replace::ended(new.as_ref());
            new.into_iter().collect()
        }
        NodeCommand::Remove { node } => {
            let node = find(&client, &node).await?;
            if client.remove_node(node.id).await? {
                return Ok(Done::Well);
            }
            eprintln!("{} is on its way out: its replicas still go", label(&node));
            return Ok(Done::Code(5));
        }
    };
    let mut out = out();
    match remote.output {
        Format::Table => table(&nodes).print(&mut out)?,
        Format::Json => line(&mut out, &nodes.iter().map(json).collect::<Vec<_>>())?,
    }
    out.flush()?;
    Ok(done)
}

/// A server that was just added: whoever is asked may not have heard of it yet.
async fn added(client: &Client, id: u64, peer_address: String) -> anyhow::Result<NodeInfo> {
    let nodes = client.any_node_status().await?.nodes;
    let known = nodes.into_iter().find(|node| node.id == id);
    let phase = "joining".to_owned();
    Ok(known.unwrap_or_else(|| NodeInfo { id, peer_address, phase, ..NodeInfo::default() }))
}

async fn drain(client: &Client, name: &str, drain: bool) -> anyhow::Result<NodeInfo> {
    let id = find(client, name).await?.id;
    client.drain_node(id, drain).await?;
    let status = client.any_node_status().await?;
    let takes = |node: &&NodeInfo| {
        node.id != id && node.phase == "member" && !node.draining && !node.learner
    };
    let others = status.nodes.iter().filter(takes).count();
    let needed = status.keyspaces.iter().map(|keyspace| keyspace.replicas).max().unwrap_or(0);
    if drain && others < usize::try_from(needed).unwrap_or(usize::MAX) {
        eprintln!(
            "hint: regions have {needed} replicas, and {others} other servers take any: those here stay \
             until there are more"
        );
    }
    // With how many replicas it has.
    find(client, name).await
}

async fn find(client: &Client, name: &str) -> anyhow::Result<NodeInfo> {
    let nodes = client.any_node_status().await?.nodes;
    let is_it = |node: &&NodeInfo| node.name == name || node.id.to_string() == name;
    let names: Vec<_> = nodes.iter().map(label).collect();
    let found = nodes.iter().find(is_it).cloned();
    found.ok_or_else(|| {
        Usage(format!("there is no server {name:?}; there are {}", names.join(", "))).into()
    })
}

pub(super) fn label(node: &NodeInfo) -> String {
    if node.name.is_empty() { node.id.to_string() } else { node.name.clone() }
}

fn json(node: &NodeInfo) -> JsonNode<'_> {
    JsonNode {
        id: node.id,
        name: &node.name,
        peer_address: &node.peer_address,
        client_address: &node.client_address,
        zone: &node.zone,
        phase: &node.phase,
        learner: node.learner,
        draining: node.draining,
        replicas: node.replicas,
    }
}

fn table(nodes: &[NodeInfo]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "PEER", "ZONE", "STATE", "REPLICAS"]);
    for node in nodes {
        let or = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let state = match (node.draining, node.learner) {
            (true, _) => format!("{}, draining", node.phase),
            (false, true) => format!("{}, learner", node.phase),
            (false, false) => node.phase.clone(),
        };
        table.row([
            node.id.to_string(),
            or(&node.name),
            node.peer_address.clone(),
            or(&node.zone),
            state,
            node.replicas.to_string(),
        ]);
    }
    table
}
