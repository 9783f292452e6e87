use region::HostLimits;
use types::Code;

use crate::bed::{Bed, REGION};

#[test]
fn what_is_committed_and_not_applied_is_bounded_and_room_comes_back() {
    let limits = HostLimits { unapplied_entries: 5, ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    bed.nodes[0].hold_applied = true;
    for waiting in 1..=6 {
        bed.propose(0, "x", waiting);
        bed.run();
    }
    assert!(bed.nodes[0].told.failed.is_empty(), "{:?}", bed.nodes[0].told.failed);
    assert_eq!(bed.nodes[0].host.peer(REGION).unwrap().unapplied(), 6);
    bed.propose(0, "too much", 7);
    bed.run();
    assert_eq!(bed.nodes[0].told.failed, [(7, Code::TooManyRequests)]);
    bed.nodes[0].hold_applied = false;
    bed.run();
    bed.propose(0, "again", 8);
    bed.run();
    assert_eq!(bed.nodes[0].told.answered.last(), Some(&8));
    assert!(!bed.applied(0).contains(&"too much".to_owned()), "a refused command was carried out");
}

#[test]
fn bytes_count_as_well_as_entries() {
    let limits = HostLimits { unapplied_bytes: 100, ..HostLimits::default() };
    let mut bed = Bed::led(1, limits);
    bed.nodes[0].hold_applied = true;
    bed.nodes[0].host.propose(REGION, vec![b'x'; 101].into(), 1);
    bed.run();
    bed.propose(0, "too much", 2);
    bed.run();
    assert_eq!(bed.nodes[0].told.failed, [(2, Code::TooManyRequests)]);
}

#[test]
fn waiting_proposals_and_reads_are_bounded() {
    let limits =
        HostLimits { proposals_per_region: 3, reads_per_region: 2, ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    bed.nodes[0].cut_off = true;
    for waiting in 1..=4 {
        bed.propose(0, "x", waiting);
    }
    for read in 11..=13 {
        bed.nodes[0].host.read(REGION, read);
    }
    bed.run();
    assert_eq!(bed.nodes[0].told.failed, [(4, Code::TooManyRequests)]);
    assert_eq!(bed.nodes[0].told.failed_reads, [(13, Code::TooManyRequests)]);
}

/// A follower that applies slowly does not collect what its leader commits, and loses nothing by it.
#[test]
fn a_follower_that_is_late_listens_again_once_it_has_caught_up() {
    let limits = HostLimits { unapplied_entries: 2, ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    bed.nodes[2].hold_applied = true;
    for waiting in 1..=30 {
        bed.propose(0, "x", waiting);
        bed.tick(1);
    }
    let held = bed.nodes[2].held_applied.len();
    assert!((8..20).contains(&held), "{held} entries are held");
    assert_eq!(bed.applied(0).len(), 30, "the quorum does not wait for it");
    bed.nodes[2].hold_applied = false;
    bed.finish(2);
    bed.tick(20);
    assert_eq!(bed.applied(2).len(), 30);
}
