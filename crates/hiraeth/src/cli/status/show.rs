use std::collections::BTreeMap;
use std::io::Write;

use super::report::{Condition, Node, Region, Report};
use crate::cli::size::{bytes, since};
use crate::cli::table::Table;
use crate::cli::text;

/// Regions that are shown one by one; of more only the worst are.
const ROWS: usize = 20;
/// How many of those.
const WORST: usize = 10;

/// The report on one screen.
pub(super) fn show(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    let cluster = if report.cluster.is_empty() { "not formed yet" } else { &report.cluster };
    let state = match report.state {
        Condition::Healthy => "healthy",
        Condition::Degraded => "DEGRADED",
        Condition::NoQuorum => "NO QUORUM",
    };
    match report.level {
        0 => writeln!(out, "cluster {cluster}: {state}")?,
        level => writeln!(out, "cluster {cluster}: {state}, level {level}")?,
    }
    for warning in &report.warnings {
        writeln!(out, "  ! {}", text::shown(warning.as_bytes()))?;
    }
    writeln!(out)?;
    let mut nodes = Table::new(&[
        "NODE",
        "NAME",
        "CLIENTS",
        "STATE",
        "HEARD",
        "LEADS",
        "REGIONS",
        "ASLEEP",
        "LAG",
        "DATA",
        "DISK FREE",
        "MEMORY",
        "CPU",
        "UP",
        "VERSION",
    ]);
    report.nodes.iter().for_each(|node| nodes.row(node_row(node)));
    nodes.print(out)?;
    writeln!(out)?;
    let mut regions: Vec<&Region> = report.regions.iter().collect();
    if regions.len() > ROWS {
        summary(out, report)?;
        let is_odd = |region: &Region| region.state != "active";
        regions.sort_by_key(|it| (!is_odd(it), std::cmp::Reverse(it.behind), it.id));
        regions.truncate(WORST);
    }
    let mut table = Table::new(&[
        "REGION", "KEYSPACE", "STATE", "LEADER", "TERM", "COMMIT", "REVISION", "BEHIND", "REPLICAS",
    ]);
    regions.iter().for_each(|region| table.row(region_row(report, region)));
    table.print(out)
}

/// Many regions in two lines.
fn summary(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut leaders: BTreeMap<Option<u64>, usize> = BTreeMap::new();
    for region in &report.regions {
        *states.entry(&region.state).or_default() += 1;
        *leaders.entry(region.leader).or_default() += 1;
    }
    let states: Vec<String> =
        states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let leader = |(leader, count): (&Option<u64>, &usize)| match leader {
        None => format!("nobody leads {count}"),
        Some(node) => format!("{} leads {count}", text::shown(report.name(*node).as_bytes())),
    };
    let leaders: Vec<String> = leaders.iter().map(leader).collect();
    let count = report.regions.len();
    writeln!(out, "{count} regions: {}; {}", states.join(", "), leaders.join(", "))?;
    writeln!(out, "Those to look at first:")
}

fn node_row(node: &Node) -> [String; 15] {
    let unknown = || "-".to_owned();
    let or_dash = |text: &str| if text.is_empty() { unknown() } else { text.to_owned() };
    let mut state = if node.reachable { "up".to_owned() } else { "unreachable".to_owned() };
    for flag in &node.flags {
        state.push_str(&format!(", {flag}"));
    }
    let heard = match (node.is_heard, node.silent_ms) {
        (true, _) => "yes".to_owned(),
        (false, Some(ms)) => format!("{} ago", since(ms)),
        (false, None) => unknown(),
    };
    let number = |number: Option<u64>| number.map_or_else(unknown, |it| it.to_string());
    let size = |size: Option<u64>| size.map_or_else(unknown, bytes);
    [
        node.id.to_string(),
        text::shown(node.name.as_bytes()),
        or_dash(&node.client_address),
        state,
        heard,
        node.leads.to_string(),
        node.regions.to_string(),
        number(node.hibernating),
        number(node.lag),
        size(node.db_bytes),
        size(node.disk_free_bytes),
        size(node.rss_bytes),
        node.cpu_percent.map_or_else(unknown, |it| format!("{it}%")),
        node.uptime_ms.map_or_else(unknown, since),
        node.version.clone().unwrap_or_else(unknown),
    ]
}

fn region_row(report: &Report, region: &Region) -> [String; 9] {
    let name = |id: u64| text::shown(report.name(id).as_bytes());
    let keyspace = match (&region.keyspace_name, region.keyspace) {
        (Some(name), _) => text::shown(name.as_bytes()),
        (None, 0) => "(meta)".to_owned(),
        (None, id) => id.to_string(),
    };
    let replica = |it: &super::report::Replica| match it.applied {
        Some(_) => name(it.node),
        None => format!("{}?", name(it.node)),
    };
    let replicas: Vec<String> = region.replicas.iter().map(replica).collect();
    [
        region.id.to_string(),
        keyspace,
        region.state.clone(),
        region.leader.map_or_else(|| "none".to_owned(), name),
        region.term.to_string(),
        region.commit.to_string(),
        region.revision.to_string(),
        region.behind.to_string(),
        replicas.join(","),
    ]
}
