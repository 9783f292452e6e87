//! A leader that lost sight of its quorum: how soon whoever waits there is told, and when it goes on.

use region::HostLimits;
use types::{Code, NodeId};

use crate::bed::{Bed, REGION};

/// Three nodes, the first of which leads and is cut off from both others.
fn cut_off() -> Bed {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[0].cut_off = true;
    bed.propose(0, "waits", 1);
    bed.nodes[0].host.read(REGION, 2, false);
    bed.run();
    bed
}

#[test]
fn who_waits_at_a_leader_that_lost_sight_of_its_quorum_is_told_three_ticks_later() {
    let mut bed = cut_off();
    bed.nodes[0].host.node_lost(NodeId(2));
    bed.tick(1);
    bed.nodes[0].host.node_lost(NodeId(3));
    bed.tick(2);
    let told = &bed.nodes[0].told;
    assert!(told.leads.contains_key(&REGION) && told.failed.is_empty(), "{told:?}");
    bed.tick(1);
    let told = &bed.nodes[0].told;
    assert!(!told.leads.contains_key(&REGION), "{told:?}");
    assert!(matches!(told.failed[..], [(1, _)]), "{told:?}");
    assert!(told.failed_reads.is_empty(), "reads wait for the next leader: they may be put again");
    bed.propose(0, "after", 3);
    bed.run();
    assert_eq!(bed.nodes[0].told.failed.last(), Some(&(3, Code::NotLeader)));
}

#[test]
fn a_leader_whose_quorum_is_back_in_time_or_was_never_lost_goes_on() {
    let mut bed = cut_off();
    let term = bed.nodes[0].told.leads[&REGION];
    for node in [2, 3] {
        bed.nodes[0].host.node_lost(NodeId(node));
    }
    bed.tick(2);
    bed.nodes[0].cut_off = false;
    bed.nodes[0].host.node_back(NodeId(3));
    bed.tick(40);
    assert_eq!(bed.nodes[0].told.leads.get(&REGION), Some(&term), "one of two is a quorum with it");
    assert_eq!(bed.nodes[0].told.answered, [1]);
}
