//! Who of a host's replicas is awake, and in what order the others are woken.

use std::collections::BTreeSet;

use types::{NodeId, RegionId};

use super::Host;
use crate::Sleep;

/// Ticks for which a leader goes on without its quorum: links break and are there again.
const PATIENCE: u64 = 3;

impl<P, R> Host<P, R> {
    /// A word about sleep that came from `from`. One that makes no sense here is dropped.
    pub fn sleep(&mut self, from: NodeId, word: Sleep) {
        self.guarded(word.region, |peer, around, out| {
            peer.hear_of_sleep(from, word, around, out);
            Ok(())
        });
    }

    /// The node was not heard of for an election timeout, or its link broke, or it is another
    /// incarnation of itself. Replicas with a leader there look for another one soon; those that sleep
    /// are woken for it, and so are leaders that have no quorum without the node:
    /// `HostLimits::wakes_per_tick` of them per tick. Leaders that have none three ticks later lead no more,
    /// so that whoever waits here looks elsewhere when the others have another leader.
    pub fn node_lost(&mut self, node: NodeId) {
        if self.lost.insert(node) {
            self.missed.insert(node, self.ticks + PATIENCE);
        }
        let awake = self.awake.iter().copied();
        let led_there =
            |region: &RegionId| self.peers.get(region).is_some_and(|peer| peer.is_led_from(node));
        self.orphans.extend(awake.filter(led_there));
        self.orphan_in_turn();
        if !self.limits.guards.wake_when_leader_lost {
            return;
        }
        for (region, peer) in &mut self.peers {
            if peer.minds_loss(node, &self.lost) && peer.queue() {
                self.wakes.push_back(*region);
            }
        }
    }

    /// The node is there (again). Leaders that sleep and have a replica there are woken, paced like
    /// [`Host::node_lost`], so that it hears of them.
    pub fn node_back(&mut self, node: NodeId) {
        self.lost.remove(&node);
        self.missed.remove(&node);
        if !self.limits.guards.wake_when_node_back {
            return;
        }
        for (region, peer) in &mut self.peers {
            if peer.minds_return(node) && peer.queue() {
                self.wakes.push_back(*region);
            }
        }
    }

    /// Replicas that are ticked.
    #[must_use]
    pub fn awake(&self) -> usize {
        self.awake.len()
    }

    /// Wakes a replica at once, if it sleeps: somebody waits for what its leader does not do.
    pub fn wake(&mut self, region: RegionId) {
        if self.peers.get(&region).is_some_and(|peer| peer.is_asleep()) {
            self.guarded(region, |peer, around, out| {
                peer.wake(None, around, out);
                Ok(())
            });
        }
    }

    /// Leaders lead no more whose quorum is lost for good.
    pub(super) fn forsake(&mut self) {
        let before = self.missed.len();
        self.missed.retain(|_, until| *until > self.ticks);
        if self.missed.len() == before {
            return;
        }
        let missed = |node: &&NodeId| !self.missed.contains_key(node);
        let gone: BTreeSet<NodeId> = self.lost.iter().filter(missed).copied().collect();
        let lacks = |region: &&RegionId| self.peers.get(*region).is_some_and(|it| it.lacks(&gone));
        for region in self.awake.iter().filter(lacks).copied().collect::<Vec<_>>() {
            self.guarded(region, |peer, _, _| {
                peer.resign();
                Ok(())
            });
        }
    }

    /// As many of those whose turn it is as one tick may learn that their leader's node is lost.
    fn orphan_in_turn(&mut self) {
        for _ in 0..self.limits.wakes_per_tick.max(1) {
            let Some(region) = self.orphans.pop_front() else { break };
            self.guarded(region, |peer, around, _| {
                peer.learns_of_loss(around);
                Ok(())
            });
        }
    }

    /// Wakes as many of those whose turn it is as one tick may.
    pub(super) fn wake_in_turn(&mut self) {
        self.orphan_in_turn();
        let mut left = self.limits.wakes_per_tick.max(1);
        while left > 0
            && let Some(region) = self.wakes.pop_front()
        {
            // Some are awake by now; these are free.
            if self.peers.get(&region).is_some_and(|peer| peer.is_asleep()) {
                left -= 1;
                self.wake(region);
            }
        }
        self.started = 0;
    }
}
