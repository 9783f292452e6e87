use bytes::Bytes;
use consensus::{ConfChange, Error, Guards, PeerChange};
use types::{ConfState, PeerId};

use crate::cluster::{Cluster, config, voters};

fn change(cluster: &mut Cluster, leader: u64, change: ConfChange) {
    cluster.replica(leader).propose_conf_change(change, Bytes::from_static(b"n1")).unwrap();
    cluster.settle();
}

#[test]
fn a_learner_catches_up_without_a_vote_and_is_promoted() {
    let mut cluster = Cluster::led(&[1], config(Guards::default()));
    cluster.put(1, "before");
    cluster.add(2, ConfState::default());
    change(&mut cluster, 1, ConfChange::add_learner(PeerId(2)));
    cluster.ticks(3);
    assert!(cluster.agree());
    cluster.crash(2);
    cluster.put(1, "commits without the learner");
    assert_eq!(cluster.node(1).values().len(), 2);
    let status = cluster.replica(1).status();
    assert!(status.peers[1].learner);
    cluster.start(2);
    assert_eq!(cluster.replica(2).campaign(), Err(Error::NoSuchPeer(PeerId(2))));
    let handover = cluster.replica(1).transfer_leadership(PeerId(2));
    assert_eq!(handover, Err(Error::NoSuchPeer(PeerId(2))));
    cluster.ticks(40);
    assert_eq!(cluster.leader(), Some(1));
    change(&mut cluster, 1, ConfChange::add_voter(PeerId(2)));
    cluster.ticks(3);
    assert_eq!(cluster.node(2).conf, voters(&[1, 2]));
    cluster.crash(2);
    cluster.propose(1, "does not commit without the voter");
    cluster.settle();
    assert_eq!(cluster.node(1).values().len(), 2);
}

#[test]
fn a_removed_follower_is_no_longer_counted_or_heard() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    change(&mut cluster, 1, ConfChange::remove(PeerId(3)));
    assert_eq!(cluster.node(1).conf, voters(&[1, 2]));
    cluster.ticks(60);
    assert_eq!(cluster.leader(), Some(1), "peer 3 stands for election in vain");
    cluster.put(1, "a");
    assert_eq!(cluster.node(2).values(), ["a"]);
    assert!(cluster.node(3).values().is_empty());
}

#[test]
fn one_change_at_a_time_and_only_what_fits() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    let mut propose =
        |change| cluster.replica(1).propose_conf_change(change, Bytes::new()).map(drop);
    assert!(matches!(propose(ConfChange::LeaveJoint), Err(Error::InvalidConfChange(_))));
    assert!(matches!(propose(ConfChange::Joint(vec![])), Err(Error::InvalidConfChange(_))));
    assert!(matches!(propose(ConfChange::add_voter(PeerId(0))), Err(Error::InvalidConfChange(_))));
    assert_eq!(propose(ConfChange::add_learner(PeerId(4))), Ok(()));
    assert_eq!(propose(ConfChange::add_learner(PeerId(5))), Err(Error::ConfChangePending));
    cluster.settle();
    assert_eq!(cluster.node(3).conf.learners, [PeerId(4)]);
}

#[test]
fn a_rejected_change_changes_nothing_and_frees_the_way() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    let rejected = Bytes::from_static(b"reject");
    cluster.replica(1).propose_conf_change(ConfChange::remove(PeerId(3)), rejected).unwrap();
    cluster.settle();
    assert_eq!(cluster.node(2).conf, voters(&[1, 2, 3]));
    change(&mut cluster, 1, ConfChange::remove(PeerId(2)));
    assert_eq!(cluster.node(1).conf, voters(&[1, 3]));
}

fn replace() -> ConfChange {
    ConfChange::Joint(vec![
        PeerChange::AddVoter(PeerId(4)),
        PeerChange::Remove(PeerId(2)),
        PeerChange::AddLearner(PeerId(3)),
    ])
}

#[test]
fn a_joint_change_is_left_by_itself_and_at_once() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.add(4, ConfState::default());
    change(&mut cluster, 1, replace());
    // No tick was needed: the entry that leaves is sent when it is written.
    let conf = ConfState { learners: vec![PeerId(3)], ..voters(&[1, 4]) };
    assert_eq!(cluster.node(1).conf, conf);
    cluster.ticks(4);
    assert_eq!(cluster.node(4).conf, conf);
    cluster.put(1, "a");
    assert_eq!(cluster.node(4).values(), ["a"]);
}

#[test]
fn a_joint_change_is_left_after_everybody_crashed_in_it() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.add(4, ConfState::default());
    cluster.replica(1).propose_conf_change(replace(), Bytes::new()).unwrap();
    for id in 1..=4 {
        cluster.drain(id);
    }
    // Everybody applied the first half, nobody wrote the second.
    for _ in 0..1_000 {
        let Some(message) = cluster.net.pop_front() else { break };
        if cluster.node(1).conf.auto_leave {
            break;
        }
        cluster.deliver(message);
    }
    assert!(cluster.node(1).conf.auto_leave);
    let last = cluster.node(1).log.0.lock().unwrap().entries.len();
    cluster.net.clear();
    for id in 1..=4 {
        cluster.crash(id);
    }
    let written = cluster.node(1).log.0.lock().unwrap().entries[last - 1].clone();
    if written.data.is_empty() && written.kind == types::EntryKind::ConfChange {
        cluster.node(1).log.0.lock().unwrap().entries.pop();
    }
    for id in 1..=4 {
        cluster.start(id);
    }
    cluster.ticks(80);
    let leader = cluster.leader().expect("a leader");
    assert!(cluster.node(leader).conf.voters_outgoing.is_empty(), "left by the next leader");
    assert_eq!(cluster.node(leader).conf.voters, [PeerId(1), PeerId(4)]);
}

#[test]
fn applying_past_a_change_of_the_peers_is_a_bug_that_is_told() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Guards::default()));
    cluster.node(1).hold_apply = true;
    change(&mut cluster, 1, ConfChange::remove(PeerId(3)));
    let index = cluster.node(1).unapplied[0].index;
    let skipped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cluster.replica(1).applied(index);
    }));
    assert!(skipped.is_err());
}
