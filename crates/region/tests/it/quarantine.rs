use region::HostLimits;
use types::{Code, Index};

use crate::bed::{Bed, OTHER, REGION};

#[test]
fn a_replica_that_panics_is_set_aside_and_its_neighbour_goes_on() {
    let mut bed = Bed::led(1, HostLimits::default());
    bed.nodes[0].hold_writes = true;
    bed.propose(0, "lost", 1);
    bed.nodes[0].host.read(REGION, 2, false);
    bed.run();
    // The driver says that something was applied which was never handed out.
    bed.nodes[0].host.applied(REGION, Index(1_000));
    bed.nodes[0].hold_writes = false;
    bed.run();
    let told = &bed.nodes[0].told;
    let (region, reason) = &told.quarantined[0];
    assert_eq!((*region, told.quarantined.len()), (REGION, 1));
    assert!(reason.contains("1000"), "the reason does not say what happened: {reason}");
    assert_eq!(told.failed, [(1, Code::Corrupt)], "whoever waited must be told");

    bed.propose(0, "later", 3);
    bed.nodes[0].host.read(REGION, 4, false);
    bed.nodes[0].host.propose(OTHER, "kept".into(), 5);
    bed.tick(3);
    let told = &bed.nodes[0].told;
    assert_eq!(told.failed[1..], [(3, Code::Corrupt)]);
    assert!(told.failed_reads.contains(&(4, Code::Corrupt)), "{:?}", told.failed_reads);
    assert_eq!(told.answered, [5], "the neighbour serves");
    assert!(bed.nodes[0].host.peer(REGION).is_none() && bed.nodes[0].host.peer(OTHER).is_some());
}

#[test]
fn the_other_nodes_go_on_without_a_replica_that_broke() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[2].host.quarantine(REGION, "its log does not take what it writes".into());
    bed.propose(0, "one", 1);
    bed.tick(30);
    assert_eq!(bed.nodes[0].told.answered, [1]);
    assert_eq!(bed.applied(1), ["one"]);
    assert!(bed.applied(2).is_empty());
    assert_eq!(bed.nodes[2].told.quarantined.len(), 1, "told once");
}

#[test]
fn a_replica_that_left_writes_nothing_more_and_tells_who_waits() {
    let mut bed = Bed::led(1, HostLimits::default());
    bed.propose(0, "kept", 1);
    bed.run();
    let host = &mut bed.nodes[0].host;
    let state = host.peer(REGION).unwrap().status().hard_state;
    host.propose(REGION, "lost".into(), 2);
    host.compact(REGION, state.commit, state.term);
    host.remove(REGION);
    let output = host.poll();
    assert!(output.writes.is_empty(), "its log goes next: {:?}", output.writes);
    assert_eq!(output.failed_proposals, [(2, Code::RegionNotFound)]);
    assert!(host.peer(REGION).is_none() && output.quarantined.is_empty());
    // One that comes later is another one, and nobody has to know.
    bed.nodes[0].host.propose(REGION, "later".into(), 3);
    assert_eq!(bed.nodes[0].host.poll().failed_proposals, [(3, Code::RegionNotFound)]);
}
