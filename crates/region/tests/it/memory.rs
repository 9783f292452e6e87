//! What groups hold, and what can be seen of them.

use region::HostLimits;
use types::{NodeId, RegionId};

use crate::bed::{Bed, REGION};

#[test]
fn what_a_group_kept_in_memory_goes_when_it_sleeps() {
    let limits = HostLimits { hibernate_after_ticks: Some(5), ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    for waiting in 0..20 {
        bed.nodes[0].host.propose(REGION, vec![b'x'; 8 << 10].into(), waiting);
        bed.run();
    }
    let before = bed.nodes[0].host.group_stats(REGION).unwrap().memory_bytes;
    assert!(before > 160 << 10, "{before}");
    bed.tick(15);
    for node in &bed.nodes {
        let stats = node.host.group_stats(REGION).unwrap();
        assert!(stats.hibernating);
        assert!(stats.memory_bytes < 6 << 10, "{stats:?}");
    }
    bed.nodes[0].host.propose(REGION, "again".into(), 99);
    bed.run();
    assert_eq!(bed.nodes[0].told.answered.last(), Some(&99));
    assert_eq!(bed.nodes[1].host.group_stats(REGION).unwrap().leader_node, Some(NodeId(1)));
}

#[test]
fn statistics_say_what_goes_on() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[2].cut_off = true;
    bed.nodes[0].hold_applied = true;
    bed.propose(0, "a", 1);
    bed.tick(4);
    let leader = bed.nodes[0].host.group_stats(REGION).unwrap();
    assert_eq!(leader.unapplied_entries, 1);
    assert_eq!(leader.ticks_since_leader, Some(0));
    let peers: Vec<_> =
        leader.peers.iter().map(|it| (it.node, it.matched == leader.last)).collect();
    let all = [1, 2, 3].map(NodeId);
    assert_eq!(peers, [(all[0], true), (all[1], true), (all[2], false)]);
    let cut = bed.nodes[2].host.group_stats(REGION).unwrap();
    assert_eq!((cut.ticks_since_leader, cut.leader_node), (Some(4), Some(NodeId(1))));
    assert_eq!(bed.nodes[0].host.group_stats(RegionId(99)), None);
}
