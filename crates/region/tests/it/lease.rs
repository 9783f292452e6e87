//! The arithmetic of `ClockRules` against what a voter really does: its ticks come late and early, its
//! clock is fast, the leader's is slow, and somebody asks for its vote all the time.

use core::time::Duration;

use consensus::{Config, LogFailure, LogReader, Message, Replica, Start};
use region::ClockRules;
use types::{ConfState, Entry, Incarnation, Index, PeerId, RegionId};

use crate::world::Dice;

struct Empty;

impl LogReader for Empty {
    fn entries(&self, _: Index, _: Index, _: u64) -> Result<Vec<Entry>, LogFailure> {
        Ok(Vec::new())
    }
}

const TICK: u64 = 100_000;
const PROMISE_TICKS: usize = 5;

fn voter() -> Replica {
    let voters = vec![PeerId(1), PeerId(2), PeerId(3)];
    let start = Start::bootstrap(ConfState { voters, ..ConfState::default() });
    let config = Config::new(RegionId(7), PeerId(2), 1, Incarnation(1));
    Replica::new(config, start, Box::new(Empty)).unwrap()
}

/// Kind, sender, term, term and index of the log's end, commit (`docs/architecture/consensus.md`).
fn message(kind: u8, from: u8, term: u8, log: (u8, u8), commit: u8) -> Message {
    let mut bytes = vec![1, kind, 0, 2, from, term, log.0, log.1, commit, 0];
    // A heartbeat that binds, and has no read context.
    bytes.extend_from_slice(if kind == 7 { &[1, 0] } else { &[0] });
    Message::decode(&bytes).unwrap()
}

/// True time, in microseconds from when the leader asked, until the voter gives its vote away, and until
/// the leader's lease ends.
fn race(dice: &mut Dice, rules: &ClockRules) -> (u64, u64) {
    let (fastest, slowest) = (1_100, 900);
    let rate = slowest + dice.below(fastest - slowest + 1);
    let worst = dice.chance(50);
    let (voter_rate, leader_rate) = if worst { (fastest, slowest) } else { (rate, rate) };
    let mut voter = voter();
    // The question arrives at once, by the voter's clock one tick after 0. The next tick is due then, or
    // was due before and is late.
    let mut due = dice.below(2 * TICK);
    let mut ran = due.max(TICK) + dice.below(2) * dice.below(TICK);
    let lease = u64::try_from(rules.lease().as_micros()).unwrap() * 1_000 / leader_rate;
    voter.step(message(7, 1, 2, (0, 0), 1)).unwrap();
    // All that keeps it from another leader is what it promised.
    voter.orphan();
    for _ in 0..100 {
        voter.step(message(3, 3, 3, (2, 9), 0)).unwrap();
        assert_eq!(voter.status().hard_state.vote, None, "no tick passed");
        voter.tick();
        voter.step(message(3, 3, 3, (2, 9), 0)).unwrap();
        if voter.status().hard_state.vote == Some(PeerId(3)) {
            return ((ran - TICK) * 1_000 / voter_rate, lease);
        }
        // As the node's poller: a tick that came late is followed by one that is on time, and one that
        // came very late is not made up for.
        due = if due + TICK < ran { ran + TICK } else { due + TICK };
        ran = due.max(ran) + dice.below(3) / 2 * dice.below(TICK);
    }
    panic!("it never votes");
}

fn closest(rules: &ClockRules) -> i64 {
    let mut dice = Dice(7);
    let races = (0..3_000).map(|_| race(&mut dice, rules));
    races.map(|(vote, lease)| vote as i64 - lease as i64).min().unwrap()
}

#[test]
fn no_voter_votes_while_the_lease_it_gave_lasts() {
    let rules = ClockRules::new(Duration::from_micros(TICK), PROMISE_TICKS);
    let left = closest(&rules);
    assert!(left >= 0, "a vote {} microseconds before the lease ended", -left);
    assert!(left < 50_000, "the lease is shorter than need be by {left} microseconds");
    let trusting = ClockRules { slowest: 1_000, fastest: 1_000, ..rules };
    assert!(closest(&trusting) < 0, "clocks that run apart matter");
    let patient = ClockRules { promise_ticks: PROMISE_TICKS + 1, ..rules };
    assert!(closest(&patient) < 0, "the ticks' phase matters");
}
