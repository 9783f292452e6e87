use std::time::Duration;

use env::Moment;
use types::NodeId;

use super::super::beat::{Beat, Summary};
use super::{Change, Liveness, NodeState};

const TICK: Duration = Duration::from_millis(100);
const OTHER: NodeId = NodeId(2);

/// Two nodes that beat every 2 ticks and lose patience after 10.
struct Pair {
    now: Moment,
    nodes: [Liveness; 2],
    /// How long a beat takes to the other one.
    delay: Duration,
    changes: Vec<Change>,
}

impl Pair {
    fn new() -> Self {
        let now = Moment(Duration::from_secs(7));
        let node = |incarnation, other| {
            let mut node = Liveness::new(incarnation, 2, 10, now);
            node.set_peers(now, [NodeId(other)], &mut Vec::new());
            node
        };
        let nodes = [node(11, 2), node(22, 1)];
        Self { now, nodes, delay: Duration::ZERO, changes: Vec::new() }
    }

    /// One tick on those that run; beats of `speaks` arrive at the other one.
    fn tick(&mut self, runs: [bool; 2], speaks: [bool; 2]) {
        self.now = self.now.after(TICK);
        for (at, id) in [(0, 1), (1, 2)] {
            if !runs[at] {
                continue;
            }
            let now = if at == 0 { self.now } else { self.now.after(TICK / 2) };
            let mut changes = Vec::new();
            let due = self.nodes[at].tick(now, &mut changes);
            let beats =
                if due { self.nodes[at].beats(now, Summary::default(), 0) } else { Vec::new() };
            if at == 0 {
                self.changes.append(&mut changes);
            }
            for (_, beat) in beats.iter().filter(|_| speaks[at]) {
                let mut changes = Vec::new();
                let then = now.after(self.delay);
                self.nodes[1 - at].heard(then, NodeId(id), beat, &mut changes);
                if at == 1 {
                    self.changes.append(&mut changes);
                }
            }
        }
    }

    fn state(&self) -> NodeState {
        self.nodes[0].view(self.now)[0].state
    }
}

#[test]
fn silence_is_noticed_within_the_election_timeout_and_speech_at_once() {
    let mut pair = Pair::new();
    for _ in 0..20 {
        pair.tick([true; 2], [true; 2]);
        assert_eq!(pair.state(), NodeState::Alive);
    }
    let mut states = Vec::new();
    for _ in 0..11 {
        pair.tick([true; 2], [true, false]);
        states.push(pair.state());
    }
    assert_eq!(states.iter().filter(|state| **state == NodeState::Suspected).count(), 5);
    // The last beat came with the last tick before; 10 ticks without one are the timeout.
    assert_eq!(states[8..], [NodeState::Suspected, NodeState::Lost, NodeState::Lost]);
    assert_eq!(pair.changes, [Change::Lost(OTHER, "it is silent")], "told once");
    pair.changes.clear();
    pair.tick([true; 2], [true; 2]);
    pair.tick([true; 2], [true; 2]);
    assert_eq!(pair.changes, [Change::Back(OTHER)]);
    assert_eq!(pair.state(), NodeState::Alive);
}

#[test]
fn who_did_not_run_itself_declares_nobody_lost() {
    let mut pair = Pair::new();
    for _ in 0..4 {
        pair.tick([true; 2], [true; 2]);
    }
    // An hour in which this process was stopped; what the other one said is still in the socket.
    for _ in 0..36_000 {
        pair.tick([false, true], [true, false]);
    }
    pair.tick([true; 2], [true, false]);
    assert_eq!(pair.changes, []);
    assert!(pair.nodes[0].is_alive(OTHER));
    for _ in 0..10 {
        pair.tick([true; 2], [true, false]);
    }
    assert!(!pair.nodes[0].is_alive(OTHER), "but a real silence is one");
}

#[test]
fn another_run_and_a_broken_link_are_told_as_lost_then_back() {
    let mut pair = Pair::new();
    for _ in 0..4 {
        pair.tick([true; 2], [true; 2]);
    }
    pair.nodes[1] = Liveness::new(33, 2, 10, pair.now);
    pair.nodes[1].set_peers(pair.now, [NodeId(1)], &mut Vec::new());
    pair.tick([true; 2], [true; 2]);
    pair.tick([true; 2], [true; 2]);
    assert_eq!(pair.changes, [Change::Lost(OTHER, "it was started anew"), Change::Back(OTHER)]);
    pair.changes.clear();

    let now = pair.now;
    pair.nodes[0].link_down(now, OTHER, &mut pair.changes);
    pair.nodes[0].link_down(now, OTHER, &mut pair.changes);
    assert_eq!(pair.changes, [Change::Lost(OTHER, "its link broke")]);
    pair.changes.clear();
    // What comes late or twice through an old link is no news.
    let old =
        Beat { incarnation: 33, sequence: 1, echo: None, summary: Summary::default(), auth: 0 };
    pair.nodes[0].heard(now, OTHER, &old, &mut pair.changes);
    assert!(!pair.nodes[0].is_alive(OTHER));
    pair.tick([true; 2], [true; 2]);
    pair.tick([true; 2], [true; 2]);
    assert_eq!(pair.changes, [Change::Back(OTHER)]);
}

#[test]
fn the_round_trip_leaves_out_how_long_the_echo_was_held() {
    let mut pair = Pair::new();
    pair.delay = Duration::from_millis(3);
    for _ in 0..40 {
        pair.tick([true; 2], [true; 2]);
    }
    let view = &pair.nodes[0].view(pair.now)[0];
    assert_eq!(view.round_trip, Some(Duration::from_millis(6)));
    assert!(view.hears_us);
    assert_eq!(view.incarnation, 22);

    for _ in 0..12 {
        pair.tick([true; 2], [false, true]);
    }
    let view = &pair.nodes[0].view(pair.now)[0];
    assert_eq!((view.state, view.hears_us), (NodeState::Alive, false), "a wire cut one way");
}

#[test]
fn nobody_is_heard_but_members() {
    let mut pair = Pair::new();
    let beat =
        Beat { incarnation: 1, sequence: 1, echo: None, summary: Summary::default(), auth: 0 };
    pair.nodes[0].heard(pair.now, NodeId(9), &beat, &mut pair.changes);
    assert!(pair.nodes[0].view(pair.now).iter().all(|node| node.node == OTHER));
    let now = pair.now;
    pair.nodes[0].set_peers(now, [NodeId(9)], &mut pair.changes);
    let gone = Change::Lost(OTHER, "it is no member any more");
    assert_eq!(pair.changes, [Change::Joined(NodeId(9)), gone]);
    assert!(pair.nodes[0].view(pair.now).iter().all(|node| node.node == NodeId(9)));
}

#[test]
fn traces_are_told_to_who_wants_them_for_as_long_as_the_link_stands() {
    let mut pair = Pair::new();
    let now = pair.now;
    let beat = |incarnation, sequence, traces| {
        let summary = Summary { traces, ..Summary::default() };
        Beat { incarnation, sequence, echo: None, summary, auth: 0 }
    };
    let node = &mut pair.nodes[0];
    assert!(!node.takes_traces(OTHER), "nobody knows its build yet");
    node.heard(now, OTHER, &beat(22, 100, true), &mut pair.changes);
    assert!(node.takes_traces(OTHER));
    node.link_down(now, OTHER, &mut pair.changes);
    assert!(!node.takes_traces(OTHER), "it may come back as an older build");
    node.heard(now, OTHER, &beat(23, 1, false), &mut pair.changes);
    assert!(!node.takes_traces(OTHER));
    node.heard(now, OTHER, &beat(23, 2, true), &mut pair.changes);
    assert!(node.takes_traces(OTHER));
}

#[test]
fn a_node_is_far_when_slow_links_are_what_keeps_it_from_a_majority() {
    let mut now = Moment(Duration::from_secs(50));
    let mut node = Liveness::new(11, 2, 10, now);
    node.set_peers(now, [OTHER, NodeId(3)], &mut Vec::new());
    assert!(!node.is_far(), "nobody was heard yet");
    // Beats of one come every 0.9 s, the other's in time.
    let mut sequence = 0;
    let mut listen = |node: &mut Liveness, slow: &[NodeId]| {
        for tick in 1..=54_u64 {
            now = now.after(TICK);
            for peer in [OTHER, NodeId(3)] {
                if tick.is_multiple_of(if slow.contains(&peer) { 9 } else { 2 }) {
                    sequence += 1;
                    let summary = Summary::default();
                    let beat = Beat { incarnation: 22, sequence, echo: None, summary, auth: 0 };
                    node.heard(now, peer, &beat, &mut Vec::new());
                }
            }
            node.tick(now, &mut Vec::new());
        }
        now
    };
    listen(&mut node, &[OTHER]);
    assert!(!node.is_far(), "with the other it is a majority");
    let now = listen(&mut node, &[OTHER, NodeId(3)]);
    assert!(node.is_far());
    assert!(node.view(now).iter().all(|it| it.link.is_slow));
    node.link_down(now, OTHER, &mut Vec::new());
    assert!(node.is_far(), "the one that is left is slow");
    node.link_down(now, NodeId(3), &mut Vec::new());
    assert!(!node.is_far(), "that is a loss of the majority, and told as one");
}
