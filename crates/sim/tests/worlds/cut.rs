//! What is left out of a world.

use sim::{Cut, SWARMS_FROM, swarm};

#[test]
fn seeds_of_before_have_every_fault_and_swarms_differ() {
    assert!((1..50).all(|seed| swarm(seed, 16) == u64::MAX));
    let swarms: Vec<u64> = (0..200).map(|seed| swarm(SWARMS_FROM + seed, 16)).collect();
    for kind in 0..16 {
        let with = swarms.iter().filter(|swarm| *swarm & 1 << kind != 0).count();
        assert!((60..150).contains(&with), "kind {kind} in {with} of 200");
    }
    assert!(swarms.iter().any(|swarm| swarm.count_ones() < 5));
    assert!(swarms.iter().any(|swarm| swarm.count_ones() > 12));
}

#[test]
fn faults_are_left_out_by_number() {
    let cut = Cut { faults: 1 << 3 | 1 << 127, ..Cut::default() };
    let left_out: Vec<u32> = (0..200).filter(|number| cut.leaves_out(*number)).collect();
    assert_eq!(left_out, [3, 127]);
}
