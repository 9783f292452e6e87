//! What is measured, and what is aimed for: the table of issue 4.

use anyhow::bail;

use super::servers::Peer;

/// Rows that share a cluster and what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group {
    Floor,
    /// 100,000 keys.
    Small,
    /// 1,000,000 keys (fewer if it shall be quick).
    Many,
    /// The same on a single node.
    One,
    /// 5 GB.
    Large,
}

impl Group {
    pub(super) const ALL: [Self; 5] =
        [Self::Floor, Self::Small, Self::Many, Self::One, Self::Large];

    pub(super) fn nodes(self) -> u16 {
        match self {
            Self::Floor | Self::One => 1,
            Self::Small | Self::Many | Self::Large => 3,
        }
    }

    pub(super) fn is_for(self, peer: &Peer) -> bool {
        (self == Self::Floor) == matches!(peer, Peer::Floor(_))
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Floor => "the floor",
            Self::Small => "100,000 keys",
            Self::Many => "many keys",
            Self::One => "many keys on one node",
            Self::Large => "5 GB",
        }
    }
}

/// How a row is measured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// `hiraeth bench` with these words.
    Load(&'static str),
    /// What the servers have in memory and on disk.
    Memory,
    /// Puts in an open loop while everything is compacted and defragmented.
    Stall,
    /// Puts and gets in an open loop with little data, and again with much.
    Large,
}

/// A figure of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) what: &'static str,
    /// Where in the report.
    pub(super) at: &'static str,
    pub(super) shown: Shown,
    pub(super) aim: Aim,
}

/// How a figure is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shown {
    Number,
    /// Two digits after the point.
    Exact,
    MiB,
    /// 100,000 divided by it: CPU seconds per 100,000 turned into operations per CPU second.
    PerCpuSecond,
}

impl Shown {
    /// The figure for people, from what is in the report.
    pub(super) fn of(self, value: f64) -> f64 {
        match self {
            Self::Number | Self::Exact => value,
            Self::MiB => value / 1_048_576.0,
            Self::PerCpuSecond => 1e5 / value,
        }
    }
}

/// What ours shall be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim {
    None,
    /// At most, at least this part of etcd's.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// At most this, whatever etcd's is.
    AtMost(f64),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) group: Group,
    pub(super) work: Work,
    pub(super) metrics: &'static [Metric],
}

const fn metric(what: &'static str, at: &'static str, shown: Shown, aim: Aim) -> Metric {
    Metric { what, at, shown, aim }
}

const fn cpu(aim: Aim) -> Metric {
    metric("server CPU s per 100,000", "/servers/cpu_seconds_per_100k", Shown::Exact, aim)
}

const fn rate(aim: Aim) -> Metric {
    metric("operations/s", "/operations_per_second", Shown::Number, aim)
}

const fn ms(what: &'static str, at: &'static str, aim: Aim) -> Metric {
    metric(what, at, Shown::Exact, aim)
}

const NO: Aim = Aim::None;
const PUT_P50: &str = "/latency_ms/put/p50";
const PUT_P99: &str = "/latency_ms/put/p99";
const GET_P99: &str = "/latency_ms/get/p99";
const WRITTEN: &str = "/servers/written_bytes_per_operation";
const PER_100K: &str = "/servers/cpu_seconds_per_100k";

const fn row(name: &'static str, group: Group, work: Work, metrics: &'static [Metric]) -> Row {
    Row { name, group, work, metrics }
}

/// All of them, in the order in which a cluster goes through its own.
pub(super) const ROWS: [Row; 18] = [
    row("floor-put-256", Group::Floor, Work::Load("put --clients 256"), &[cpu(NO), rate(NO)]),
    row("floor-get-256", Group::Floor, Work::Load("get --clients 256"), &[cpu(NO), rate(NO)]),
    row(
        "put-1",
        Group::Small,
        Work::Load("put --clients 1"),
        &[ms("p50 ms", PUT_P50, Aim::RatioAtMost(0.8)), ms("p99 ms", PUT_P99, NO), cpu(NO)],
    ),
    row(
        "put-64",
        Group::Small,
        Work::Load("put --clients 64"),
        &[cpu(NO), rate(NO), ms("p99 ms", PUT_P99, NO)],
    ),
    row(
        "put-256",
        Group::Small,
        Work::Load("put --clients 256"),
        &[
            cpu(Aim::RatioAtMost(0.25)),
            rate(NO),
            ms("p99 ms", PUT_P99, NO),
            metric("bytes written per put", WRITTEN, Shown::Number, Aim::RatioAtMost(0.4)),
        ],
    ),
    row(
        "put-1024",
        Group::Small,
        Work::Load("put --clients 1024"),
        &[cpu(Aim::RatioAtMost(0.25)), rate(Aim::RatioAtLeast(2.5)), ms("p99 ms", PUT_P99, NO)],
    ),
    row(
        "get-256",
        Group::Small,
        Work::Load("get --clients 256"),
        &[cpu(Aim::RatioAtMost(0.25)), rate(NO), ms("p99 ms", GET_P99, NO)],
    ),
    row(
        "serializable-256",
        Group::Small,
        Work::Load("get --serializable --clients 256"),
        &[cpu(Aim::RatioAtMost(0.3)), rate(NO), ms("p99 ms", GET_P99, NO)],
    ),
    row(
        "mix-256",
        Group::Small,
        Work::Load("mix --reads 90 --clients 256"),
        &[cpu(NO), rate(NO), ms("p99 ms of gets", GET_P99, NO)],
    ),
    row(
        "txn-64",
        Group::Small,
        Work::Load("txn --clients 64"),
        &[cpu(NO), rate(NO), ms("p99 ms", "/latency_ms/txn/p99", NO)],
    ),
    row(
        "watch-1000",
        Group::Small,
        Work::Load("watch --watchers 1000"),
        &[
            metric(
                "events per server CPU s",
                PER_100K,
                Shown::PerCpuSecond,
                Aim::RatioAtLeast(3.0),
            ),
            metric("events/s", "/operations_per_second", Shown::Number, NO),
            ms("p99 ms of an event", "/latency_ms/event/p99", NO),
        ],
    ),
    row(
        "keep-alive-1000",
        Group::Small,
        Work::Load("keep-alive --clients 1000"),
        &[
            metric(
                "renewals per server CPU s",
                PER_100K,
                Shown::PerCpuSecond,
                Aim::RatioAtLeast(4.0),
            ),
            rate(NO),
            ms("p99 ms", "/latency_ms/renewal/p99", NO),
        ],
    ),
    row(
        "lock-64",
        Group::Small,
        Work::Load("lock --clients 64"),
        &[cpu(NO), rate(NO), ms("p99 ms", "/latency_ms/lock and unlock/p99", NO)],
    ),
    row(
        "memory",
        Group::Many,
        Work::Memory,
        &[
            metric(
                "MiB in memory, per node",
                "/resident_bytes",
                Shown::MiB,
                Aim::RatioAtMost(0.35),
            ),
            metric("MiB on disk, per node", "/disk_bytes", Shown::MiB, NO),
        ],
    ),
    row(
        "range",
        Group::Many,
        Work::Load("range --limit 100 --clients 1"),
        &[
            ms("p50 ms", "/latency_ms/range/p50", Aim::AtMost(2.0)),
            ms("p99 ms", "/latency_ms/range/p99", NO),
        ],
    ),
    row(
        "stall",
        Group::Many,
        Work::Stall,
        &[
            ms("longest put, ms", "/latency_ms/put/max", Aim::AtMost(50.0)),
            ms("p99 ms", PUT_P99, NO),
        ],
    ),
    row(
        "memory-one",
        Group::One,
        Work::Memory,
        &[metric("MiB in memory", "/resident_bytes", Shown::MiB, Aim::RatioAtMost(0.35))],
    ),
    row(
        "large",
        Group::Large,
        Work::Large,
        &[
            ms("p99 ms of a put before", "/before/put", NO),
            ms("p99 ms of a put after", "/after/put", NO),
            metric("times as much (put)", "/rise/put", Shown::Exact, Aim::AtMost(2.0)),
            ms("p99 ms of a get before", "/before/get", NO),
            ms("p99 ms of a get after", "/after/get", NO),
            metric("times as much (get)", "/rise/get", Shown::Exact, Aim::AtMost(2.0)),
            metric("MiB in memory, per node", "/resident_bytes", Shown::MiB, NO),
            metric("MiB on disk, per node", "/disk_bytes", Shown::MiB, NO),
        ],
    ),
];

/// The rows named, or all but the one that takes long.
pub(super) fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Row>> {
    if only.is_empty() {
        return Ok(ROWS.iter().filter(|row| row.group != Group::Large).collect());
    }
    for name in only {
        if !ROWS.iter().any(|row| row.name == name) {
            let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            bail!("there is no row {name}; there are {}", names.join(", "));
        }
    }
    Ok(ROWS.iter().filter(|row| only.iter().any(|name| name == row.name)).collect())
}
