//! A leader whose node is lost from sight: how soon there is another one, and when there must be none.

use consensus::Config;
use types::RegionId;

use crate::cluster::{Cluster, config};

/// Ticks until the others of a crashed leader have another one, terms it took, and who it is.
fn succession(mut cluster: Cluster, leader: u64) -> (usize, u64, u64) {
    let term = cluster.replica(leader).term();
    cluster.crash(leader);
    let orphans: Vec<u64> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
    orphans.iter().for_each(|id| cluster.replica(*id).orphan());
    for ticks in 1..100 {
        cluster.tick();
        if let Some(new) = orphans.iter().find(|id| cluster.replica(**id).is_leader()) {
            return (ticks, cluster.replica(*new).term().get() - term.get(), *new);
        }
    }
    panic!("nobody was elected");
}

#[test]
fn a_lost_leader_is_replaced_at_once_in_one_term_whichever_it_was() {
    let mut successors = std::collections::BTreeSet::new();
    for region in 1..=8 {
        for voters in [3, 5, 7] {
            let ids: Vec<u64> = (1..=voters).collect();
            for leader in &ids {
                let config = Config { region: RegionId(region), ..config(Default::default()) };
                let mut cluster = Cluster::with(&ids, config);
                cluster.elect(*leader);
                cluster.ticks(2);
                let (ticks, terms, new) = succession(cluster, *leader);
                assert_eq!((ticks, terms), (2, 1), "{leader} of {voters}");
                successors.insert((voters, *leader, new));
            }
        }
    }
    assert_eq!(
        successors.len(),
        3 * 2 + 5 * 4 + 7 * 6,
        "each takes over from each, in some region"
    );
}

#[test]
fn who_is_bound_waits_for_the_end_of_the_promise() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    cluster.replica(1).bind();
    cluster.ticks(2);
    assert!(cluster.replica(2).is_bound() && cluster.replica(3).is_bound());
    let (ticks, terms, _) = succession(cluster, 1);
    assert_eq!(terms, 1);
    assert!((5..=7).contains(&ticks), "{ticks} ticks: a promise is five");

    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    cluster.replica(1).bind();
    cluster.ticks(40);
    assert_eq!(cluster.replica(1).binding(), None, "nobody asked any more");
    assert_eq!(succession(cluster, 1).0, 2);
}

#[test]
fn who_alone_lost_sight_of_the_leader_changes_nothing() {
    let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
    let term = cluster.replica(1).term();
    cluster.cut = [(1, 3), (3, 1)].into();
    cluster.replica(3).orphan();
    cluster.ticks(30);
    assert!(cluster.replica(1).is_leader());
    cluster.heal();
    cluster.ticks(5);
    assert_eq!((cluster.leader(), cluster.replica(3).term()), (Some(1), term));
    // It heard its leader, and is patient again.
    cluster.isolate(1);
    cluster.ticks(8);
    assert!(cluster.replica(1).is_leader() && cluster.replica(3).leader().is_some());
}

#[test]
fn the_next_in_turn_stands_when_the_first_has_a_shorter_log() {
    for behind in [2, 3] {
        let mut cluster = Cluster::led(&[1, 2, 3], config(Default::default()));
        cluster.isolate(behind);
        cluster.put(1, "a");
        cluster.heal();
        cluster.net.clear();
        let (ticks, terms, _) = succession(cluster, 1);
        assert!(ticks <= 4 && terms == 1, "{behind}: {ticks} ticks, {terms} terms");
    }
}
