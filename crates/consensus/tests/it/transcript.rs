//! A run to read: what three replicas say and do, from the first election to a snapshot. Rewrite it
//! with `UPDATE=1 cargo test -p consensus transcript`.

use bytes::Bytes;
use consensus::ConfChange;
use types::{ConfState, PeerId};

use crate::cluster::{Cluster, config};

fn say(cluster: &mut Cluster, what: &str) {
    cluster.trace.push(String::new());
    cluster.trace.push(format!("# {what}"));
}

#[test]
fn transcript() {
    let mut cluster = Cluster::with(&[1, 2, 3], config(Default::default()));
    say(&mut cluster, "Peer 1 stands for election, asking first whether it could win.");
    cluster.elect(1);
    say(&mut cluster, "A command is replicated, committed and applied.");
    cluster.put(1, "a");
    say(&mut cluster, "Peer 3 reads: it asks the leader for the index, which asks a quorum.");
    cluster.replica(3).read_index().unwrap();
    cluster.settle();
    say(&mut cluster, "Peer 1 is cut off with a command nobody else has; time passes.");
    cluster.isolate(1);
    cluster.propose(1, "lost");
    while !(cluster.replica(2).is_leader() || cluster.replica(3).is_leader()) {
        cluster.tick();
    }
    let leader = cluster.leader().unwrap();
    cluster.put(leader, "kept");
    say(&mut cluster, "It comes back, and its tail is replaced.");
    cluster.heal();
    cluster.ticks(3);
    say(&mut cluster, "Peer 4 joins as a learner. Its log starts with a snapshot.");
    cluster.add(4, ConfState::default());
    let join = ConfChange::add_learner(PeerId(4));
    cluster.replica(leader).propose_conf_change(join, Bytes::new()).unwrap();
    cluster.settle();
    cluster.ticks(5);
    say(&mut cluster, "Leadership is handed to peer 1.");
    cluster.replica(leader).transfer_leadership(PeerId(1)).unwrap();
    cluster.settle();
    assert!(cluster.agree());

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/testdata/transcript.txt");
    let transcript = cluster.trace.join("\n") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &transcript).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    for (at, (now, known)) in transcript.lines().zip(known.lines()).enumerate() {
        assert_eq!(now, known, "line {} of {path}", at + 1);
    }
    assert_eq!(transcript, known);
}
