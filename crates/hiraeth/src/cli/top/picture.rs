//! What two looks make together: rates and latencies of the time between.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::sample::Sample;
use crate::cli::series::{Buckets, Series};
use crate::cli::status::report::Condition;

/// Keys that are shown at most.
const KEYS: usize = 10;

#[derive(Serialize)]
pub(super) struct Picture {
    pub(super) state: Condition,
    pub(super) cluster: String,
    /// Between the two looks.
    pub(super) seconds: f64,
    pub(super) writes_per_s: f64,
    pub(super) reads_per_s: f64,
    pub(super) failed_per_s: f64,
    pub(super) write_half_ms: Option<f64>,
    pub(super) write_99_ms: Option<f64>,
    pub(super) read_wait_99_ms: Option<f64>,
    pub(super) watches: f64,
    pub(super) leases: f64,
    pub(super) warnings: Vec<String>,
    pub(super) nodes: Vec<Node>,
    pub(super) regions: Vec<Region>,
    pub(super) keys: Vec<HotKey>,
    /// Whether servers tell which regions and keys are asked for.
    #[serde(skip)]
    pub(super) knows_load: bool,
}

#[derive(Serialize)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) name: String,
    /// `up`, `unreachable`, or what a server that is up says of itself.
    pub(super) state: String,
    #[serde(skip)]
    pub(super) is_up: bool,
    pub(super) leads: u64,
    pub(super) regions: u64,
    pub(super) writes_per_s: Option<f64>,
    pub(super) reads_per_s: Option<f64>,
    pub(super) write_99_ms: Option<f64>,
    pub(super) sync_99_ms: Option<f64>,
    pub(super) lag: Option<u64>,
    pub(super) cpu_percent: Option<u64>,
    pub(super) rss_bytes: Option<u64>,
    pub(super) disk_free_bytes: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Region {
    pub(super) id: u64,
    pub(super) keyspace_name: Option<String>,
    pub(super) state: String,
    pub(super) leader: Option<String>,
    pub(super) requests_per_s: Option<u64>,
    pub(super) commits_per_s: f64,
    pub(super) behind: u64,
    pub(super) revision: i64,
}

#[derive(Serialize)]
pub(super) struct HotKey {
    pub(super) region: u64,
    pub(super) keyspace_name: String,
    /// As base64, and as text if it is text.
    pub(super) key: String,
    pub(super) key_text: Option<String>,
    pub(super) requests_per_s: u64,
    #[serde(skip)]
    pub(super) bytes: Vec<u8>,
}

/// How one node's series changed.
struct Change<'a> {
    before: &'a Series,
    now: &'a Series,
    seconds: f64,
}

impl Change<'_> {
    /// A counter that began anew counts from 0.
    fn rate(&self, count: impl Fn(&Series) -> f64) -> f64 {
        let (before, now) = (count(self.before), count(self.now));
        let since = if now < before { now } else { now - before };
        since / self.seconds
    }

    fn buckets(&self, name: &str) -> Buckets {
        self.now.buckets(name).since(&self.before.buckets(name))
    }

    fn writes(&self) -> f64 {
        self.rate(|series| outcome(series, true))
    }

    fn failed(&self) -> f64 {
        self.rate(|series| outcome(series, false))
    }

    fn reads(&self) -> f64 {
        self.rate(|series| series.sum("hiraeth_reads_total"))
    }
}

fn outcome(series: &Series, is_applied: bool) -> f64 {
    let outcomes = series.by("hiraeth_proposals_total", "outcome");
    let wanted = outcomes.iter().filter(|(name, _)| (**name == "applied") == is_applied);
    wanted.map(|(_, count)| count).sum()
}

fn millis(buckets: &Buckets, part: f64) -> Option<f64> {
    buckets.quantile(part).map(|seconds| seconds * 1e3)
}

impl Picture {
    pub(super) fn new(before: &Sample, now: &Sample) -> Self {
        let seconds = (now.at - before.at).as_secs_f64().max(0.001);
        let change = |node: u64| {
            let (before, now) = (before.series.get(&node)?, now.series.get(&node)?);
            Some(Change { before, now, seconds })
        };
        let changes: Vec<Change<'_>> = now.series.keys().filter_map(|node| change(*node)).collect();
        let all = |of: fn(&Change<'_>) -> f64| changes.iter().map(of).sum::<f64>();
        let together = |name: &str| {
            let each = changes.iter().map(|change| change.buckets(name));
            each.fold(Buckets::default(), |sum, next| sum.with(&next))
        };
        let writes = together("hiraeth_write_seconds");
        let sum = |name: &str| now.series.values().map(|series| series.sum(name)).sum::<f64>();
        Self {
            state: now.report.state,
            cluster: now.report.cluster.clone(),
            seconds,
            writes_per_s: all(|it| it.writes()),
            reads_per_s: all(|it| it.reads()),
            failed_per_s: all(|it| it.failed()),
            write_half_ms: millis(&writes, 0.5),
            write_99_ms: millis(&writes, 0.99),
            read_wait_99_ms: millis(&together("hiraeth_read_wait_seconds"), 0.99),
            watches: sum("hiraeth_watches"),
            leases: sum("hiraeth_leases"),
            warnings: now.report.warnings.clone(),
            nodes: now.report.nodes.iter().map(|it| node(it, change(it.id).as_ref())).collect(),
            regions: regions(before, now, seconds),
            keys: keys(now),
            knows_load: now.hot.is_some(),
        }
    }
}

fn node(node: &crate::cli::status::report::Node, change: Option<&Change<'_>>) -> Node {
    let state = match (node.reachable, node.flags.first()) {
        (false, _) => "unreachable",
        (true, Some(flag)) => flag,
        (true, None) => "up",
    };
    Node {
        id: node.id,
        name: node.name.clone(),
        state: state.to_owned(),
        is_up: node.reachable,
        leads: node.leads,
        regions: node.regions,
        writes_per_s: change.map(Change::writes),
        reads_per_s: change.map(Change::reads),
        write_99_ms: change.and_then(|it| millis(&it.buckets("hiraeth_write_seconds"), 0.99)),
        sync_99_ms: change.and_then(|it| millis(&it.buckets("hiraeth_log_sync_seconds"), 0.99)),
        lag: node.lag,
        cpu_percent: node.cpu_percent,
        rss_bytes: node.rss_bytes,
        disk_free_bytes: node.disk_free_bytes,
    }
}

fn regions(before: &Sample, now: &Sample, seconds: f64) -> Vec<Region> {
    let old: BTreeMap<u64, u64> =
        before.report.regions.iter().map(|region| (region.id, region.commit)).collect();
    let mut load: BTreeMap<u64, u64> = BTreeMap::new();
    for hot in now.hot.iter().flatten().flat_map(|answer| &answer.regions) {
        *load.entry(hot.region).or_default() += hot.rate;
    }
    let requests = |id| now.hot.is_some().then(|| load.get(&id).copied().unwrap_or(0));
    let regions = now.report.regions.iter().map(|region| {
        let new = old.get(&region.id).map_or(0, |old| region.commit.saturating_sub(*old));
        Region {
            id: region.id,
            keyspace_name: region.keyspace_name.clone(),
            state: region.state.clone(),
            leader: region.leader.map(|leader| now.report.name(leader)),
            requests_per_s: requests(region.id),
            commits_per_s: new as f64 / seconds,
            behind: region.behind,
            revision: region.revision,
        }
    });
    regions.collect()
}

/// The hottest of all regions.
fn keys(now: &Sample) -> Vec<HotKey> {
    let mut all: BTreeMap<(u64, &[u8]), (u64, &str)> = BTreeMap::new();
    for region in now.hot.iter().flatten().flat_map(|answer| &answer.regions) {
        for key in &region.keys {
            let known = all.entry((region.region, key.key.as_ref())).or_default();
            *known = (known.0 + key.rate, region.keyspace_name.as_str());
        }
    }
    let mut all: Vec<_> = all.into_iter().filter(|(_, (rate, _))| *rate > 0).collect();
    all.sort_by_key(|(key, (rate, _))| (Reverse(*rate), *key));
    all.truncate(KEYS);
    let key = |((region, key), (rate, keyspace)): ((u64, &[u8]), (u64, &str))| HotKey {
        region,
        keyspace_name: keyspace.to_owned(),
        key: STANDARD.encode(key),
        key_text: std::str::from_utf8(key).ok().map(str::to_owned),
        requests_per_s: rate,
        bytes: key.to_vec(),
    };
    all.into_iter().map(key).collect()
}
