use std::collections::{BTreeMap, BTreeSet};

use client::native::{
    Keyspace, Liveness, NodeHealth, NodeInfo, NodeSeen, NodeStatusResponse, PeerStats, RegionInfo,
    RegionStats, Role,
};

use super::checks::all;
use super::evidence::{Closely, Evidence};
use super::exit;
use super::finding::{Finding, Severity, show};
use crate::cli::series::Series;
use crate::cli::status::collect::Views;
use crate::cli::status::report::Report;

const GIB: u64 = 1 << 30;

/// A cluster of so many servers that are well, which a test then makes ill.
struct Cluster {
    answers: Vec<NodeStatusResponse>,
    closely: BTreeMap<u64, Closely>,
}

const WELL: &str = "hiraeth_clock_seconds 1000000\nprocess_start_time_seconds 900000\n\
    process_open_fds 300\nprocess_max_fds 65536\nhiraeth_regions{state=\"active\"} 2\n\
    hiraeth_leader_changes_total 9\nhiraeth_registry_held_back 0\n\
    hiraeth_proposals_total{outcome=\"applied\"} 100000\n\
    hiraeth_proposals_total{outcome=\"LeaseNotFound\"} 90000\n\
    hiraeth_log_sync_seconds_bucket{le=\"0.004\"} 9990\nhiraeth_log_sync_seconds_bucket{le=\"0.128\"} 10000\n\
    hiraeth_log_sync_seconds_bucket{le=\"+Inf\"} 10000\n\
    hiraeth_tls_certificate_not_after_seconds{use=\"peer\"} 9000000\n";

impl Cluster {
    fn of(count: u64) -> Self {
        let info = |id: u64| NodeInfo {
            id,
            name: format!("n{id}"),
            client_address: format!("10.0.0.{id}:2379"),
            zone: format!("z{id}"),
            phase: "member".to_owned(),
            ..NodeInfo::default()
        };
        let region = |id: u64| RegionInfo {
            id,
            keyspace: u32::try_from(id - 1).unwrap(),
            leader: 1,
            role: Role::Follower.into(),
            commit: 10,
            applied: 10,
            revision: 5_000_000,
            compacted: 4_000_000,
            nodes: (1..=count).collect(),
            state: "active".to_owned(),
            ..RegionInfo::default()
        };
        let seen = |node| NodeSeen {
            node,
            state: Liveness::Alive.into(),
            hears_us: true,
            ..NodeSeen::default()
        };
        let answer = |node| NodeStatusResponse {
            cluster: "c1".to_owned(),
            node,
            version: "1.0".to_owned(),
            nodes: (1..=count).map(info).collect(),
            keyspaces: vec![Keyspace { id: 1, name: "default".to_owned(), ..Keyspace::default() }],
            regions: vec![region(1), region(2)],
            seen: (1..=count).map(seen).collect(),
            health: Some(NodeHealth {
                data_dir: "/data".to_owned(),
                disk_free_bytes: 50 * GIB,
                disk_total_bytes: 100 * GIB,
                disk_reserve_bytes: GIB / 4,
                ..NodeHealth::default()
            }),
            ..NodeStatusResponse::default()
        };
        let peer = |node| PeerStats { peer: node, node, active: true, ..PeerStats::default() };
        let group = RegionStats {
            region: 2,
            peers: (1..=count).map(peer).collect(),
            ..RegionStats::default()
        };
        let closely = |node| Closely {
            series: Series::parse(WELL),
            regions: if node == 1 { vec![group.clone()] } else { Vec::new() },
            errors: Vec::new(),
            clock: Some((0.01, 0.02)),
        };
        let closely = (1..=count).map(|node| (node, closely(node))).collect();
        Self { answers: (1..=count).map(answer).collect(), closely }
    }

    /// All of them say this of the nodes.
    fn nodes(mut self, change: impl Fn(&mut Vec<NodeInfo>)) -> Self {
        self.answers.iter_mut().for_each(|answer| change(&mut answer.nodes));
        self
    }

    /// The first says this.
    fn first(mut self, change: impl Fn(&mut NodeStatusResponse)) -> Self {
        change(&mut self.answers[0]);
        self
    }

    /// The first is so, looked at closely.
    fn closely(mut self, change: impl Fn(&mut Closely)) -> Self {
        change(self.closely.get_mut(&1).unwrap());
        self
    }

    /// The first serves this line in place of those that begin like it.
    fn serves(self, line: &str) -> Self {
        let name = line.split(' ').next().unwrap();
        let others = WELL.lines().filter(|it| !it.starts_with(&format!("{name} ")));
        let text = others.chain([line]).collect::<Vec<_>>().join("\n");
        self.closely(|it| it.series = Series::parse(&text))
    }

    fn lost(mut self, node: u64) -> Self {
        self.answers.retain(|answer| answer.node != node);
        self.closely.remove(&node);
        for answer in &mut self.answers {
            let seen = answer.seen.iter_mut().find(|seen| seen.node == node).unwrap();
            (seen.state, seen.silent_ms) = (Liveness::Lost.into(), 9_000);
        }
        self
    }

    fn found(self) -> Vec<Finding> {
        let known: BTreeSet<u64> = self.answers.iter().map(|it| it.node).collect();
        let nodes: Vec<u64> = self.answers[0].nodes.iter().map(|it| it.id).collect();
        let silent = nodes.into_iter().filter(|node| !known.contains(node));
        let views = Views {
            failures: silent.map(|node| (node, "connection refused".to_owned())).collect(),
            answers: self.answers.into_iter().map(|it| (it.node, it)).collect(),
            strangers: Vec::new(),
        };
        let report = Report::new(&views);
        all(&Evidence { views, report, closely: self.closely })
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    assert_eq!(Cluster::of(3).found(), []);
    assert_eq!(Cluster::of(5).found(), []);
}

/// Each kind of trouble is found where it is, as what it is, and nothing else is.
#[test]
fn each_trouble_is_found_by_its_kind() {
    use Severity::{Note, Problem, Warning};
    let three = || Cluster::of(3);
    let cases = [
        ("single", Note, Cluster::of(1)),
        ("even-voters", Warning, Cluster::of(4)),
        ("zone-unknown", Note, three().nodes(|all| all[0].zone.clear())),
        ("one-zone", Warning, three().nodes(|all| all[0].zone = "z2".to_owned())),
        ("versions", Warning, three().first(|it| it.version = "1.1".to_owned())),
        ("level", Note, three().nodes(|all| all[1].level = 2)),
        ("drained", Note, three().nodes(|all| all[2].draining = true)),
        (
            "few-replicas",
            Warning,
            three().first(|it| {
                let keyspace = &mut it.keyspaces[0];
                (keyspace.sharded, keyspace.replicas) = (true, 5);
            }),
        ),
        ("no-vote-yet", Warning, three().closely(|it| it.regions[0].peers[2].learner = true)),
        ("history", Warning, three().first(|it| it.regions[1].revision = 50_000_000)),
        ("set-aside", Problem, three().serves("hiraeth_regions_quarantined_total 1")),
        (
            "disk",
            Warning,
            three().first(|it| it.health.as_mut().unwrap().disk_free_bytes = 5 * GIB),
        ),
        ("slow-disk", Warning, three().serves("hiraeth_log_sync_seconds_bucket{le=\"0.004\"} 100")),
        ("clocks", Warning, three().closely(|it| it.clock = Some((-3.0, 0.02)))),
        ("clocks", Problem, three().closely(|it| it.clock = Some((3_600.0, 0.02)))),
        ("file-descriptors", Problem, three().serves("process_open_fds 60000")),
        ("file-descriptor-limit", Note, three().serves("process_max_fds 1024")),
        (
            "certificate",
            Warning,
            three().serves("hiraeth_tls_certificate_not_after_seconds{use=\"client\"} 1500000"),
        ),
        (
            "certificate",
            Problem,
            three().serves("hiraeth_tls_certificate_not_after_seconds{use=\"client\"} 999999"),
        ),
        (
            "alarm",
            Problem,
            three().closely(|it| it.errors.push("memberID:1 alarm:NOSPACE ".to_owned())),
        ),
        ("leaders", Warning, three().serves("hiraeth_leader_changes_total 900")),
        ("failures", Warning, three().serves("hiraeth_proposals_total{outcome=\"Timeout\"} 9000")),
        ("held-back", Problem, three().serves("hiraeth_registry_held_back 40")),
    ];
    for (kind, severity, cluster) in cases {
        let found = cluster.found();
        let kinds: Vec<_> = found.iter().map(|it| (it.kind, it.severity)).collect();
        assert_eq!(kinds, [(kind, severity)], "{found:#?}");
        let wanted = match severity {
            Note => 0,
            Warning => 1,
            Problem => 2,
        };
        assert_eq!(exit(&found), wanted);
        assert!(!found[0].why.is_empty() && found[0].next.len() > 10, "{found:#?}");
    }
}

/// What is said besides alarms is no alarm, and a sharded keyspace has no history that could be long.
#[test]
fn what_looks_like_trouble_and_is_none_is_not_told() {
    let leaderless = |it: &mut Closely| it.errors.push("etcdserver: no leader".to_owned());
    assert_eq!(Cluster::of(3).closely(leaderless).found(), []);
    let mut cluster = Cluster::of(3);
    for answer in &mut cluster.answers {
        answer.keyspaces[0].sharded = true;
        (answer.regions[1].revision, answer.regions[1].compacted) = (50_000_000, 0);
    }
    assert_eq!(cluster.found(), []);
}

#[test]
fn learners_are_told_apart_from_votes_not_given() {
    let learner = Cluster::of(4)
        .nodes(|all| all[3].learner = true)
        .closely(|it| it.regions[0].peers[3].learner = true);
    let found = learner.found();
    assert_eq!(found.iter().map(|it| it.kind).collect::<Vec<_>>(), ["learner"], "{found:#?}");
    assert!(found[0].next.contains("etcdctl member promote 4"), "{found:#?}");
}

#[test]
fn a_lost_server_is_the_worst_and_comes_first() {
    let found = Cluster::of(3).lost(2).found();
    let kinds: Vec<&str> = found.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, ["no-spare", "status", "silent-replicas"], "{found:#?}");
    assert!(found[1].what.starts_with("node 2 (n2) cannot be reached: connection refused"));
    assert!(found[1].next.starts_with("silent for 9.0 s: is its process running?"), "{found:#?}");
    let mut out = Vec::new();
    show(&mut out, &found).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("PROBLEM  2 of 3 voting servers answer, and 2 are needed\n  why: "));
    assert!(text.contains("\n  do:  bring back those"), "{text}");
    // Of five there is one to spare still.
    let kinds: Vec<&str> = Cluster::of(5).lost(2).found().iter().map(|it| it.kind).collect();
    assert_eq!(kinds, ["status", "silent-replicas"]);
}
