use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::native::{
    HotKey, HotRegion, HotResponse, Keyspace, Liveness, NodeHealth, NodeInfo, NodeSeen,
    NodeStatusResponse, RegionInfo, Role,
};

use super::draw::{Sort, View, frame, plain};
use super::picture::Picture;
use super::sample::Sample;
use super::terminal::{Key, meant};
use crate::cli::series::Series;
use crate::cli::status::collect::Views;
use crate::cli::status::report::Report;

/// What one node says when `puts` were carried out, in so many regions; the third is behind.
fn answer(puts: u64, regions: u64) -> NodeStatusResponse {
    let region = |id: u64| RegionInfo {
        id,
        keyspace: 1,
        leader: 1,
        role: Role::Leader.into(),
        commit: 10 + puts * u64::from(id == 2),
        applied: 10 + puts * u64::from(id == 2) - 3 * u64::from(id == 3),
        nodes: vec![1],
        state: "active".to_owned(),
        ..RegionInfo::default()
    };
    NodeStatusResponse {
        cluster: "0123456789abcdef".to_owned(),
        node: 1,
        version: "1".to_owned(),
        nodes: vec![NodeInfo { id: 1, name: "n1".to_owned(), ..NodeInfo::default() }],
        keyspaces: vec![Keyspace { id: 1, name: "default".to_owned(), ..Keyspace::default() }],
        regions: (1..=regions).map(region).collect(),
        seen: vec![NodeSeen { node: 1, state: Liveness::Alive.into(), ..NodeSeen::default() }],
        health: Some(NodeHealth { disk_free_bytes: 1 << 30, ..NodeHealth::default() }),
        ..NodeStatusResponse::default()
    }
}

fn sample(at: Instant, puts: u64, regions: u64) -> Sample {
    let series = format!(
        "hiraeth_proposals_total{{outcome=\"applied\"}} {puts}\n\
         hiraeth_proposals_total{{outcome=\"NoLeader\"}} {}\nhiraeth_reads_total{{mode=\"lease\"}} 7\n\
         hiraeth_write_seconds_bucket{{le=\"0.002\"}} {}\n\
         hiraeth_write_seconds_bucket{{le=\"0.064\"}} {puts}\n\
         hiraeth_write_seconds_bucket{{le=\"+Inf\"}} {puts}\nhiraeth_watches 12\n",
        puts / 10,
        puts * 9 / 10,
    );
    let key = HotKey { key: b"a\x1b[2J\n".as_slice().into(), rate: 300, bounded: false };
    let hot = HotRegion {
        region: 2,
        keyspace: 1,
        keyspace_name: "default".to_owned(),
        rate: 400,
        keys: vec![key],
    };
    let views = Views {
        answers: BTreeMap::from([(1, answer(puts, regions))]),
        failures: BTreeMap::new(),
        strangers: Vec::new(),
    };
    Sample {
        at,
        report: Report::new(&views),
        series: BTreeMap::from([(1, Series::parse(&series))]),
        hot: Some(vec![HotResponse { node: 1, regions: vec![hot] }]),
    }
}

fn picture(regions: u64) -> Picture {
    let now = Instant::now();
    let (before, after) =
        (sample(now, 100, regions), sample(now + Duration::from_secs(2), 1_100, regions));
    Picture::new(&before, &after)
}

#[test]
fn rates_and_latencies_are_of_the_time_between() {
    let picture = picture(3);
    let near = |one: f64, other: f64| (one - other).abs() < 1e-6;
    assert!(near(picture.writes_per_s, 500.0) && near(picture.failed_per_s, 50.0));
    assert!(near(picture.reads_per_s, 0.0) && near(picture.watches, 12.0));
    assert!(near(picture.write_half_ms.unwrap(), 2.0) && near(picture.write_99_ms.unwrap(), 64.0));
    assert_eq!((picture.read_wait_99_ms, picture.nodes[0].sync_99_ms), (None, None));
    let two = &picture.regions[1];
    assert!(near(two.commits_per_s, 500.0) && two.requests_per_s == Some(400));
    assert_eq!((picture.keys[0].requests_per_s, picture.keys[0].region), (300, 2));
    // Who was started again counts from 0.
    let now = Instant::now();
    let after = sample(now + Duration::from_secs(1), 30, 3);
    assert!(near(Picture::new(&sample(now, 9_000, 3), &after).writes_per_s, 30.0));
}

/// A line as a terminal shows it.
fn shown(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut text = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| text.push_str(part.split_once('m').unwrap().1));
    text
}

#[test]
fn it_fits_every_screen_and_says_what_matters_first() {
    let picture = picture(60);
    for (columns, lines) in [(80, 24), (200, 70), (40, 10), (12, 4)] {
        let frame = frame(&picture, &View::default(), columns, lines);
        assert!(frame.len() <= lines, "{} lines on {columns}x{lines}", frame.len());
        let widest = frame.iter().map(|line| shown(line).chars().count()).max();
        assert!(widest <= Some(columns.max(10)), "{widest:?} columns on {columns}x{lines}");
        assert!(shown(frame.last().unwrap()).starts_with("q quit  s"), "{frame:?}");
    }
    let lines: Vec<String> =
        frame(&picture, &View::default(), 80, 24).iter().map(|line| shown(line)).collect();
    assert!(lines[0].starts_with("cluster 01234567  healthy  1 of 1 servers up, 60 regions"));
    assert!(lines[1].starts_with("writes 500/s  reads 0/s  failed 50/s  watches 12"), "{lines:#?}");
    // Bytes of a key move no cursor.
    assert!(lines.iter().any(|line| line.starts_with("a\\u{1b}[2J\\n  default")), "{lines:#?}");
    let first = |view: &View| {
        let lines = frame(&picture, view, 80, 24);
        let at = lines.iter().position(|line| shown(line).starts_with("REGION")).unwrap();
        shown(&lines[at + 1]).split(' ').next().unwrap().to_owned()
    };
    assert_eq!(first(&View::default()), "2");
    assert_eq!(first(&View { sort: Sort::Behind, ..View::default() }), "3");
    assert_eq!(first(&View { sort: Sort::Number, first: 7, ..View::default() }), "8");
    let mut out = Vec::new();
    plain(&mut out, &picture).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\x1b') && text.lines().count() < 40, "{text}");
}

#[test]
fn a_server_that_warns_is_up_and_one_that_is_silent_is_not() {
    let now = Instant::now();
    let look = |change: &dyn Fn(&mut NodeStatusResponse)| {
        let mut answer = answer(1, 1);
        answer.nodes.push(NodeInfo { id: 2, name: "n2".to_owned(), ..NodeInfo::default() });
        answer.seen[0].disk_low = true;
        change(&mut answer);
        let views = Views {
            answers: BTreeMap::from([(1, answer)]),
            failures: BTreeMap::from([(2, "connection refused".to_owned())]),
            strangers: Vec::new(),
        };
        let report = Report::new(&views);
        Sample { at: now, report, series: BTreeMap::new(), hot: None }
    };
    // Whom the others suspect and who answers is up, too.
    for state in [Liveness::Alive, Liveness::Suspected] {
        let sample = look(&|answer| answer.seen[0].state = state.into());
        let picture = Picture::new(&sample, &sample);
        let states: Vec<&str> = picture.nodes.iter().map(|node| node.state.as_str()).collect();
        assert_eq!(states, ["disk-low", "unreachable"]);
        let first = shown(&frame(&picture, &View::default(), 80, 24)[0]);
        assert!(first.contains("  1 of 2 servers up"), "{first}");
    }
}

#[test]
fn keys_are_told_apart() {
    let all = meant(b"s\x1b[A\x1bOB\x1b[6~p k\x03");
    let wanted = [
        Key::Sort,
        Key::Up(1),
        Key::Down(1),
        Key::Down(10),
        Key::Pause,
        Key::Pause,
        Key::Keys,
        Key::Quit,
    ];
    assert_eq!(all, wanted);
    assert_eq!(meant(b"\x1b"), [Key::Quit]);
    assert_eq!(meant(b"\x1b[1;5Cq"), [Key::Other], "an unknown key is one key");
}
