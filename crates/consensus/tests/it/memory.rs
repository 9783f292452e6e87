use consensus::{MessageKind, Replica, Start};
use types::{Incarnation, PeerId, RegionId};

use crate::cluster::{Shared, voters};
use crate::craft::{Craft, entry};

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_usize);
    pages * 4_096
}

/// A node carries 10,000 replicas, nearly all of them idle.
#[test]
fn an_idle_replica_is_small() {
    assert!(size_of::<Replica>() <= 2_048, "{} bytes", size_of::<Replica>());
    let before = resident();
    let replicas: Vec<_> = (1..=10_000)
        .map(|region| {
            let config = consensus::Config::new(RegionId(region), PeerId(1), 1, Incarnation(1));
            let start = Start::bootstrap(voters(&[1, 2, 3]));
            let mut replica = Replica::new(config, start, Box::<Shared>::default()).unwrap();
            let append = Craft::append((2, 1, 2), (1, 1), vec![entry(2, 2, "")], 1);
            replica.step(append).unwrap();
            let ready = replica.ready().unwrap();
            replica.persisted(ready.number);
            let mut beat = Craft::new(MessageKind::Heartbeat, 2, 1, 2);
            beat.commit = 2;
            replica.step(beat.message()).unwrap();
            let ready = replica.ready().unwrap();
            replica.applied(ready.committed[0].index);
            replica.release_memory();
            replica
        })
        .collect();
    let each = resident().saturating_sub(before) / replicas.len();
    println!("{} bytes inline, {each} bytes resident", size_of::<Replica>());
    assert!(each <= 6_144, "{each} bytes");
}
