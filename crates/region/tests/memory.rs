//! Alone in its process: what is measured is the process' memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use consensus::{LogFailure, LogReader};
use region::{Host, HostLimits, PeerStart};
use types::{ConfState, Entry, Incarnation, Index, NodeId, PeerId, RegionId};

struct Empty;

impl LogReader for Empty {
    fn entries(&self, _: Index, _: Index, _: u64) -> Result<Vec<Entry>, LogFailure> {
        Ok(Vec::new())
    }
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_usize);
    pages * 4_096
}

/// What a group may cost a node while nothing goes on in it: everything of this crate and below.
#[test]
fn a_sleeping_group_is_small() {
    const GROUPS: usize = 5_000;
    let before = resident();
    let mut host: Host<u64, u64> = Host::new(HostLimits {
        hibernate_after_ticks: Some(1),
        wakes_per_tick: 1_000_000,
        ..HostLimits::default()
    });
    for id in 1..=GROUPS as u64 {
        let (region, peer) = (RegionId(id), PeerId::on(NodeId(1), 0));
        let voters = vec![peer];
        let start = consensus::Start::bootstrap(ConfState { voters, ..ConfState::default() });
        let config = consensus::Config::new(region, peer, 1, Incarnation(1));
        let log = Box::new(Empty);
        host.create(PeerStart { region, config, start, log }).unwrap();
        host.campaign(region);
    }
    for _ in 0..4 {
        let output = host.poll();
        for write in output.writes {
            host.persisted(write.region, write.number.unwrap());
        }
        for committed in output.committed {
            host.applied(committed.region, committed.entries.last().unwrap().index);
        }
    }
    (0..3).for_each(|_| host.tick());
    drop(host.poll());
    assert_eq!(host.awake(), 0);
    let each = resident().saturating_sub(before) / GROUPS;
    let told = host.group_stats(RegionId(1)).unwrap().memory_bytes;
    println!("{each} bytes resident, {told} told");
    assert!(each <= 6_144, "{each} bytes");
    assert!(told <= each * 2 && each <= told * 4, "{told} bytes told, {each} resident");
}
