use region::HostLimits;
use types::Code;

use crate::bed::{Bed, REGION};

#[test]
fn a_read_waits_for_a_quorum_and_covers_what_was_committed_before_it() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.propose(0, "a", 1);
    bed.run();
    let committed = bed.nodes[0].host.peer(REGION).unwrap().status().hard_state.commit;
    bed.nodes[0].host.read(REGION, 1, false);
    bed.nodes[2].host.read(REGION, 2, false);
    bed.run();
    assert!(matches!(bed.nodes[0].told.reads[..], [(1, index)] if index >= committed));
    assert!(matches!(bed.nodes[2].told.reads[..], [(2, index)] if index >= committed));

    bed.nodes[0].cut_off = true;
    bed.nodes[0].host.read(REGION, 3, false);
    bed.tick(3);
    assert_eq!(bed.nodes[0].told.reads.len(), 1, "a leader that is alone knows nothing");
}

#[test]
fn a_read_without_a_leader_is_given_up_in_time() {
    let limits = HostLimits { read_patience_ticks: 8, ..HostLimits::default() };
    let mut bed = Bed::new(3, limits);
    bed.nodes[1].cut_off = true;
    bed.nodes[1].host.read(REGION, 1, false);
    bed.tick(6);
    assert!(bed.nodes[1].told.failed_reads.is_empty(), "too early");
    bed.tick(4);
    assert_eq!(bed.nodes[1].told.failed_reads, [(1, Code::NoLeader)]);
}

#[test]
fn a_read_survives_a_change_of_leaders() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[0].cut_off = true;
    bed.nodes[2].host.read(REGION, 1, false);
    bed.run();
    assert!(bed.nodes[2].told.reads.is_empty());
    bed.tick(40);
    assert!(
        bed.nodes[1].told.leads.contains_key(&REGION)
            || bed.nodes[2].told.leads.contains_key(&REGION)
    );
    assert_eq!(bed.nodes[2].told.reads.len(), 1, "{:?}", bed.nodes[2].told);
}
