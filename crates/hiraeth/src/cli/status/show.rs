use std::io::Write;

use super::report::{Node, Region, Report};
use crate::cli::size::bytes;
use crate::cli::table::Table;
use crate::cli::text;

/// The report on one screen.
pub(super) fn show(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    let cluster = if report.cluster.is_empty() { "not formed yet" } else { &report.cluster };
    writeln!(out, "cluster {cluster}\n")?;
    let mut nodes =
        Table::new(&["NODE", "NAME", "CLIENTS", "PEERS", "STATE", "LEADS", "DISK", "VERSION"]);
    report.nodes.iter().for_each(|node| nodes.row(node_row(node)));
    nodes.print(out)?;
    writeln!(out)?;
    let mut regions = Table::new(&[
        "REGION", "KEYSPACE", "LEADER", "TERM", "COMMIT", "APPLIED", "LAST", "REVISION", "REPLICAS",
    ]);
    report.regions.iter().for_each(|region| regions.row(region_row(report, region)));
    regions.print(out)?;
    if !report.warnings.is_empty() {
        writeln!(out, "\nWARNINGS")?;
        for warning in &report.warnings {
            writeln!(out, "  {}", text::shown(warning.as_bytes()))?;
        }
    }
    Ok(())
}

fn node_row(node: &Node) -> [String; 8] {
    let state = if node.reachable { "up" } else { "unreachable" };
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        node.id.to_string(),
        text::shown(node.name.as_bytes()),
        or_dash(&node.client_address),
        or_dash(&node.peer_address),
        state.to_owned(),
        node.leads.to_string(),
        node.db_bytes.map_or_else(|| "-".to_owned(), bytes),
        node.version.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn region_row(report: &Report, region: &Region) -> [String; 9] {
    let name = |id: u64| {
        let node = report.nodes.iter().find(|node| node.id == id);
        node.map_or_else(|| id.to_string(), |node| text::shown(node.name.as_bytes()))
    };
    let keyspace = match (&region.keyspace_name, region.keyspace) {
        (Some(name), _) => text::shown(name.as_bytes()),
        (None, 0) => "(meta)".to_owned(),
        (None, id) => id.to_string(),
    };
    let replicas: Vec<String> = region.replicas.iter().map(|it| name(it.node)).collect();
    [
        region.id.to_string(),
        keyspace,
        region.leader.map_or_else(|| "none".to_owned(), name),
        region.term.to_string(),
        region.commit.to_string(),
        region.applied.to_string(),
        region.last.to_string(),
        region.revision.to_string(),
        replicas.join(","),
    ]
}
