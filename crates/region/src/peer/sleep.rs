//! Going to sleep and waking up (`docs/architecture/region.md`, "Sleep").

use std::collections::BTreeSet;

use core::time::Duration;

use types::{Index, NodeId, PeerId};

use super::Peer;
use crate::{Forfeit, HostLimits, Output, Sleep, SleepKind};

/// What a replica may know of the host it lives in.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) limits: &'a HostLimits,
    pub(crate) now: Duration,
    /// Ticks of the host since it started.
    pub(crate) ticks: u64,
    /// Nodes that are not there at the moment.
    pub(crate) lost: &'a BTreeSet<NodeId>,
}

/// A leader's question whether the others sleep with it.
struct Asking {
    attempt: u32,
    index: Index,
    since: u64,
    missing: Vec<PeerId>,
}

/// What a replica knows about its own rest.
pub(super) struct Rest {
    /// The host's tick since which it sleeps.
    asleep: Option<u64>,
    /// The host's tick at which anything but a heartbeat last happened.
    touched: u64,
    /// Until when it stays awake whatever happens.
    busy_until: u64,
    attempts: u32,
    asking: Option<Box<Asking>>,
    /// The node of the leader was lost since this replica fell asleep.
    leader_lost: bool,
    /// Whether it waits in the host's queue to be woken.
    queued: bool,
    pub(super) heartbeat_ticks: u64,
    pub(super) election_ticks: u64,
}

impl Rest {
    pub(super) fn new(config: &consensus::Config) -> Self {
        Self {
            asleep: None,
            touched: 0,
            busy_until: 0,
            attempts: 0,
            asking: None,
            leader_lost: false,
            queued: false,
            heartbeat_ticks: config.heartbeat_ticks as u64,
            election_ticks: config.election_ticks as u64,
        }
    }

    pub(super) fn idle_ticks(&self, ticks: u64) -> u64 {
        ticks.saturating_sub(self.touched)
    }

    pub(super) fn slept_ticks(&self, ticks: u64) -> u64 {
        self.asleep.map_or(0, |since| ticks.saturating_sub(since))
    }

    /// Something happens: nobody falls asleep now.
    pub(super) fn touch(&mut self, ticks: u64) {
        self.touched = ticks;
        self.asking = None;
    }

    /// Something is to happen that takes the word of the others: nobody falls asleep before they could have
    /// given it, and who wants it could have come again.
    pub(super) fn stay_awake(&mut self, ticks: u64) {
        self.touch(ticks);
        self.busy_until = ticks + 2 * self.election_ticks;
    }

    /// Whether heartbeats are held back: they would wake those who agreed already.
    pub(super) fn is_asking(&self) -> bool {
        self.asking.is_some()
    }
}

impl<P, R> Peer<P, R> {
    pub(crate) fn is_asleep(&self) -> bool {
        self.rest.asleep.is_some()
    }

    /// Starts asleep, to be woken in its turn.
    pub(crate) fn start_asleep(&mut self, ticks: u64) {
        self.rest.asleep = Some(ticks);
    }

    /// Whether it may start late: it ran before, and has to refuse votes for a while anyway.
    pub(crate) fn is_settling(&self) -> bool {
        self.replica.is_settling()
    }

    /// Notes that it waits to be woken; answers whether that is news.
    pub(crate) fn queue(&mut self) -> bool {
        self.is_asleep() && !std::mem::replace(&mut self.rest.queued, true)
    }

    /// Called once per tick of a leader that is awake: asks the others to sleep if nothing goes on,
    /// and gives that up when they do not all answer.
    pub(super) fn consider_sleep(&mut self, around: &Around<'_>, out: &mut Output<P, R>) {
        let Some(after) = around.limits.hibernate_after_ticks else { return };
        if let Some(asking) = &self.rest.asking {
            // Less than the followers' patience: they hear no heartbeat meanwhile.
            if around.ticks - asking.since >= (self.rest.election_ticks / 2).max(1) {
                self.rest.touch(around.ticks);
            }
            return;
        }
        if self.rest.idle_ticks(around.ticks) < after
            || around.ticks < self.rest.busy_until
            || !self.replica.is_leader()
            || !self.is_idle()
        {
            return;
        }
        let Some(others) = self.companions(around.lost) else { return };
        if others.is_empty() || !around.limits.guards.ask_before_sleep {
            self.fall_asleep(around, out);
            return;
        }
        self.rest.attempts = self.rest.attempts.wrapping_add(1);
        let (attempt, index) = (self.rest.attempts, self.replica.last_index());
        for peer in &others {
            self.say(*peer, SleepKind::Ask, (index, attempt), out);
        }
        let asking = Asking { attempt, index, since: around.ticks, missing: others };
        self.rest.asking = Some(Box::new(asking));
    }

    /// A word about sleep from another replica.
    pub(crate) fn hear_of_sleep(
        &mut self,
        from: NodeId,
        word: Sleep,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) {
        if word.from.node() != from || word.to != self.replica.peer() {
            return;
        }
        let asking = self.rest.asking.as_mut().filter(|asking| {
            asking.attempt == word.attempt
                && asking.index == word.index
                && self.replica.is_leader()
                && self.replica.term() == word.term
        });
        match word.kind {
            SleepKind::Ask => {
                let kind = if self.may_follow_to_sleep(&word, from, around) {
                    if !self.is_asleep() {
                        self.fall_asleep(around, out);
                    }
                    SleepKind::Agree
                } else {
                    self.wake(Some(word.from), around, out);
                    SleepKind::Refuse
                };
                self.say(word.from, kind, (word.index, word.attempt), out);
            }
            SleepKind::Agree => {
                let Some(asking) = asking else { return };
                asking.missing.retain(|peer| *peer != word.from);
                if asking.missing.is_empty() && self.is_idle() {
                    self.fall_asleep(around, out);
                }
            }
            SleepKind::Refuse => {
                if asking.is_some() {
                    self.rest.touch(around.ticks);
                }
            }
            SleepKind::Wake => self.wake(Some(word.from), around, out),
        }
    }

    /// Ticks again, if it slept. `by` is the replica whose word woke it. A follower that something
    /// else than its leader woke tells the leader, who may sleep.
    pub(crate) fn wake(&mut self, by: Option<PeerId>, around: &Around<'_>, out: &mut Output<P, R>) {
        let Some(since) = self.rest.asleep.take() else { return };
        self.rest.touch(around.ticks);
        self.rest.queued = false;
        let leader = self.replica.leader();
        let is_lost = std::mem::take(&mut self.rest.leader_lost)
            || leader.is_some_and(|leader| around.lost.contains(&leader.node()));
        self.replica.wake(around.ticks - since, is_lost);
        if !around.limits.guards.woken_keeps_promise {
            self.replica.break_promise();
        }
        if let Some(leader) = leader
            && by != Some(leader)
            && leader != self.replica.peer()
            && !is_lost
        {
            self.say(leader, SleepKind::Wake, (self.replica.last_index(), 0), out);
        }
    }

    /// The node was lost: whether that is a reason to wake.
    pub(crate) fn minds_loss(&mut self, node: NodeId, lost: &BTreeSet<NodeId>) -> bool {
        if !self.is_asleep() {
            return false;
        }
        if self.replica.is_leader() {
            return !self.is_quorum(|peer| !lost.contains(&peer.node()));
        }
        let leader = self.replica.leader().map(PeerId::node);
        self.rest.leader_lost |= leader == Some(node);
        leader == Some(node)
    }

    /// Whether it leads, and has no quorum without these nodes.
    pub(crate) fn lacks(&self, gone: &BTreeSet<NodeId>) -> bool {
        self.is_leader() && !self.is_quorum(|peer| !gone.contains(&peer.node()))
    }

    /// Leads no more.
    pub(crate) fn resign(&mut self) {
        self.replica.resign();
    }

    /// Whether its leader is on the node.
    pub(crate) fn is_led_from(&self, node: NodeId) -> bool {
        self.replica.leader().is_some_and(|leader| leader.node() == node)
    }

    /// The node of its leader is lost, if that is still so.
    pub(crate) fn learns_of_loss(&mut self, around: &Around<'_>) {
        let leader = self.replica.leader().map(PeerId::node);
        if leader.is_some_and(|leader| around.lost.contains(&leader)) {
            self.replica.orphan();
        }
    }

    /// The node is back: whether that is a reason to wake.
    pub(crate) fn minds_return(&self, node: NodeId) -> bool {
        self.is_asleep() && self.replica.is_leader() && !self.peers_on(node).is_empty()
    }

    /// Tells the others to be awake: this replica is gone, or leads no more.
    pub(crate) fn take_leave(&self, out: &mut Output<P, R>) {
        for peer in self.peers().into_iter().filter(|peer| *peer != self.replica.peer()) {
            self.say(peer, SleepKind::Wake, (self.replica.last_index(), 0), out);
        }
    }

    fn may_follow_to_sleep(&self, word: &Sleep, from: NodeId, around: &Around<'_>) -> bool {
        around.limits.hibernate_after_ticks.is_some()
            && word.term == self.replica.term()
            && self.replica.leader() == Some(word.from)
            && !self.replica.is_leader()
            && self.replica.level_index() == Some(word.index)
            && self.is_idle()
            && !around.lost.contains(&from)
    }

    fn is_idle(&self) -> bool {
        self.proposals.is_empty()
            && self.reads.len() == 0
            && self.last_write == self.last_durable
            && self.replica.is_quiet()
    }

    /// Who has to sleep with this leader: every replica on a node that is there. `None` while one of
    /// them is behind, or they are no quorum.
    fn companions(&self, lost: &BTreeSet<NodeId>) -> Option<Vec<PeerId>> {
        let conf = self.replica.configuration();
        let is_joint = !conf.voters_outgoing.is_empty() || !conf.learners_next.is_empty();
        if is_joint {
            return None;
        }
        let own = self.replica.peer();
        let others = conf.voters.iter().chain(&conf.learners).copied().filter(|peer| *peer != own);
        let present: Vec<PeerId> = others.filter(|peer| !lost.contains(&peer.node())).collect();
        let all_level = present.iter().all(|peer| self.replica.is_level(*peer));
        let is_quorum = self.is_quorum(|peer| peer == own || present.contains(&peer));
        (all_level && is_quorum).then_some(present)
    }

    fn is_quorum(&self, counts: impl Fn(PeerId) -> bool) -> bool {
        let conf = self.replica.configuration();
        [&conf.voters, &conf.voters_outgoing].into_iter().all(|set| {
            set.is_empty() || set.iter().filter(|peer| counts(**peer)).count() * 2 > set.len()
        })
    }

    fn fall_asleep(&mut self, around: &Around<'_>, out: &mut Output<P, R>) {
        self.rest.asleep = Some(around.ticks);
        self.rest.asking = None;
        self.rest.leader_lost = false;
        self.replica.sleep();
        self.fresh.shrink_to_fit();
        self.rounds.shrink_to_fit();
        self.proposals.shrink_to_fit();
        self.handed.shrink_to_fit();
        self.reads.shrink();
        if self.replica.is_leader() {
            let forfeit = Forfeit::RoundsUpTo(around.now);
            out.forfeited.push((self.region, self.replica.term(), forfeit));
        }
    }

    fn say(&self, to: PeerId, kind: SleepKind, about: (Index, u32), out: &mut Output<P, R>) {
        let (index, attempt) = about;
        let word = Sleep {
            region: self.region,
            from: self.replica.peer(),
            to,
            term: self.replica.term(),
            index,
            attempt,
            kind,
        };
        out.sleep.push((to.node(), word));
    }
}
