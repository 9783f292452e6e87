use region::HostLimits;
use types::Code;

use crate::bed::{Bed, OTHER, REGION};

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
    assert_eq!(bed.nodes[0].host.peer(REGION).unwrap().unapplied(), 5, "the sixth waits");
    bed.tick(12);
    assert_eq!(bed.nodes[0].told.failed, [(6, Code::TooManyRequests)], "but not for long");
    bed.propose(0, "too much", 7);
    bed.run();
    assert_eq!(bed.nodes[0].told.failed.last(), Some(&(7, Code::TooManyRequests)));
    bed.nodes[0].hold_applied = false;
    bed.run();
    bed.propose(0, "again", 8);
    bed.run();
    assert_eq!(bed.nodes[0].told.answered.last(), Some(&8));
    assert!(!bed.applied(0).contains(&"too much".to_owned()), "a refused command was carried out");
}

/// A burst larger than what may wait for the machine is not refused while the machine goes on.
#[test]
fn a_burst_waits_for_an_applier_that_goes_on_and_all_of_it_is_carried_out_in_order() {
    let limits = HostLimits { unapplied_entries: 5, ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    for waiting in 1..=100 {
        bed.propose(0, "x", waiting);
    }
    let mut most = 0;
    bed.nodes[0].hold_applied = true;
    while bed.nodes[0].told.answered.len() < 100 && bed.ticks < 1_000 {
        bed.tick(5);
        most = most.max(bed.nodes[0].host.peer(REGION).unwrap().unapplied());
        bed.nodes[0].hold_applied = false;
        bed.finish(0);
        bed.nodes[0].hold_applied = true;
    }
    assert_eq!(bed.nodes[0].told.failed, []);
    assert_eq!(bed.nodes[0].told.answered, (1..=100).collect::<Vec<_>>());
    assert_eq!(most, 5);
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
        bed.nodes[0].host.read(REGION, read, false);
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

/// Feature C10: what does not pass through the state machine does not wait for it.
#[test]
fn a_group_that_applies_slowly_refuses_commands_and_stays_alive() {
    let limits = HostLimits { unapplied_entries: 3, ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    for at in 0..3 {
        bed.nodes[at].hold_applied = true;
    }
    for waiting in 1..=4 {
        bed.propose(0, "x", waiting);
        bed.run();
    }
    let term = bed.nodes[0].told.leads[&REGION];
    for round in 0..10 {
        bed.propose(0, "too much", 100 + round);
        bed.nodes[0].host.read(REGION, 200 + round, false);
        bed.tick(5);
    }
    let told = &bed.nodes[0].told;
    assert_eq!(told.failed.len(), 11, "the fourth waited for an election timeout first");
    assert_eq!(told.leads[&REGION], term, "five election timeouts, and it leads on");
    assert_eq!(told.reads.len(), 10, "a quorum answers for it: keep-alives and read indexes go on");
    // And it can be replaced.
    bed.nodes[0].cut_off = true;
    bed.tick(45);
    let new = (1..3).find(|at| bed.nodes[*at].told.leads.contains_key(&REGION));
    assert!(new.is_some(), "{:?}", bed.nodes[1].host.group_stats(REGION));
}

/// One group gets more in one round than it may have: its neighbour's command is not behind that.
#[test]
fn a_flood_for_one_group_is_refused_beyond_its_bound_and_no_neighbour_waits() {
    let limits = HostLimits { proposals_per_region: 100, ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    for waiting in 1..=10_000 {
        bed.propose(0, "x", waiting);
    }
    bed.nodes[0].host.propose(OTHER, "small".into(), 0);
    assert_eq!(bed.nodes[0].host.group_stats(REGION).unwrap().pending_proposals, 100);
    let output = bed.nodes[0].host.poll();
    assert_eq!(output.failed_proposals.len(), 9_900);
    let entries: usize = output.writes.iter().map(|write| write.entries.len()).sum();
    assert_eq!(entries, 101, "all that one round carries");
    let of_other = output.messages.iter().filter(|(_, message)| message.region == OTHER).count();
    assert_eq!(of_other, 2);
}
