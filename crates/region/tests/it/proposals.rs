use region::HostLimits;
use types::Code;

use crate::bed::{Bed, REGION};

#[test]
fn a_proposal_comes_back_with_its_entry_once_a_quorum_has_it() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[1].hold_writes = true;
    bed.nodes[2].hold_writes = true;
    bed.propose(0, "a", 1);
    bed.propose(0, "b", 2);
    bed.run();
    assert!(bed.nodes[0].told.answered.is_empty(), "only one disk has it");
    bed.nodes[2].hold_writes = false;
    bed.run();
    assert_eq!(bed.nodes[0].told.answered, [1, 2]);
    assert_eq!(bed.applied(0), ["a", "b"]);
}

#[test]
fn a_leader_that_writes_slowly_commits_with_the_disks_of_the_others() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[0].hold_writes = true;
    bed.propose(0, "a", 1);
    bed.run();
    assert_eq!(bed.applied(1), ["a"], "two disks have it");
    assert!(bed.applied(0).is_empty(), "it is committed, but not durable here");
    bed.nodes[0].hold_writes = false;
    bed.run();
    assert_eq!(bed.nodes[0].told.answered, [1]);
}

/// Nobody knows what became of it: it may be committed by the next leader, or overwritten.
#[test]
fn proposals_of_a_leader_that_lost_its_term_come_back_as_unknown_and_the_others_entry_counts() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[0].cut_off = true;
    bed.propose(0, "overwritten", 1);
    bed.run();
    bed.nodes[1].host.campaign(REGION);
    bed.tick(25);
    let leader = (1..3).find(|at| bed.nodes[*at].told.leads.contains_key(&REGION)).unwrap();
    bed.propose(leader, "instead", 2);
    bed.run();
    bed.nodes[0].cut_off = false;
    bed.tick(10);
    let told = &bed.nodes[0].told;
    assert!(told.answered.is_empty(), "{told:?}");
    assert_eq!(told.failed, [(1, Code::LeaderChanged)], "told once, and not as failed for certain");
    for at in 0..3 {
        assert_eq!(bed.applied(at), ["instead"], "node {}", at + 1);
    }
    bed.propose(0, "late", 3);
    bed.run();
    assert_eq!(bed.nodes[0].told.failed[1..], [(3, Code::NotLeader)]);
}

#[test]
fn leadership_is_handed_over_when_asked() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[0].host.transfer(REGION, types::NodeId(3)).unwrap();
    bed.tick(2);
    assert!(bed.nodes[2].told.leads.contains_key(&REGION), "{:?}", bed.nodes[2].told);
    bed.propose(2, "there", 1);
    bed.run();
    assert_eq!(bed.nodes[2].told.answered, [1]);
}

#[test]
fn closing_tells_everybody_who_waits() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[0].cut_off = true;
    bed.propose(0, "a", 1);
    bed.nodes[0].host.read(REGION, 2, false);
    bed.run();
    bed.nodes[0].host.close(Code::ShuttingDown);
    bed.run();
    let told = &bed.nodes[0].told;
    assert_eq!(told.failed, [(1, Code::ShuttingDown)]);
    assert_eq!(told.failed_reads, [(2, Code::ShuttingDown)]);
}
