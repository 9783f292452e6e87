//! Any set of replicas is reached from any other, and no step costs a majority that is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::bed::{Bed, REGION};
use consensus::{ConfChange, Flow, PeerChange, PeerStatus, Role, Status};
use proptest::prelude::*;
use region::{HostLimits, Step, is_settled, next_step};
use state::directory::Part;
use types::{ConfState, HardState, Index, NodeId, PeerId, RegionId, Term};

const COMMIT: Index = Index(1_000_000);

/// A group whose changes are applied at once.
#[derive(Clone, Debug)]
struct Group {
    conf: ConfState,
    leader: PeerId,
    live: BTreeSet<NodeId>,
    /// Replicas that have everything.
    caught_up: BTreeSet<PeerId>,
}

fn peer(id: u64) -> PeerId {
    PeerId::on(NodeId(id), 0)
}

impl Group {
    fn status(&self) -> Status {
        let conf = &self.conf;
        let peers = conf.voters.iter().chain(&conf.learners).map(|peer| PeerStatus {
            peer: *peer,
            matched: if self.caught_up.contains(peer) { COMMIT } else { Index(0) },
            next: COMMIT.next(),
            flow: if self.caught_up.contains(peer) { Flow::Replicate } else { Flow::Probe },
            recent_active: self.live.contains(&peer.node()),
            learner: conf.learners.contains(peer),
            commit: Index(0),
        });
        Status {
            region: RegionId(7),
            peer: self.leader,
            role: Role::Leader,
            leader: Some(self.leader),
            hard_state: HardState { term: Term(3), vote: None, commit: COMMIT },
            first: Index(1),
            last: COMMIT,
            last_term: Term(3),
            persisted: COMMIT,
            applied: COMMIT,
            conf_state: conf.clone(),
            pending_conf: false,
            transferee: None,
            peers: peers.collect(),
            election_timeout: 10,
            settling: 0,
            cached_bytes: 0,
            pending_reads: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        let conf = &mut self.conf;
        match step {
            Step::Transfer(to) => {
                assert!(conf.voters.contains(to) && self.live.contains(&to.node()));
                self.leader = *to;
            }
            Step::Change(ConfChange::Joint(steps)) => {
                // One for another: entered and left with a majority of both.
                assert!(matches!(steps[..], [PeerChange::AddVoter(_), _]), "{steps:?}");
                let before = conf.voters.len();
                steps.iter().for_each(|change| self.change(*change));
                assert_eq!(before, self.conf.voters.len(), "{steps:?}");
            }
            Step::Change(change) => change.steps().iter().for_each(|change| self.change(*change)),
        }
    }

    fn change(&mut self, change: PeerChange) {
        let conf = &mut self.conf;
        let about = change.peer();
        let votes = matches!(change, PeerChange::AddVoter(_));
        assert!(about != self.leader || votes, "the leader takes its own vote");
        conf.voters.retain(|peer| *peer != about);
        conf.learners.retain(|peer| *peer != about);
        match change {
            PeerChange::AddVoter(_) => conf.voters.push(about),
            PeerChange::AddLearner(_) => conf.learners.push(about),
            PeerChange::Remove(_) => {}
        }
    }

    /// How many voters are there and have everything.
    fn able(&self) -> usize {
        let able =
            |peer: &&PeerId| self.live.contains(&peer.node()) && self.caught_up.contains(*peer);
        self.conf.voters.iter().filter(able).count()
    }

    fn has_majority(&self) -> bool {
        self.able() * 2 > self.conf.voters.len()
    }
}

fn wanted() -> impl Strategy<Value = BTreeMap<NodeId, Part>> {
    let part = prop_oneof![3 => Just(Part::Voter), 1 => Just(Part::Learner)];
    proptest::collection::btree_map((1_u64..8).prop_map(NodeId), part, 1..6)
        .prop_filter("somebody votes", |all| all.values().any(|part| *part == Part::Voter))
}

fn group() -> impl Strategy<Value = Group> {
    let nodes = || proptest::collection::btree_set(1_u64..8, 1..6);
    (nodes(), nodes(), any::<prop::sample::Index>()).prop_filter_map(
        "a majority that is there",
        |(voters, live, leader)| {
            let voters: Vec<PeerId> = voters.into_iter().map(peer).collect();
            let live: BTreeSet<NodeId> = live.into_iter().map(NodeId).collect();
            let there: Vec<_> = voters.iter().filter(|it| live.contains(&it.node())).collect();
            if there.len() * 2 <= voters.len() {
                return None;
            }
            let leader = *there[leader.index(there.len())];
            let caught_up = voters.iter().copied().collect();
            let conf = ConfState { voters, ..ConfState::default() };
            Some(Group { conf, leader, live, caught_up })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_step_costs_the_majority_or_leaves_fewer_voters_than_there_can_be(
        mut group in group(), wanted in wanted(), late in any::<u64>()
    ) {
        // Who is not there is none the fewer for what is done.
        let there = |(node, part): &(&NodeId, &Part)| **part == Part::Voter && group.live.contains(node);
        let least = group.able().min(wanted.iter().filter(there).count());
        for round in 0..64 {
            let Some(step) = next_step(&group.status(), &wanted, 0) else { break };
            group.take(&step);
            prop_assert!(group.has_majority(), "{step:?} left {group:?}");
            prop_assert!(group.able() >= least, "{step:?} left {group:?} for {wanted:?}");
            // Whoever is there catches up, some of them late.
            let due = |it: &&PeerId| {
                group.live.contains(&it.node()) && (late >> (round % 64)) & 1 == 0
            };
            let caught_up: Vec<_> = group.conf.learners.iter().filter(due).copied().collect();
            group.caught_up.extend(caught_up);
        }
    }

    /// Else a zone with two of four could stop it.
    #[test]
    fn one_for_another_is_never_one_voter_more(
        mut group in group(), wanted in wanted(), late in any::<u64>()
    ) {
        group.live = (1..8).map(NodeId).collect();
        let votes = wanted.values().filter(|part| **part == Part::Voter).count();
        // Who is alone must have an heir before it goes.
        let most = group.conf.voters.len().max(votes).max(2);
        for round in 0..64 {
            let Some(step) = next_step(&group.status(), &wanted, 0) else { break };
            group.take(&step);
            prop_assert!(group.conf.voters.len() <= most, "{step:?} left {group:?}");
            let due = |_: &&PeerId| (late >> (round % 64)) & 1 == 0;
            let caught_up: Vec<_> = group.conf.learners.iter().filter(due).copied().collect();
            group.caught_up.extend(caught_up);
        }
    }

    #[test]
    fn what_is_wanted_is_reached_when_all_are_there(mut group in group(), wanted in wanted()) {
        group.live = (1..8).map(NodeId).collect();
        for _ in 0..64 {
            let step = next_step(&group.status(), &wanted, 0);
            prop_assert_eq!(step.is_none(), is_settled(&group.conf, &wanted), "{:?}", group);
            let Some(step) = step else { break };
            group.take(&step);
            group.caught_up.extend(group.conf.learners.iter().copied());
        }
        prop_assert!(is_settled(&group.conf, &wanted), "{:?} is not {:?}", group, wanted);
    }
}

#[test]
fn nothing_is_begun_while_something_is_under_way_and_nobody_is_removed_for_nobody() {
    let conf = ConfState { voters: vec![peer(1), peer(2)], ..ConfState::default() };
    let group = Group {
        caught_up: conf.voters.iter().copied().collect(),
        live: [NodeId(1), NodeId(2)].into(),
        leader: peer(1),
        conf,
    };
    let wanted = BTreeMap::from([(NodeId(1), Part::Voter)]);
    assert!(next_step(&group.status(), &wanted, 0).is_some());
    let pending = Status { pending_conf: true, ..group.status() };
    let leaving = Status { transferee: Some(peer(2)), ..group.status() };
    let follower = Status { role: Role::Follower, ..group.status() };
    for status in [pending, leaving, follower] {
        assert_eq!(next_step(&status, &wanted, 0), None);
    }
    assert_eq!(next_step(&group.status(), &BTreeMap::new(), 0), None);
}

/// A node that was away for a moment comes back, and nobody writes.
#[test]
fn a_learner_that_has_everything_gets_its_vote_though_nothing_is_sent_to_it() {
    let conf = ConfState { voters: vec![peer(1)], learners: vec![peer(2)], ..ConfState::default() };
    let group = Group {
        caught_up: [peer(1), peer(2)].into(),
        live: [NodeId(1), NodeId(2)].into(),
        leader: peer(1),
        conf,
    };
    let mut status = group.status();
    status.peers[1].flow = Flow::Probe;
    let vote = Step::Change(ConfChange::add_voter(peer(2)));
    assert_eq!(next_step(&status, &on(&[1, 2]), 0), Some(vote));
    status.peers[1].matched = Index(COMMIT.get() - 1);
    assert_eq!(next_step(&status, &on(&[1, 2]), 0), None);
}

/// Where a region is to have voters.
fn on(nodes: &[u64]) -> BTreeMap<NodeId, Part> {
    nodes.iter().map(|id| (NodeId(*id), Part::Voter)).collect()
}

/// Lets time go on, and the leader take steps, until the replicas are where they are to be.
fn reconcile(bed: &mut Bed, wanted: &BTreeMap<NodeId, Part>) {
    for _ in 0..400 {
        for at in 0..bed.nodes.len() {
            let host = &mut bed.nodes[at].host;
            let Some(peer) = host.peer(REGION) else { continue };
            let from = peer.status().conf_state;
            assert_eq!(
                host.reconcile(REGION, &ConfState::default(), wanted, 0),
                None,
                "of another time"
            );
            // Whoever took it down may have it in another order.
            let mut from = from;
            from.voters.reverse();
            host.reconcile(REGION, &from, wanted, 0);
        }
        bed.run();
        bed.tick(1);
        let settled = |node: &u64| {
            let status = bed.nodes[*node as usize - 1].host.peer(REGION).unwrap().status();
            is_settled(&status.conf_state, wanted)
        };
        let nodes: Vec<u64> = wanted.keys().map(|node| node.get()).collect();
        if nodes.iter().all(settled) {
            return;
        }
    }
    panic!("the replicas do not become {wanted:?}");
}

/// The real core: two nodes join three, by snapshot; then the first three leave, the leader among them,
/// and one that is dead.
#[test]
fn a_region_moves_to_other_nodes_step_by_step() {
    let mut bed = Bed::led(3, HostLimits::default());
    for (waiting, text) in (0..).zip(["a", "b", "c"]) {
        bed.propose(0, text, waiting);
    }
    bed.run();
    bed.newcomer();
    bed.newcomer();
    reconcile(&mut bed, &on(&[1, 2, 3, 4, 5]));
    bed.propose(0, "d", 9);
    bed.run();
    assert_eq!(bed.applied(4), ["d"], "what was before came with the snapshot");

    bed.nodes[2].cut_off = true;
    reconcile(&mut bed, &on(&[4, 5]));
    let leads = |at: &usize| bed.nodes[*at].told.leads.contains_key(&REGION);
    let leader = (3..5).find(leads).expect("one of the new ones leads");
    bed.propose(leader, "e", 10);
    bed.run();
    assert_eq!(bed.applied(3), ["d", "e"]);
    assert_eq!(bed.applied(4), ["d", "e"]);
    assert!(bed.nodes[leader].told.answered.contains(&10));
}

/// Seed 26805 of the simulator: nodes dropped replicas that are none any more when only the leader
/// knew of it; it was lost, and the others waited for the votes of those who went.
#[test]
fn nobody_goes_before_a_majority_knows_of_it() {
    let mut bed = Bed::led(3, HostLimits::default());
    bed.nodes[1].hold_writes = true;
    let from = bed.nodes[0].host.peer(REGION).unwrap().status().conf_state;
    assert!(bed.nodes[0].host.reconcile(REGION, &from, &on(&[1, 2]), 0).is_some());
    bed.run();
    let conf = bed.nodes[0].host.peer(REGION).unwrap().status().conf_state;
    assert!(is_settled(&conf, &on(&[1, 2])), "the first and the third made it so: {conf:?}");
    assert!(!bed.nodes[0].host.is_membership_known(REGION), "the second does not know");
    bed.tick(3);
    assert!(!bed.nodes[0].host.is_membership_known(REGION), "nor does it keep what it hears");
    bed.nodes[1].hold_writes = false;
    bed.tick(3);
    assert!(bed.nodes[0].host.is_membership_known(REGION));
    assert!(!bed.nodes[1].host.is_membership_known(REGION), "who follows cannot tell");
}

/// Sleep is not to come between two steps, however short the idle time after which it comes: a leader that
/// just woke has heard nobody, and takes none.
#[test]
fn a_region_that_falls_asleep_at_once_still_moves() {
    let limits = HostLimits { hibernate_after_ticks: Some(1), ..HostLimits::default() };
    let mut bed = Bed::led(3, limits);
    bed.newcomer();
    bed.tick(20);
    for _ in 0..60 {
        let leads = |at: &usize| bed.nodes[*at].told.leads.contains_key(&REGION);
        let leader = (0..4).find(leads).expect("somebody leads");
        let from = bed.nodes[leader].host.peer(REGION).unwrap().status().conf_state;
        bed.nodes[leader].host.reconcile(REGION, &from, &on(&[1, 2, 4]), 0);
        bed.run();
        bed.tick(8);
    }
    let conf = bed.nodes[3].host.peer(REGION).unwrap().status().conf_state;
    assert!(is_settled(&conf, &on(&[1, 2, 4])), "{conf:?}");
}
