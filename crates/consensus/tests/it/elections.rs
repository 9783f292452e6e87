use types::PeerId;

use crate::cluster::{Cluster, config};

#[test]
fn three_fresh_voters_elect_one_leader_by_themselves() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    cluster.ticks(40);
    let leader = cluster.leader().expect("a leader");
    for id in [1, 2, 3] {
        assert_eq!(cluster.replica(id).leader(), Some(PeerId(leader)));
    }
}

#[test]
fn a_sole_voter_leads_at_once_and_again_right_after_a_restart() {
    let mut cluster = Cluster::new(&[1]);
    cluster.elect(1);
    cluster.put(1, "a");
    assert_eq!(cluster.node(1).values(), ["a"]);
    cluster.restart(1);
    cluster.elect(1);
    cluster.put(1, "b");
    assert_eq!(cluster.node(1).values(), ["a", "b"]);
}

#[test]
fn a_leader_cut_off_steps_down_and_another_is_elected() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    cluster.isolate(1);
    cluster.ticks(45);
    assert!(!cluster.replica(1).is_leader(), "no quorum answered for two election timeouts");
    let leader = cluster.leader().expect("a new leader");
    assert_ne!(leader, 1);
    // Its pre-votes in the meantime have not raised its term, so it disturbs nobody.
    let term = cluster.replica(leader).term();
    cluster.heal();
    cluster.ticks(5);
    assert_eq!(cluster.leader(), Some(leader));
    assert_eq!(cluster.replica(1).term(), term);
}

#[test]
fn a_shorter_log_is_not_elected() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    cluster.isolate(3);
    cluster.put(1, "a");
    cluster.heal();
    cluster.crash(1);
    // Peer 3 asks first, and peer 2 says no.
    for _ in 0..10 {
        cluster.replica(2).tick();
        cluster.replica(3).tick();
    }
    cluster.net.clear();
    cluster.replica(3).campaign().unwrap();
    cluster.settle();
    assert!(!cluster.replica(3).is_leader());
    cluster.ticks(40);
    assert_eq!(cluster.leader(), Some(2));
    assert!(cluster.node(3).values() == ["a"]);
}

#[test]
fn leadership_is_handed_over() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    assert_eq!(
        cluster.replica(2).transfer_leadership(PeerId(3)),
        Err(consensus::Error::NotLeader { leader: Some(PeerId(1)) })
    );
    cluster.replica(1).transfer_leadership(PeerId(3)).unwrap();
    assert_eq!(
        cluster.replica(1).propose(bytes::Bytes::from_static(b"x")),
        Err(consensus::Error::TransferInProgress { to: PeerId(3) })
    );
    cluster.settle();
    assert_eq!(cluster.leader(), Some(3));
    cluster.put(3, "after");
    assert!(cluster.agree());
}

#[test]
fn a_handover_to_a_dead_peer_is_given_up() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    cluster.crash(3);
    cluster.replica(1).transfer_leadership(PeerId(3)).unwrap();
    cluster.ticks(11);
    assert_eq!(cluster.replica(1).status().transferee, None);
    cluster.put(1, "goes on");
    assert_eq!(cluster.node(2).values(), ["goes on"]);
}

#[test]
fn a_handover_goes_through_right_after_the_target_restarted() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    cluster.restart(2);
    cluster.restart(3);
    cluster.ticks(2);
    cluster.replica(1).transfer_leadership(PeerId(2)).unwrap();
    cluster.settle();
    assert_eq!(cluster.leader(), Some(2), "the old leader asked for it: nobody's lease is broken");
}
