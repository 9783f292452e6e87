//! Groups that rest: what they cost, what wakes them, and that nobody is stuck because of it.

use region::{ClockRules, HostGuards, HostLimits};
use types::{NodeId, RegionId};

use crate::bed::{Bed, OTHER, REGION};

const LIMITS: fn() -> HostLimits =
    || HostLimits { hibernate_after_ticks: Some(5), ..HostLimits::default() };

fn is_asleep(bed: &Bed, at: usize, region: RegionId) -> bool {
    bed.nodes[at].host.group_stats(region).unwrap().hibernating
}

fn asleep(bed: &Bed, region: RegionId) -> Vec<bool> {
    (0..bed.nodes.len()).map(|at| is_asleep(bed, at, region)).collect()
}

/// Three nodes of which the first leads, everything asleep.
fn sleeping() -> Bed {
    let mut bed = Bed::led(3, LIMITS());
    bed.propose(0, "before", 1);
    bed.tick(12);
    for region in [REGION, OTHER] {
        assert_eq!(asleep(&bed, region), [true; 3], "{region}");
    }
    bed
}

fn leaders(bed: &Bed) -> Vec<usize> {
    (0..bed.nodes.len()).filter(|at| bed.nodes[*at].told.leads.contains_key(&REGION)).collect()
}

#[test]
fn a_sleeping_group_says_nothing_and_is_not_ticked() {
    let mut bed = sleeping();
    let sent = bed.sent;
    bed.tick(1_000);
    assert_eq!(bed.sent, sent);
    assert!(bed.nodes.iter().all(|node| node.host.awake() == 0));
    assert_eq!(leaders(&bed), [0], "it leads on");
}

#[test]
fn without_the_setting_nobody_sleeps() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.tick(100);
    assert_eq!(asleep(&bed, REGION), [false; 3]);
}

#[test]
fn heartbeats_of_all_regions_leave_with_the_same_ticks() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.tick(1);
    // Elected at another moment, and still the same measure.
    bed.nodes[0].host.transfer(OTHER, NodeId(2)).unwrap();
    bed.tick(1);
    bed.nodes[1].host.transfer(OTHER, NodeId(1)).unwrap();
    bed.tick(5);
    let mut noisy = 0;
    for _ in 0..20 {
        let sent = bed.sent;
        bed.tick(1);
        let said = bed.sent - sent;
        assert!(said == 0 || said == 8, "{said}: two regions, two followers, there and back");
        noisy += usize::from(said > 0);
    }
    assert_eq!(noisy, 10);
}

#[test]
fn a_proposal_wakes_the_group_and_it_sleeps_again() {
    let mut bed = sleeping();
    bed.tick(100);
    bed.propose(0, "after", 2);
    bed.run();
    assert_eq!(bed.nodes[0].told.answered, [1, 2], "at once");
    assert_eq!(asleep(&bed, REGION), [false; 3]);
    assert_eq!(asleep(&bed, OTHER), [true; 3], "the neighbour sleeps on");
    bed.tick(12);
    assert_eq!(asleep(&bed, REGION), [true; 3]);
    assert_eq!(bed.applied(2), ["before", "after"]);
}

#[test]
fn a_read_on_any_replica_wakes_the_group_and_asks_a_quorum() {
    for at in 0..3 {
        let mut bed = sleeping();
        bed.tick(100);
        bed.nodes[at].host.read(REGION, 7, false);
        bed.run();
        assert_eq!(bed.nodes[at].told.reads.len(), 1, "node {}", at + 1);
    }
    let mut bed = sleeping();
    bed.nodes[1].cut_off = true;
    bed.nodes[2].cut_off = true;
    bed.nodes[0].host.read(REGION, 7, false);
    bed.tick(5);
    assert!(bed.nodes[0].told.reads.is_empty(), "a leader that slept knows nothing of a quorum");
    bed.tick(20);
    assert_eq!(leaders(&bed), [], "and steps down when it hears none");
}

#[test]
fn leadership_of_a_sleeping_group_can_be_handed_over() {
    let mut bed = sleeping();
    bed.nodes[0].host.transfer(REGION, NodeId(3)).unwrap();
    bed.run();
    assert_eq!(leaders(&bed), [2]);
    bed.tick(20);
    assert_eq!(asleep(&bed, REGION), [true; 3]);
}

/// The next leader does not reach it, and the node of the one it sleeps under is there and beats.
#[test]
fn a_follower_does_not_sleep_on_under_a_leader_that_handed_over() {
    let mut bed = sleeping();
    bed.tick(50);
    bed.apart = Some([NodeId(2), NodeId(3)]);
    for (at, other) in [(1, 3), (2, 2)] {
        bed.nodes[at].host.node_lost(NodeId(other));
    }
    bed.nodes[0].host.transfer(REGION, NodeId(2)).unwrap();
    bed.run();
    assert_eq!(leaders(&bed), [1]);
    assert!(!is_asleep(&bed, 2, REGION), "it would take its copy for fresh for ever");
    bed.tick(25);
    let stats = bed.nodes[2].host.group_stats(REGION).unwrap();
    assert_ne!(stats.leader_node, Some(NodeId(1)), "{stats:?}");
}

#[test]
fn whoever_waits_in_vain_for_a_leader_has_the_group_look_for_another() {
    let mut bed = sleeping();
    bed.nodes[0].cut_off = true;
    bed.tick(100);
    assert_eq!(asleep(&bed, REGION), [true; 3], "nobody was told");
    bed.nodes[1].host.wake(REGION);
    bed.tick(45);
    let leaders = leaders(&bed);
    assert!(matches!(leaders[..], [0, 1 | 2]), "{leaders:?}");
}

#[test]
fn when_the_leader_is_lost_the_others_elect_another_and_it_learns_of_it() {
    let mut bed = sleeping();
    bed.tick(50);
    bed.nodes[0].cut_off = true;
    bed.nodes[1].host.node_lost(NodeId(1));
    bed.nodes[2].host.node_lost(NodeId(1));
    bed.tick(31);
    let [0, new] = leaders(&bed)[..] else { panic!("{:?}", leaders(&bed)) };
    assert!(is_asleep(&bed, 0, REGION), "it does not know");
    bed.propose(new, "instead", 5);
    bed.tick(15);
    assert!(is_asleep(&bed, new, REGION), "two of three sleep without the third");

    bed.nodes[0].cut_off = false;
    for at in 1..3 {
        bed.nodes[at].host.node_back(NodeId(1));
    }
    bed.tick(4);
    assert_eq!(leaders(&bed), [new]);
    assert_eq!(bed.applied(0), ["before", "instead"]);
    bed.tick(20);
    assert_eq!(asleep(&bed, REGION), [true; 3]);
}

/// Whether a follower that missed something while it was lost hears of it at once.
fn returns(guards: HostGuards) -> bool {
    let mut bed = Bed::led(3, HostLimits { guards, ..LIMITS() });
    bed.nodes[2].cut_off = true;
    bed.tick(30);
    assert_eq!(asleep(&bed, REGION), [false; 3], "it is not known to be lost: it may be slow");
    for at in 0..2 {
        bed.nodes[at].host.node_lost(NodeId(3));
    }
    bed.propose(0, "missed", 1);
    bed.tick(20);
    assert_eq!(asleep(&bed, REGION), [true, true, false]);
    bed.nodes[2].cut_off = false;
    for at in 0..2 {
        bed.nodes[at].host.node_back(NodeId(3));
    }
    bed.tick(3);
    let knows = bed.applied(2) == ["missed"];
    bed.tick(40);
    assert_eq!(bed.applied(2), ["missed"]);
    assert_eq!(asleep(&bed, REGION), [true; 3]);
    knows
}

#[test]
fn a_group_sleeps_without_a_lost_follower_and_wakes_when_it_is_back() {
    assert!(returns(HostGuards::default()));
    assert!(!returns(HostGuards::without("wake_when_node_back").unwrap()));
}

/// The follower was cut off from the leader alone and asks the other one, who sleeps.
#[test]
fn a_candidate_among_sleepers_ends_with_a_leader_it_hears() {
    let mut bed = sleeping();
    bed.tick(50);
    let term = bed.nodes[0].told.leads[&REGION];
    bed.nodes[2].host.node_lost(NodeId(1));
    bed.nodes[2].host.node_back(NodeId(1));
    bed.tick(1);
    assert!(!is_asleep(&bed, 2, REGION));
    bed.tick(25);
    assert_eq!(leaders(&bed), [0], "it was only the link");
    assert_eq!(bed.nodes[0].told.leads[&REGION], term, "nobody voted");
    bed.tick(30);
    assert_eq!(asleep(&bed, REGION), [true; 3]);
}

#[test]
fn a_leader_without_a_quorum_does_not_sleep() {
    let mut bed = Bed::led(3, LIMITS());
    for at in 0..3 {
        bed.nodes[at].cut_off = true;
        for node in 1..=3 {
            if node != at as u64 + 1 {
                bed.nodes[at].host.node_lost(NodeId(node));
            }
        }
    }
    bed.tick(6);
    assert!(!is_asleep(&bed, 0, REGION));
    bed.tick(30);
    assert_eq!(leaders(&bed), []);

    let mut bed = sleeping();
    bed.nodes[0].cut_off = true;
    bed.nodes[0].host.node_lost(NodeId(2));
    bed.nodes[0].host.node_lost(NodeId(3));
    bed.tick(25);
    assert_eq!(leaders(&bed), [], "it wakes to find out");
}

#[test]
fn a_replica_that_breaks_wakes_those_who_relied_on_it() {
    let mut bed = sleeping();
    bed.nodes[0].host.quarantine(REGION, "its engine is broken".to_owned());
    bed.nodes[0].told.leads.remove(&REGION);
    bed.tick(45);
    assert!(matches!(leaders(&bed)[..], [1 | 2]), "{:?}", leaders(&bed));
}

#[test]
fn sleep_ends_a_lease_until_a_round_begun_after_it() {
    let rules = ClockRules::new(core::time::Duration::from_millis(100), 5);
    let mut bed = Bed::led(3, LIMITS());
    bed.tick(4);
    bed.nodes[0].host.read(REGION, 1, true);
    bed.run();
    let term = bed.nodes[0].told.leads[&REGION];
    assert!(bed.nodes[0].told.leases[&REGION].is_valid(bed.now(), term, &rules));
    bed.tick(5);
    assert_eq!(asleep(&bed, REGION), [true; 3]);
    assert_eq!(bed.nodes[0].told.leases[&REGION].until(term, &rules), None);
    bed.tick(1);
    bed.nodes[0].host.read(REGION, 2, true);
    bed.run();
    assert!(bed.nodes[0].told.leases[&REGION].is_valid(bed.now(), term, &rules));
    bed.nodes[0].host.transfer(REGION, NodeId(2)).unwrap();
    bed.nodes[0].host.read(REGION, 3, true);
    bed.nodes[1].cut_off = true;
    bed.run();
    assert_eq!(bed.nodes[0].told.reads.len(), 3, "it leads, and a quorum says so");
    assert_eq!(bed.nodes[0].told.leases[&REGION].until(term, &rules), None, "for this term");
}

/// A node is lost and comes back while it has replicas of many groups, all asleep.
#[test]
fn many_are_woken_in_turn_and_whatever_is_wanted_at_once() {
    const GROUPS: u64 = 60;
    let limits = HostLimits { wakes_per_tick: 4, ..LIMITS() };
    let mut bed = Bed::with(3, GROUPS, limits);
    for group in 0..GROUPS {
        bed.nodes[0].host.campaign(RegionId(REGION.0 + group));
    }
    bed.run();
    bed.tick(12);
    assert!(bed.nodes.iter().all(|node| node.host.awake() == 0));

    bed.nodes[0].host.node_lost(NodeId(3));
    bed.nodes[0].host.node_back(NodeId(3));
    for tick in 1..=4 {
        bed.tick(1);
        assert_eq!(bed.nodes[0].host.awake(), 4 * tick);
    }
    let last = RegionId(REGION.0 + GROUPS - 1);
    bed.nodes[0].host.read(last, 9, false);
    bed.run();
    assert_eq!(bed.nodes[0].told.reads.len(), 1, "it does not wait for its turn");
    bed.tick(60);
    assert!(bed.nodes.iter().all(|node| node.host.awake() == 0), "all woke and sleep again");

    // The same node starts anew: its replicas are awake in turn, and most of them hear their leader
    // before they would stand for election.
    let terms = bed.nodes[0].told.leads.clone();
    bed.restart(2);
    assert_eq!(bed.nodes[2].host.awake(), 4, "{GROUPS} start");
    for at in 0..2 {
        bed.nodes[at].host.node_lost(NodeId(3));
        bed.nodes[at].host.node_back(NodeId(3));
    }
    let mut most = 0;
    for _ in 0..40 {
        let sent = bed.sent;
        bed.tick(1);
        most = most.max(bed.sent - sent);
    }
    assert!(most < GROUPS as usize * 4, "{most} messages in one tick");
    assert_eq!(bed.nodes[0].told.leads, terms, "nobody was elected because of it");
    for group in 0..GROUPS {
        let stats = bed.nodes[2].host.group_stats(RegionId(REGION.0 + group)).unwrap();
        assert_eq!(stats.leader_node, Some(NodeId(1)), "{stats:?}");
    }
}

/// The answer takes three ticks. For how long the lease lasts after the question, in milliseconds.
fn lease_after_a_slow_answer(guards: HostGuards) -> u128 {
    let rules = ClockRules::new(core::time::Duration::from_millis(100), 5);
    let mut bed = Bed::led(3, HostLimits { guards, ..HostLimits::default() });
    bed.tick(3);
    let asked = bed.now();
    bed.nodes[0].host.read(REGION, 1, true);
    let question = bed.nodes[0].host.poll().messages;
    bed.tick(3);
    for (to, message) in question {
        bed.nodes[to.get() as usize - 1].host.step(NodeId(1), message).unwrap();
    }
    bed.run();
    assert_eq!(bed.nodes[0].told.reads.len(), 1);
    let term = bed.nodes[0].told.leads[&REGION];
    let until = bed.nodes[0].told.leases[&REGION].until(term, &rules).unwrap();
    (until - asked).as_millis()
}

#[test]
fn a_lease_counts_from_the_question_however_late_the_answer() {
    assert_eq!(lease_after_a_slow_answer(HostGuards::default()), 245);
    assert!(lease_after_a_slow_answer(HostGuards::without("lease_from_question").unwrap()) > 245);
}

/// A leader counts anew who is heard once in an election timeout, and asleep it hears nobody: whenever it is
/// asked, once is enough.
#[test]
fn leadership_is_handed_over_when_asked_once_at_any_moment_also_asleep() {
    let mut beds: Vec<Bed> = (0..12)
        .map(|ticks| {
            let mut bed = Bed::led(3, HostLimits::default());
            bed.tick(20 + ticks);
            bed
        })
        .collect();
    beds.push(sleeping());
    for (at, bed) in beds.iter_mut().enumerate() {
        bed.nodes[0].host.hand_over(REGION, NodeId(2));
        bed.tick(10);
        assert_eq!(leaders(bed), [1], "asked at moment {at}");
    }
}

#[test]
fn a_handover_to_who_is_not_heard_is_given_up_and_nobody_is_surprised_later() {
    let mut bed = sleeping();
    bed.nodes[1].cut_off = true;
    bed.nodes[0].host.hand_over(REGION, NodeId(2));
    bed.tick(40);
    assert_eq!(leaders(&bed), [0]);
    bed.nodes[1].cut_off = false;
    bed.tick(40);
    assert_eq!(leaders(&bed), [0]);
}
