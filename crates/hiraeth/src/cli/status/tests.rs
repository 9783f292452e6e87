use std::collections::BTreeMap;

use client::native::{
    Keyspace, Liveness, NodeHealth, NodeInfo, NodeSeen, NodeStatusResponse, RegionInfo, Role,
};

use super::collect::Views;
use super::report::{Condition, Report};
use super::show::show;

fn seen(node: u64, silent_ms: u64) -> NodeSeen {
    let state = if silent_ms < 1_000 { Liveness::Alive } else { Liveness::Lost };
    NodeSeen {
        node,
        state: state.into(),
        silent_ms,
        for_ms: 60_000,
        hears_us: true,
        regions: 2,
        ..NodeSeen::default()
    }
}

fn region(id: u64, leader: u64, state: &str) -> RegionInfo {
    RegionInfo {
        id,
        keyspace: u32::try_from(id - 1).unwrap(),
        leader,
        role: Role::Follower.into(),
        term: 4,
        commit: 10,
        applied: 10,
        nodes: vec![1, 2, 3],
        state: state.to_owned(),
        state_detail: if state == "active" { String::new() } else { format!("({state})") },
        ..RegionInfo::default()
    }
}

/// What node `node` of three says, having heard the others so long ago.
fn answer(node: u64, silent: [u64; 3], regions: Vec<RegionInfo>) -> NodeStatusResponse {
    let info = |id: u64| NodeInfo {
        id,
        name: format!("n{id}"),
        client_address: format!("10.0.0.{id}:2379"),
        ..NodeInfo::default()
    };
    NodeStatusResponse {
        cluster: "c1".to_owned(),
        node,
        version: "1.0".to_owned(),
        nodes: (1..=3).map(info).collect(),
        keyspaces: vec![Keyspace {
            id: 1,
            name: "default".to_owned(),
            region: 2,
            ..Keyspace::default()
        }],
        regions,
        seen: (1..=3).map(|id| seen(id, silent[usize::try_from(id).unwrap() - 1])).collect(),
        health: Some(NodeHealth { data_dir: "/data".to_owned(), ..NodeHealth::default() }),
        ..NodeStatusResponse::default()
    }
}

fn views(answers: Vec<NodeStatusResponse>) -> Views {
    let answers: BTreeMap<u64, _> = answers.into_iter().map(|it| (it.node, it)).collect();
    let silent = (1..=3).filter(|id| !answers.contains_key(id));
    let failures = silent.map(|id| (id, "connection refused".to_owned())).collect();
    Views { answers, failures, strangers: Vec::new() }
}

fn screen(report: &Report) -> String {
    let mut out = Vec::new();
    show(&mut out, report).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn three_that_are_well_worry_nobody() {
    let both = || vec![region(1, 1, "active"), region(2, 2, "active")];
    let report = Report::new(&views((1..=3).map(|id| answer(id, [0; 3], both())).collect()));
    assert_eq!((report.state, report.warnings.len()), (Condition::Healthy, 0));
    assert!(screen(&report).starts_with("cluster c1: healthy\n"));
}

#[test]
fn a_silent_node_and_what_to_do_about_it_are_named() {
    let both = || vec![region(1, 1, "active"), region(2, 1, "active")];
    let report =
        Report::new(&views((1..=2).map(|id| answer(id, [0, 0, 12_000], both())).collect()));
    assert_eq!(report.state, Condition::Degraded);
    let told = &report.warnings[0];
    assert!(told.starts_with("node 3 (n3) cannot be reached: connection refused; "), "{told}");
    assert!(told.contains("silent for 12 s") && told.contains("start it again"), "{told}");
    let screen = screen(&report);
    assert!(screen.contains("unreachable  12 s ago") && screen.contains("n1,n2,n3?"), "{screen}");
}

#[test]
fn a_member_that_has_not_come_is_told_how() {
    let added = NodeInfo { id: 4, peer_address: "10.0.0.4:2380".to_owned(), ..NodeInfo::default() };
    let told = |id| {
        let regions = vec![region(1, 1, "active"), region(2, 1, "active")];
        let mut answer = answer(id, [0; 3], regions);
        answer.nodes.push(added.clone());
        answer
    };
    let report = Report::new(&views((1..=3).map(told).collect()));
    assert_eq!((report.state, report.warnings.len()), (Condition::Degraded, 1));
    let warning = &report.warnings[0];
    assert!(warning.starts_with("node 4 was added and has not come yet: "), "{warning}");
    assert!(warning.contains("--advertise-peer 10.0.0.4:2380 and --join"), "{warning}");
}

/// The one that is cut off thinks there is no quorum, in a higher term; the two others know better.
#[test]
fn who_is_cut_off_does_not_speak_for_the_cluster() {
    let lost = RegionInfo { term: 9, ..region(2, 0, "no-quorum") };
    let report = Report::new(&views(vec![
        answer(1, [0, 0, 9_000], vec![region(2, 2, "active")]),
        answer(2, [0, 0, 9_000], vec![region(2, 2, "active")]),
        answer(3, [9_000, 9_000, 0], vec![lost]),
    ]));
    assert_eq!(report.state, Condition::Degraded);
    assert_eq!((report.regions[0].leader, report.regions[0].term), (Some(2), 4));
    assert!(report.warnings.iter().any(|it| it.contains("no other node hears it")));
}

/// Asked in the first moments of a cluster, before its nodes heard of each other.
#[test]
fn who_has_just_started_is_not_said_to_be_shut_out() {
    let young = |id| {
        let mut answer = answer(id, [0; 3], vec![region(1, 1, "active"), region(2, 1, "active")]);
        for seen in answer.seen.iter_mut().filter(|seen| seen.node != id) {
            (seen.state, seen.for_ms) = (Liveness::Never.into(), 80);
        }
        answer
    };
    let report = Report::new(&views((1..=3).map(young).collect()));
    assert_eq!((report.state, report.warnings.len()), (Condition::Degraded, 3));
    let first = &report.warnings[0];
    assert!(first.contains("has just started") && !first.contains("port"), "{first}");
}

#[test]
fn one_of_three_says_that_there_is_no_quorum() {
    let both = vec![region(1, 0, "no-quorum"), region(2, 1, "no-quorum")];
    let report = Report::new(&views(vec![answer(1, [0, 5_000, 6_000], both)]));
    assert_eq!((report.state, report.state.exit()), (Condition::NoQuorum, 2));
    let told = &report.warnings[0];
    assert!(told.starts_with("2 of 2 regions have no quorum: 1 of 3 replicas answer"), "{told}");
    assert!(told.contains("Bring back 1 of"), "{told}");
    assert!(report.regions.iter().all(|region| region.leader.is_none()));
    assert!(screen(&report).starts_with("cluster c1: NO QUORUM\n"));
}

#[test]
fn of_many_regions_the_worst_are_shown() {
    let mut many: Vec<_> = (1..=500).map(|id| region(id, 1 + id % 3, "active")).collect();
    many[321] = region(322, 0, "electing");
    many[77].applied = 3;
    let report = Report::new(&views((1..=3).map(|id| answer(id, [0; 3], many.clone())).collect()));
    assert_eq!(report.state, Condition::Degraded);
    let screen = screen(&report);
    assert!(screen.contains("500 regions: 499 active, 1 electing; "), "{screen}");
    let row = |id: u64| screen.lines().position(|line| line.starts_with(&format!("{id}  ")));
    assert!(row(322) < row(78) && row(322).is_some() && screen.lines().count() < 25, "{screen}");
}

/// Three nodes of which the second is as `change` says, in what it tells and in what the others see of it.
fn with_second(change: impl Fn(&mut NodeHealth, &mut NodeSeen)) -> Report {
    let both = || vec![region(1, 1, "active"), region(2, 1, "active")];
    let told = |id| {
        let mut answer = answer(id, [0; 3], both());
        let mut others = NodeHealth::default();
        let health = if id == 2 { answer.health.as_mut() } else { None };
        change(health.unwrap_or(&mut others), &mut answer.seen[1]);
        answer
    };
    Report::new(&views((1..=3).map(told).collect()))
}

#[test]
fn a_slow_disk_is_told_with_how_slow_it_is() {
    let report = with_second(|health, seen| {
        seen.slow_disk = true;
        (health.syncs, health.sync_mean_us, health.sync_longest_us) = (31, 312_000, 1_402_000);
    });
    assert_eq!((report.state, report.warnings.len()), (Condition::Degraded, 1));
    let told = &report.warnings[0];
    assert!(told.starts_with("node 2 (n2) has a slow disk: of 31 syncs"), "{told}");
    assert!(told.contains("took 1.4 s, all of them 312 ms on average; see who else"), "{told}");
    assert!(screen(&report).contains("up, slow-disk"));
    let stuck = with_second(|health, seen| {
        seen.slow_disk = true;
        health.sync_longest_us = 7_000_000;
    });
    assert!(stuck.warnings[0].contains("takes 7.0 s by now"), "{}", stuck.warnings[0]);
}

#[test]
fn who_lacks_processor_time_is_told_and_not_the_links_to_it() {
    let report = with_second(|health, seen| {
        (seen.starved, seen.slow_link, seen.late_ms) = (true, true, 900);
        health.tick_late_us = 450_000;
    });
    let told = &report.warnings[..];
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("node 2 (n2) lacks processor time: its threads"), "{}", told[0]);
    assert!(told[0].contains("450 ms late") && told[0].contains("CPUQuota"), "{}", told[0]);
}

#[test]
fn slow_links_of_one_node_are_one_sentence() {
    let report = with_second(|_, seen| {
        (seen.slow_link, seen.round_trip_us, seen.late_ms) = (true, 612_000, 80);
    });
    let told = &report.warnings[..];
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("node 2 (n2)'s links are slow: n1 (612 ms there"), "{}", told[0]);
    assert!(told[0].contains("n3 (612 ms there and back, beats up to 80 ms late)"), "{}", told[0]);
}

#[test]
fn descriptors_and_memory_are_told_when_little_is_left() {
    let files = |open| {
        with_second(move |health, seen| {
            (health.open_files, health.most_files, seen.crowded) = (open, 1_000, open >= 900);
        })
    };
    assert!(files(799).warnings.is_empty());
    assert!(files(800).warnings[0].contains("has 800 of 1000 file descriptors open: each"));
    let told = &files(900).warnings[0];
    assert!(told.contains("so clients are refused; raise the limit (`LimitNOFILE="), "{told}");
    // Who refuses clients refuses whoever asks it, too.
    let both = || vec![region(1, 1, "active"), region(2, 1, "active")];
    let told = |id| {
        let mut answer = answer(id, [0; 3], both());
        answer.seen[1].crowded = true;
        answer
    };
    let told = Report::new(&views([1, 3].map(told).to_vec())).warnings;
    assert!(
        told[1].starts_with("node 2 (n2) has its file descriptors open but for a few"),
        "{told:?}"
    );
    let memory = |used: u64, by: &'static str| {
        with_second(move |health, _| {
            (health.memory_used_bytes, health.memory_limit_bytes) = (used << 20, 1_000 << 20);
            health.memory_limit_by = by.to_owned();
        })
    };
    assert!(memory(849, "cgroup").warnings.is_empty());
    let told = &memory(850, "cgroup").warnings[0];
    assert!(told.starts_with("node 2 (n2) is short of memory: 850.0 MiB of the"), "{told}");
    assert!(told.contains("that its cgroup allows") && told.contains("MemoryMax="), "{told}");
    assert!(memory(850, "machine").warnings[0].contains("its machine has"));
    assert!(memory(850, "data").warnings[0].contains("ulimit"));
}
