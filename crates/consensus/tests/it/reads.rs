use consensus::{Error, Guards};
use types::ConfState;

use crate::cluster::{Cluster, config};

#[test]
fn any_replica_learns_the_read_index() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    let written = cluster.put(1, "a");
    for id in [1, 2, 3] {
        let context = cluster.replica(id).read_index().unwrap();
        assert_eq!(cluster.replica(id).status().pending_reads, 1);
        cluster.settle();
        assert_eq!(cluster.node(id).reads, [(context, written)]);
        assert_eq!(cluster.replica(id).status().pending_reads, 0);
    }
}

#[test]
fn a_read_takes_one_quorum_round_however_many_wait() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.node(1).reads.clear();
    for _ in 0..100 {
        cluster.replica(1).read_index().unwrap();
    }
    cluster.settle();
    assert_eq!(cluster.node(1).reads.len(), 100);
}

#[test]
fn a_sole_voter_answers_at_once() {
    let mut cluster = Cluster::led(&[1], config(Guards::default()));
    cluster.replica(1).read_index().unwrap();
    cluster.drain(1);
    assert_eq!(cluster.node(1).reads.len(), 1);
}

#[test]
fn no_leader_no_read() {
    let mut cluster = Cluster::new(&[1, 2, 3]);
    let refused = Err(Error::NotLeader { leader: None });
    assert_eq!(cluster.replica(1).read_index(), refused);
}

#[test]
fn waiting_reads_are_bounded() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.isolate(1);
    let mut taken = 0;
    let refused = loop {
        match cluster.replica(1).read_index() {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((taken, refused), (4_096, Error::TooManyReads));
    cluster.ticks(11);
    assert_eq!(cluster.node(1).reads_failed.len(), 4_096, "every one of them ended");
}

#[test]
fn a_learner_reads_too_but_a_stranger_does_not() {
    let mut cluster = Cluster::led(&[1], config(Guards::default()));
    cluster.add(2, ConfState::default());
    let change = consensus::ConfChange::add_learner(types::PeerId(2));
    cluster.replica(1).propose_conf_change(change, bytes::Bytes::new()).unwrap();
    cluster.settle();
    cluster.ticks(3);
    cluster.replica(2).read_index().unwrap();
    cluster.settle();
    assert_eq!(cluster.node(2).reads.len(), 1);

    let mut ask = crate::craft::Craft::new(consensus::MessageKind::ReadIndex, 9, 1, 0);
    ask.context = vec![0; 24];
    let refused = cluster.replica(1).step(ask.message());
    assert_eq!(refused, Err(Error::NoSuchPeer(types::PeerId(9))));
}
