//! Checks that the cluster makes. Every node knows all of them and looks after its share: each check
//! belongs to one of the nodes that are there, by a rule that all of them follow alike, so that the others
//! take over what a lost one did without a word between them. Two that make the same check for a moment do
//! no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use probe::{Outcome, Standing, Target};
use state::command::Command;
use state::registry::{Check, Registries, RegistryCommand, Status, Timer, TimerChange, TimerId};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use types::NodeId;

use super::alias;
use super::lane::say;
use super::word::Word;
use crate::Handle;
use crate::forward;
use crate::shard::Shard;
use crate::shared::Shared;

/// Checks of one node under way at once. One whose turn comes while there are as many waits for its next.
const AT_ONCE: usize = 256;
/// How long one check may take, if it does not say.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that one may take, whatever it says.
const LONGEST: Duration = Duration::from_secs(60);
/// New checks are made within this time, so that many that come together do not go together.
const FIRST: Duration = Duration::from_millis(200);
/// How long to wait where there is nothing to be checked.
const IDLE: Duration = Duration::from_secs(3_600);

/// When which check is to be made.
#[derive(Default)]
pub(crate) struct Checker {
    plan: Mutex<Plan>,
    news: Notify,
}

#[derive(Default)]
struct Plan {
    checks: BTreeMap<TimerId, Turn>,
    turns: BTreeSet<(Instant, TimerId)>,
    /// Those that are being made: none is made twice at once.
    under_way: BTreeSet<TimerId>,
}

#[derive(Clone, Copy)]
struct Turn {
    interval: Duration,
    at: Instant,
}

/// Evenly spread, and the same on every node.
fn hash(timer: TimerId, salt: u64) -> u64 {
    let mut hash = timer.0 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2 {
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    }
    hash ^ (hash >> 31)
}

/// A part of `whole`.
fn part(whole: Duration, hash: u64) -> Duration {
    let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(hash % millis)
}

/// Which of `nodes` looks after a check: few change hands when one comes or goes.
fn owner(timer: TimerId, nodes: impl Iterator<Item = NodeId>) -> Option<NodeId> {
    nodes.max_by_key(|node| (hash(timer, node.get()), *node))
}

fn interval(timer: &Timer) -> Option<Duration> {
    match timer {
        Timer::Check(check) if check.interval_ms > 0 => {
            Some(Duration::from_millis(check.interval_ms))
        }
        Timer::Check(_) | Timer::Session { .. } => None,
    }
}

impl Plan {
    fn set(&mut self, timer: TimerId, interval: Duration, at: Instant) {
        self.remove(timer);
        self.checks.insert(timer, Turn { interval, at });
        self.turns.insert((at, timer));
    }

    fn remove(&mut self, timer: TimerId) {
        if let Some(turn) = self.checks.remove(&timer) {
            self.turns.remove(&(turn.at, timer));
        }
    }

    /// The next whose turn has come; its next turn is set. Turns that were missed are not made up for.
    fn take(&mut self, now: Instant) -> Option<TimerId> {
        let &(at, timer) = self.turns.first().filter(|(at, _)| *at <= now)?;
        let interval = self.checks.get(&timer)?.interval;
        let next = if now > at + interval { now + interval } else { at + interval };
        self.set(timer, interval, next);
        Some(timer)
    }
}

impl Checker {
    /// A copy was loaded: its checks are spread over their intervals.
    pub(crate) fn begin(&self, timers: impl Iterator<Item = (TimerId, Timer)>) {
        let mut plan = self.plan.lock();
        (plan.checks, plan.turns) = Default::default();
        let now = Instant::now();
        for (timer, what) in timers {
            if let Some(interval) = interval(&what) {
                plan.set(timer, interval, now + part(interval, hash(timer, 0)));
            }
        }
        self.news.notify_one();
    }

    /// Takes in what was applied.
    pub(super) fn note(&self, changes: &[TimerChange]) {
        let mut plan = self.plan.lock();
        let mut news = false;
        for change in changes {
            match change {
                TimerChange::Start(timer, what) => match interval(what) {
                    None => plan.remove(*timer),
                    // It stands differently now, or is the same in other words.
                    Some(interval)
                        if plan.checks.get(timer).is_some_and(|it| it.interval == interval) => {}
                    Some(interval) => {
                        plan.set(*timer, interval, Instant::now() + part(FIRST, hash(*timer, 0)));
                        news = true;
                    }
                },
                TimerChange::Stop(timer) => plan.remove(*timer),
            }
        }
        if news {
            self.news.notify_one();
        }
    }

    /// A check begins here; `None` while it is being made.
    fn start(&self, timer: TimerId) -> Option<UnderWay<'_>> {
        let begins = self.plan.lock().under_way.insert(timer);
        begins.then_some(UnderWay { checker: self, timer })
    }

    fn next(&self) -> Instant {
        let plan = self.plan.lock();
        plan.turns.first().map_or_else(|| Instant::now() + IDLE, |(at, _)| *at)
    }
}

/// A check that is being made.
struct UnderWay<'a> {
    checker: &'a Checker,
    timer: TimerId,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.checker.plan.lock().under_way.remove(&self.timer);
    }
}

/// Makes the checks of a registry that fall to this node, until the node ends.
pub(crate) async fn run(shared: Arc<Shared>, shard: Arc<Shard>) {
    let Ok(share) = shard.registry() else { return };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let next = share.checker.next();
        tokio::select! {
            biased;
            () = shared.ended() => return,
            () = share.checker.news.notified() => {}
            () = sleep_until(next) => {}
        }
        loop {
            let turn = share.checker.plan.lock().take(Instant::now());
            let Some(timer) = turn else { break };
            if !is_own(&shared, &shard, timer) {
                continue;
            }
            let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                if let Some(unsaid) = shared.say("checks") {
                    tracing::warn!(unsaid, "more than {AT_ONCE} checks at once: some are left out");
                }
                continue;
            };
            let check = {
                let machine = shard.machine.read();
                machine.registry().and_then(|registry| registry.check_of(timer).cloned())
            };
            if let Some(check) = check {
                tokio::spawn(make(Arc::clone(&shared), Arc::clone(&shard), check, permit));
            }
        }
    }
}

fn is_own(shared: &Shared, shard: &Shard, timer: TimerId) -> bool {
    let own = shared.node();
    let group = shard.group();
    let liveness = shared.live.liveness.lock();
    let there = group.nodes().filter(|node| *node == own || liveness.is_alive(*node));
    owner(timer, there) == Some(own)
}

/// Makes one check, and says what came of it.
async fn make(
    shared: Arc<Shared>,
    shard: Arc<Shard>,
    check: Arc<Check>,
    _permit: OwnedSemaphorePermit,
) {
    let Ok(share) = shard.registry() else { return };
    let Some(_under_way) = share.checker.start(check.timer) else { return };
    let definition = &check.definition;
    let patience = match definition.timeout_ms {
        0 => PATIENCE.min(Duration::from_millis(definition.interval_ms).max(PATIENCE / 10)),
        millis => Duration::from_millis(millis).min(LONGEST),
    };
    let Outcome { standing, output } = match Target::parse(&definition.target) {
        Ok(Target::Alias { node, service }) => {
            let handle = Handle::new(Arc::clone(&shared));
            let look = |registry: Registries<'_>| alias::look(registry, &check, &node, &service);
            let Some(outcome) = handle.look_around(&shard, look) else { return };
            outcome
        }
        Ok(target) => {
            let look = probe::probe(&target, patience, &shared.config.check_networks);
            tokio::select! {
                outcome = look => outcome,
                () = shared.ended() => return,
            }
        }
        Err(error) => Outcome { standing: Standing::Critical, output: error.to_string() },
    };
    let status = match standing {
        Standing::Passing => Status::Passing,
        Standing::Warning => Status::Warning,
        Standing::Critical => Status::Critical,
    };
    let told = say(&shared, &shard, vec![Word::Beat(check.timer, status)]).await;
    // Whoever leads cannot be reached, or the check is gone: its next turn comes, or not.
    let Some(status) = told.ok().and_then(|told| told.first()?.status()) else { return };
    let update =
        RegistryCommand::UpdateCheck { check: check.key(), status, output: Some(output.into()) };
    if let Err(fault) = forward::propose(&shared, &shard, Command::Registry(update)).await {
        tracing::debug!(%fault, "what a check found could not be written");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_check_has_one_owner_and_few_move_when_a_node_goes() {
        let nodes = |count: u64| (1..=count).map(NodeId);
        let mut counts: BTreeMap<NodeId, u32> = BTreeMap::new();
        let mut moved = 0;
        for number in 0..3_000 {
            let timer = TimerId(number * 256);
            let three = owner(timer, nodes(3)).unwrap();
            *counts.entry(three).or_default() += 1;
            let two = owner(timer, nodes(2)).unwrap();
            assert!(three == NodeId(3) || three == two, "only those of the lost one move");
            moved += u32::from(three != two);
        }
        assert!(counts.values().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(moved, counts[&NodeId(3)]);
        assert_eq!(owner(TimerId(1), std::iter::empty()), None);
    }

    #[tokio::test]
    async fn turns_come_at_their_interval_and_missed_ones_are_not_made_up_for() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut plan = Plan::default();
        plan.set(TimerId(1), second, now);
        plan.set(TimerId(2), second * 2, now + second);
        assert_eq!(plan.take(now), Some(TimerId(1)));
        assert_eq!(plan.take(now), None);
        assert_eq!(plan.take(now + second), Some(TimerId(1)));
        assert_eq!(plan.take(now + second), Some(TimerId(2)));
        assert_eq!(plan.take(now + second), None);
        let late = now + second * 60;
        assert_eq!(plan.take(late).and(plan.take(late)), Some(TimerId(2)));
        assert_eq!(plan.take(late), None, "once each");
        plan.remove(TimerId(1));
        plan.remove(TimerId(2));
        assert!(plan.turns.is_empty() && plan.checks.is_empty());
    }
}
