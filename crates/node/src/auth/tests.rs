use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use env::{Moment, OsRandom, Rng};
use proptest::prelude::*;
use state::auth::{Auth, Secret, User};
use types::{Code, NodeId};

use super::change::Spread;
use super::{Ended, Gate, Passwords, Tokens};
use crate::liveness::{Beat, Liveness, Summary};

const TICK: Duration = Duration::from_millis(100);
const LEAVE: Duration = Duration::from_secs(1);

fn with_changes(changes: u64) -> Arc<Auth> {
    Arc::new(Auth { changes, ..Auth::default() })
}

/// One node, as far as leave is concerned, with a clock of its own.
struct Node {
    id: NodeId,
    liveness: Liveness,
    gate: Gate,
    /// Thousandths of a true second that pass on it in one.
    rate: u64,
    next_tick: u64,
    /// What its engine keeps over a restart.
    durable: u64,
}

impl Node {
    fn now(&self, micros: u64) -> Moment {
        Moment(Duration::from_micros(micros * self.rate / 1_000))
    }
}

/// Nodes whose beats are late and lost in a network of their own, that restart with what they had
/// applied long ago, and one that changes users and rights again and again.
struct World {
    random: u64,
    micros: u64,
    runs: u64,
    nodes: Vec<Node>,
    wire: BTreeMap<(u64, u64), (usize, usize, Beat)>,
    sent: u64,
    /// Changes that are committed, and the newest that was acknowledged.
    committed: u64,
    acknowledged: u64,
    spreading: Option<(usize, Spread)>,
}

impl World {
    fn new(seed: u64, count: usize) -> Self {
        let mut world = Self {
            random: seed.wrapping_mul(2) + 1,
            micros: 0,
            runs: 0,
            nodes: Vec::new(),
            wire: BTreeMap::new(),
            sent: 0,
            committed: 0,
            acknowledged: 0,
            spreading: None,
        };
        for at in 0..count {
            let node = world.start(at, count, 0);
            world.nodes.push(node);
        }
        world
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn start(&mut self, at: usize, count: usize, durable: u64) -> Node {
        self.runs += 1;
        let rate = 900 + self.below(201);
        let now = Moment(Duration::from_micros(self.micros * rate / 1_000));
        let mut liveness = Liveness::new(self.runs, 2, 10, now);
        let others = (0..count).filter(|other| *other != at).map(|other| NodeId(other as u64 + 1));
        liveness.set_peers(now, others, &mut Vec::new());
        let gate = Gate::new(LEAVE, false);
        gate.learn(now, &with_changes(durable));
        let next_tick = self.micros;
        Node { id: NodeId(at as u64 + 1), liveness, gate, rate, next_tick, durable }
    }

    fn step(&mut self) {
        self.micros += 1 + self.below(10_000);
        while let Some((key, _)) =
            self.wire.first_key_value().filter(|(key, _)| key.0 <= self.micros)
        {
            let key = *key;
            if let Some((from, to, beat)) = self.wire.remove(&key) {
                let from = self.nodes[from].id;
                let micros = self.micros;
                let node = &mut self.nodes[to];
                let now = node.now(micros);
                node.liveness.heard(now, from, &beat, &mut Vec::new());
                node.gate.hear(now, node.liveness.auth_told(now));
            }
        }
        for at in 0..self.nodes.len() {
            if self.nodes[at].next_tick <= self.micros {
                self.tick(at);
            }
        }
        match self.below(400) {
            0 => self.restart(),
            1 => self.change(),
            2..30 => self.apply(),
            30..34 => self.confirm(),
            _ => {}
        }
        if let Some((at, mut spread)) = self.spreading.take() {
            let node = &self.nodes[at];
            let known = node.liveness.auth_known(self.committed + 1);
            if spread.is_done(node.now(self.micros), known) {
                self.acknowledged = self.committed;
            } else {
                self.spreading = Some((at, spread));
            }
        }
    }

    fn tick(&mut self, at: usize) {
        let micros = self.micros;
        let node = &mut self.nodes[at];
        node.next_tick = micros + TICK.as_micros() as u64;
        let now = node.now(micros);
        let due = node.liveness.tick(now, &mut Vec::new());
        let word = node.gate.word();
        let beats =
            if due { node.liveness.beats(now, Summary::default(), word) } else { Vec::new() };
        node.gate.hear(now, node.liveness.auth_told(now));
        for (to, beat) in beats {
            // Some take long, and some get nowhere.
            let delay = match self.below(10) {
                0 => continue,
                1 => self.below(8_000_000),
                _ => self.below(30_000),
            };
            self.sent += 1;
            let to = usize::try_from(to.get() - 1).unwrap();
            self.wire.insert((micros + delay, self.sent), (at, to, beat));
        }
    }

    fn some_node(&mut self) -> usize {
        let count = self.nodes.len() as u64;
        usize::try_from(self.below(count)).unwrap()
    }

    /// It comes back with what its engine had, and its links with it.
    fn restart(&mut self) {
        let at = self.some_node();
        if self.spreading.as_ref().is_some_and(|(by, _)| *by == at) {
            self.spreading = None;
        }
        let durable = self.nodes[at].durable;
        let node = self.start(at, self.nodes.len(), durable);
        self.nodes[at] = node;
        self.wire.retain(|_, (from, to, _)| *from != at && *to != at);
    }

    /// Whoever proposes applies before it is told.
    fn change(&mut self) {
        if self.spreading.is_some() {
            return;
        }
        let at = self.some_node();
        self.committed += 1;
        let node = &self.nodes[at];
        node.gate.learn(node.now(self.micros), &with_changes(self.committed));
        self.spreading = Some((at, Spread::new(LEAVE)));
    }

    fn apply(&mut self) {
        let at = self.some_node();
        let (now, committed) = (self.nodes[at].now(self.micros), self.committed);
        self.nodes[at].gate.learn(now, &with_changes(committed));
        if self.below(4) == 0 {
            self.nodes[at].durable = committed;
        }
    }

    /// A read round passed: everything that is committed is applied.
    fn confirm(&mut self) {
        let at = self.some_node();
        let node = &self.nodes[at];
        let now = node.now(self.micros);
        node.gate.learn(now, &with_changes(self.committed));
        node.gate.confirm(now);
    }

    /// How many have leave; none of them may lack what was acknowledged.
    fn check(&self) -> usize {
        let mut with_leave = 0;
        for node in &self.nodes {
            let Some(auth) = node.gate.current(node.now(self.micros)) else { continue };
            with_leave += 1;
            assert!(
                auth.changes >= self.acknowledged,
                "{} has leave with change {} of {}",
                node.id,
                auth.changes,
                self.acknowledged
            );
        }
        with_leave
    }
}

#[test]
fn nobody_goes_by_what_was_before_an_acknowledged_change() {
    let (mut leaves, mut acknowledged) = (0, 0);
    for seed in 0..60 {
        let mut world = World::new(seed, if seed % 2 == 0 { 3 } else { 5 });
        for _ in 0..20_000 {
            world.step();
            leaves += world.check();
        }
        acknowledged += world.acknowledged;
    }
    // It is about something.
    assert!(leaves > 500_000 && acknowledged > 200, "{leaves} {acknowledged}");
}

#[test]
fn a_node_alone_needs_nobody_and_a_silent_majority_takes_leave_away() {
    let at = |millis| Moment(Duration::from_millis(millis));
    let alone = Liveness::new(1, 2, 10, at(0));
    let gate = Gate::new(LEAVE, false);
    gate.hear(at(5), alone.auth_told(at(5)));
    assert!(!gate.is_open() && gate.word() == 0, "it was just started");
    gate.confirm(at(6));
    assert!(gate.is_open() && gate.word() == 1);
    let on = Auth { enabled: true, changes: 1, ..Auth::default() };
    assert!(gate.learn(at(7), &Arc::new(on)));
    assert!(!gate.is_open(), "closed before anybody is told that it is on");
    assert!(gate.current(at(1_004)).is_some() && gate.current(at(1_005)).is_none());
}

#[test]
fn a_node_that_is_no_member_here_yet_may_know_more() {
    let at = |millis| Moment(Duration::from_millis(millis));
    let mut liveness = Liveness::new(1, 2, 10, at(0));
    let gate = Gate::new(LEAVE, false);
    gate.confirm(at(1));
    gate.hear(at(2), liveness.auth_told(at(2)));
    assert!(gate.is_open());
    liveness.knows(NodeId(9), 2);
    gate.hear(at(3), liveness.auth_told(at(3)));
    assert!(!gate.is_open() && gate.current(at(3)).is_none());
    gate.learn(at(4), &with_changes(1));
    assert!(gate.is_open());
}

fn auth_with(key: u8, since: u64) -> Auth {
    let user = User { password: None, roles: Default::default(), since };
    let users = BTreeMap::from([("bob".to_owned(), user)]);
    Auth { enabled: true, key: Secret(vec![key; 32].into()), users, ..Auth::default() }
}

#[test]
fn a_token_ends_with_time_with_its_user_and_with_the_key() {
    const HOUR: u64 = 3_600_000;
    let life = Duration::from_secs(300);
    let tokens = Tokens::new(life);
    let auth = auth_with(1, 7);
    let now = |seconds| Moment(Duration::from_secs(seconds));
    let token = tokens.issue(&auth, "bob", HOUR).unwrap();
    let read = |tokens: &Tokens, auth: &Auth, seconds: u64| {
        tokens.read(auth, &token, (now(seconds), HOUR + seconds * 1_000), Ended::Refuse)
    };
    let invalid = Err(Code::InvalidAuthToken);
    // Every node takes it, and each remembers its own.
    let other = Tokens::new(life);
    assert_eq!(read(&other, &auth, 359), Ok("bob".to_owned()), "clocks may be a minute apart");
    assert_eq!(read(&tokens, &auth, 360), invalid);
    assert_eq!(read(&other, &auth, 600), Ok("bob".to_owned()), "use makes it live longer");
    assert_eq!(read(&other, &auth, 900), invalid, "not used for as long as it lives");
    assert_eq!(read(&other, &auth, 901), invalid, "and to ask again does not bring it back");
    let late = tokens.read(&auth, &token, (now(360), HOUR + 360_000), Ended::Take);
    assert_eq!(late, Ok("bob".to_owned()));
    assert_eq!(read(&tokens, &auth_with(1, 8), 1), invalid, "another password");
    assert_eq!(read(&tokens, &auth_with(2, 7), 1), invalid, "another key");
    let nobody = Auth { users: BTreeMap::new(), ..auth.clone() };
    assert_eq!(read(&tokens, &nobody, 1), invalid, "no such user any more");
    let off = Auth { key: Secret::default(), ..auth.clone() };
    assert_eq!(read(&tokens, &off, 1), invalid);
    assert_eq!(tokens.issue(&auth, "eve", HOUR), Err(Code::AuthFailed));
    assert_eq!(read(&tokens, &auth, 1), Ok("bob".to_owned()), "and it still counts");
}

proptest! {
    #[test]
    fn no_other_text_is_a_token(text in "[A-Za-z0-9_-]{0,80}", at in any::<usize>(), bit in 0_u8..6) {
        let (tokens, auth) = (Tokens::new(LEAVE), auth_with(1, 7));
        let read = |token: &str| tokens.read(&auth, token, (Moment::default(), 0), Ended::Take);
        prop_assert_eq!(read(&text), Err(Code::InvalidAuthToken));
        let mut damaged = tokens.issue(&auth, "bob", 0).unwrap().into_bytes();
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        if let Ok(damaged) = std::str::from_utf8(&damaged) {
            prop_assert_eq!(read(damaged), Err(Code::InvalidAuthToken));
        }
    }
}

#[tokio::test]
async fn a_password_is_known_by_its_hash_alone() {
    let rng: Arc<dyn Rng> = Arc::new(OsRandom);
    let passwords = Passwords::new(&rng);
    let hash = passwords.hash("secret").await.unwrap();
    assert_ne!(hash, passwords.hash("secret").await.unwrap(), "each has a salt of its own");
    assert_eq!(format!("{hash:?}"), "Secret");
    for _ in 0..2 {
        // The second time from memory.
        assert_eq!(passwords.check(("bob", 1), &hash, "secret").await, Ok(true));
        assert_eq!(passwords.check(("bob", 1), &hash, "secreT").await, Ok(false));
    }
    let damaged = Secret(hash.0.slice(1..));
    assert_eq!(passwords.check(("bob", 1), &damaged, "secret").await, Ok(false));
    let long = "x".repeat(1_025);
    assert_eq!(passwords.hash(&long).await.unwrap_err().code, Code::InvalidArgument);
}
