//! A picture as lines: of a screen, or of a listing.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::picture::{Node, Picture, Region};
use crate::cli::size::bytes;
use crate::cli::status::report::Condition;
use crate::cli::table::Table;
use crate::cli::text;

const BOLD: &str = "\x1b[1m";
const HEADING: &str = "\x1b[7m";
const BAD: &str = "\x1b[1;31m";
const GOOD: &str = "\x1b[32m";

/// By what regions are sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Sort {
    #[default]
    Load,
    Behind,
    Number,
}

/// How a person wants it.
#[derive(Default)]
pub(super) struct View {
    pub(super) sort: Sort,
    /// Regions that are scrolled past.
    pub(super) first: usize,
    pub(super) is_paused: bool,
    pub(super) hides_keys: bool,
}

/// At most so many lines of so many columns, with the colours of a terminal.
pub(super) fn frame(picture: &Picture, view: &View, columns: usize, lines: usize) -> Vec<String> {
    let columns = columns.max(10);
    let colour = match picture.state {
        Condition::Healthy => GOOD,
        Condition::Degraded | Condition::NoQuorum => BAD,
    };
    let mut frame = vec![
        styled(colour, &headline(picture), columns),
        styled("", &load(picture), columns),
        styled("", &latency(picture), columns),
    ];
    for warning in picture.warnings.iter().take(2) {
        let warning = format!("! {}", text::shown(warning.as_bytes()));
        frame.push(styled(BAD, &warning, columns));
    }
    // Half of what is left is for nodes and keys, the other for regions.
    let room = lines.saturating_sub(frame.len() + 1);
    let nodes = table(&NODE_HEADINGS, picture.nodes.iter().map(node_row), columns);
    push(&mut frame, &nodes, columns, (room / 3).max(2), 0);
    let mut keys = Vec::new();
    if !view.hides_keys && !picture.keys.is_empty() {
        keys = table(&KEY_HEADINGS, picture.keys.iter().map(key_row), columns);
    }
    push(&mut frame, &keys, columns, room / 4, 0);
    let regions =
        table(&REGION_HEADINGS, sorted(picture, view.sort).into_iter().map(region_row), columns);
    let left = lines.saturating_sub(frame.len() + 1);
    push(&mut frame, &regions, columns, left, view.first);
    frame.truncate(lines.saturating_sub(1));
    frame.push(styled(BOLD, &footer(picture, view), columns));
    frame
}

/// The same for a file or a pipe: whole, and without colours.
pub(super) fn plain(out: &mut impl Write, picture: &Picture) -> io::Result<()> {
    /// Regions in a listing.
    const REGIONS: usize = 20;
    writeln!(out, "{}\n{}\n{}", headline(picture), load(picture), latency(picture))?;
    for warning in &picture.warnings {
        writeln!(out, "! {}", text::shown(warning.as_bytes()))?;
    }
    let regions = sorted(picture, Sort::Load).into_iter().take(REGIONS);
    for lines in [
        table(&NODE_HEADINGS, picture.nodes.iter().map(node_row), usize::MAX),
        table(&KEY_HEADINGS, picture.keys.iter().map(key_row), usize::MAX),
        table(&REGION_HEADINGS, regions.map(region_row), usize::MAX),
    ] {
        if lines.len() > 1 {
            writeln!(out)?;
            lines.iter().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
        }
    }
    writeln!(out)
}

fn headline(picture: &Picture) -> String {
    let state = match picture.state {
        Condition::Healthy => "healthy",
        Condition::Degraded => "DEGRADED",
        Condition::NoQuorum => "NO QUORUM",
    };
    let up = picture.nodes.iter().filter(|node| node.is_up).count();
    let cluster = picture.cluster.get(..8).unwrap_or(&picture.cluster);
    format!(
        "cluster {cluster}  {state}  {up} of {} servers up, {} regions",
        picture.nodes.len(),
        picture.regions.len()
    )
}

fn load(picture: &Picture) -> String {
    format!(
        "writes {:.0}/s  reads {:.0}/s  failed {:.0}/s  watches {:.0}  leases {:.0}",
        picture.writes_per_s,
        picture.reads_per_s,
        picture.failed_per_s,
        picture.watches,
        picture.leases
    )
}

fn latency(picture: &Picture) -> String {
    format!(
        "writes take {} ms, 99 of 100 {} ms; reads wait 99 of 100 {} ms",
        tenths(picture.write_half_ms),
        tenths(picture.write_99_ms),
        tenths(picture.read_wait_99_ms)
    )
}

fn footer(picture: &Picture, view: &View) -> String {
    let sort = match view.sort {
        Sort::Load => "load",
        Sort::Behind => "lag",
        Sort::Number => "number",
    };
    let paused = if view.is_paused { "PAUSED  " } else { "" };
    let load = if picture.knows_load { "" } else { "  (load is told to root only: --user)" };
    format!("{paused}q quit  s sort: {sort}  up/down scroll  p pause  k keys{load}")
}

const NODE_HEADINGS: [&str; 11] = [
    "SERVER",
    "STATE",
    "LEADS",
    "WRITES/S",
    "READS/S",
    "W99 ms",
    "SYNC99",
    "LAG",
    "CPU",
    "MEMORY",
    "DISK FREE",
];
const KEY_HEADINGS: [&str; 3] = ["KEY", "KEYSPACE", "REQUESTS/S"];
const REGION_HEADINGS: [&str; 8] =
    ["REGION", "KEYSPACE", "STATE", "LEADER", "REQUESTS/S", "COMMITS/S", "BEHIND", "REVISION"];
/// What is shown of names and keys.
const NAME: usize = 16;
const KEY: usize = 40;

fn node_row(node: &Node) -> Vec<String> {
    let whole = |number: Option<f64>| number.map_or_else(dash, |it| format!("{it:.0}"));
    vec![
        cut(&text::shown(node.name.as_bytes()), NAME),
        node.state.clone(),
        format!("{}/{}", node.leads, node.regions),
        whole(node.writes_per_s),
        whole(node.reads_per_s),
        tenths(node.write_99_ms),
        tenths(node.sync_99_ms),
        node.lag.map_or_else(dash, |it| it.to_string()),
        node.cpu_percent.map_or_else(dash, |it| format!("{it}%")),
        node.rss_bytes.map_or_else(dash, bytes),
        node.disk_free_bytes.map_or_else(dash, bytes),
    ]
}

fn key_row(key: &super::picture::HotKey) -> Vec<String> {
    vec![
        cut(&text::shown(&key.bytes), KEY),
        cut(&text::shown(key.keyspace_name.as_bytes()), NAME),
        key.requests_per_s.to_string(),
    ]
}

fn region_row(region: &Region) -> Vec<String> {
    let name = region.keyspace_name.as_deref().unwrap_or("(meta)");
    vec![
        region.id.to_string(),
        cut(&text::shown(name.as_bytes()), NAME),
        region.state.clone(),
        region.leader.as_ref().map_or_else(dash, |it| cut(&text::shown(it.as_bytes()), NAME)),
        region.requests_per_s.map_or_else(dash, |it| it.to_string()),
        format!("{:.0}", region.commits_per_s),
        region.behind.to_string(),
        region.revision.to_string(),
    ]
}

fn sorted(picture: &Picture, sort: Sort) -> Vec<&Region> {
    let mut regions: Vec<&Region> = picture.regions.iter().collect();
    let is_odd = |it: &Region| !matches!(it.state.as_str(), "active" | "transferring");
    // Whole numbers order well, and no one sees the rest.
    let commits = |it: &Region| (it.commits_per_s.max(0.0) * 10.0) as u64;
    match sort {
        // What does not serve is first, however it is sorted by what goes on.
        Sort::Load => regions.sort_by_key(|it| {
            (!is_odd(it), Reverse(it.requests_per_s), Reverse(commits(it)), it.id)
        }),
        Sort::Behind => regions.sort_by_key(|it| (!is_odd(it), Reverse(it.behind), it.id)),
        Sort::Number => regions.sort_by_key(|it| it.id),
    }
    regions
}

/// Lines of a table, the headings first, with as many of its columns as fit, or three.
fn table(
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    columns: usize,
) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows.collect();
    let mut kept = headings.len();
    loop {
        let mut table = Table::new(&headings[..kept]);
        rows.iter().for_each(|row| table.row(row.iter().take(kept).cloned()));
        let mut text = Vec::new();
        // Writing into memory cannot fail.
        let _ = table.print(&mut text);
        let text = String::from_utf8_lossy(&text);
        if kept <= 3 || text.lines().all(|line| line.chars().count() <= columns) {
            return text.lines().map(str::to_owned).collect();
        }
        kept -= 1;
    }
}

/// As many lines of a table as there is room for: its headings, and rows from the first wanted on.
fn push(frame: &mut Vec<String>, table: &[String], columns: usize, room: usize, first: usize) {
    let Some((headings, rows)) = table.split_first().filter(|_| room > 1) else { return };
    frame.push(styled(HEADING, headings, columns));
    let rows = rows.iter().skip(first).take(room - 1);
    frame.extend(rows.map(|row| styled("", row, columns)));
}

/// A line that fits, in a style that ends with it.
fn styled(style: &str, line: &str, columns: usize) -> String {
    let line = cut(line, columns);
    if style.is_empty() { line } else { format!("{style}{line}\x1b[0m") }
}

fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

fn dash() -> String {
    "-".to_owned()
}

fn tenths(number: Option<f64>) -> String {
    number.map_or_else(dash, |it| if it < 10.0 { format!("{it:.1}") } else { format!("{it:.0}") })
}
