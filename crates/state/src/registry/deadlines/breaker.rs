//! The brake on mass expiry. Where most of a service falls silent at once, it is rather the way between
//! that broke, or a server that was away; and a list that is stale serves clients better than an empty
//! one. So only a share of a service may go by silence in any window of time, and the rest is held back:
//! until it is heard, until its turn comes, or until somebody confirms. The dead are kept too long by
//! that, but no longer than it takes the share to make up the whole.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::registry::name::{ServiceName, TimerId};

/// The service of a check of a node, and of a session.
pub(super) const NO_SERVICE: u32 = u32::MAX;

/// How much of a service may be lost by silence at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breaker {
    /// Services with fewer checks that can be lost are not held back: one out of two is no sign of
    /// anything. Those that cannot fall silent and those that are critical already do not count.
    pub from: u32,
    /// Of a hundred of them, as many as there were when the first fell silent, how many may within the
    /// window; 100 switches the brake off.
    pub percent: u32,
    /// Milliseconds.
    pub window_ms: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { from: 4, percent: 30, window_ms: 30_000 }
    }
}

/// A service that loses more than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held<'a> {
    /// Which.
    pub service: &'a ServiceName,
    /// How many of its checks were silent for too long and are held back.
    pub held: usize,
    /// How many it has that can fall silent.
    pub all: u32,
}

/// The services that have timers.
#[derive(Default, Debug)]
pub(super) struct Services {
    groups: Vec<Group>,
    by_name: BTreeMap<ServiceName, u32>,
    free: Vec<u32>,
    /// Those that hold something back.
    holding: BTreeSet<u32>,
}

#[derive(Debug)]
struct Group {
    name: ServiceName,
    /// Its checks that can fall silent.
    all: u32,
    /// Those of them that are not critical, and were not told to be.
    alive: u32,
    /// Those that were told to be since nothing was held back and no window was open: the service is
    /// still measured as it was before.
    fallen: u32,
    /// When checks were lost, within the window.
    lost: VecDeque<u64>,
    /// Since when, and whose: the longest silent first.
    held: BTreeSet<(u64, TimerId)>,
    /// How many of the held may go whatever the window says.
    confirmed: u32,
}

impl Group {
    fn may_lose(&mut self, now_ms: u64, breaker: &Breaker) -> bool {
        while self.lost.front().is_some_and(|at| at.saturating_add(breaker.window_ms) <= now_ms) {
            self.lost.pop_front();
        }
        if self.lost.is_empty() && self.held.is_empty() {
            self.fallen = 0;
        }
        // What fell and rose again is in both.
        let members = self.alive.saturating_add(self.fallen).min(self.all);
        if members < breaker.from || breaker.percent >= 100 {
            return true;
        }
        let share = u64::from(members) * u64::from(breaker.percent) / 100;
        // One at least, or the dead would stay for ever.
        (self.lost.len() as u64) < share.max(1)
    }
}

fn count(held: &BTreeSet<(u64, TimerId)>) -> u32 {
    u32::try_from(held.len()).unwrap_or(u32::MAX)
}

impl Services {
    /// A check of this service that can fall silent begins; answers the number to leave with.
    pub(super) fn enter(&mut self, name: &ServiceName, alive: bool) -> u32 {
        if let Some(at) = self.by_name.get(name) {
            let group = &mut self.groups[*at as usize];
            group.all += 1;
            group.alive += u32::from(alive);
            return *at;
        }
        let group = Group {
            name: name.clone(),
            all: 1,
            alive: u32::from(alive),
            fallen: 0,
            lost: VecDeque::new(),
            held: BTreeSet::new(),
            confirmed: 0,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.groups[at as usize] = group;
                at
            }
            None => {
                self.groups.push(group);
                u32::try_from(self.groups.len() - 1).unwrap_or(NO_SERVICE)
            }
        };
        self.by_name.insert(name.clone(), at);
        at
    }

    pub(super) fn leave(&mut self, service: u32, alive: bool) {
        let Some(group) = self.groups.get_mut(service as usize) else { return };
        group.all -= 1;
        group.alive -= u32::from(alive);
        if group.all == 0 {
            self.by_name.remove(&group.name);
            self.holding.remove(&service);
            self.free.push(service);
        }
    }

    /// A check is told to be critical for silence.
    pub(super) fn fall(&mut self, service: u32) {
        let Some(group) = self.groups.get_mut(service as usize) else { return };
        group.alive -= 1;
        group.fallen = group.fallen.saturating_add(1);
    }

    /// And was heard before that was applied.
    pub(super) fn rise(&mut self, service: u32) {
        let Some(group) = self.groups.get_mut(service as usize) else { return };
        group.alive += 1;
    }

    /// Whether one more check may be lost; if so, it is counted.
    pub(super) fn may_lose(&mut self, service: u32, now_ms: u64, breaker: &Breaker) -> bool {
        let Some(group) = self.groups.get_mut(service as usize) else { return true };
        // Nobody goes before those that wait.
        if !group.held.is_empty() || !group.may_lose(now_ms, breaker) {
            return false;
        }
        group.lost.push_back(now_ms);
        true
    }

    pub(super) fn hold(&mut self, service: u32, since_ms: u64, id: TimerId) {
        let Some(group) = self.groups.get_mut(service as usize) else { return };
        group.held.insert((since_ms, id));
        self.holding.insert(service);
    }

    /// One that was held back was heard, or is not there any more.
    pub(super) fn let_live(&mut self, service: u32, since_ms: u64, id: TimerId) {
        let Some(group) = self.groups.get_mut(service as usize) else { return };
        group.held.remove(&(since_ms, id));
        group.confirmed = group.confirmed.min(count(&group.held));
        if group.held.is_empty() {
            self.holding.remove(&service);
        }
    }

    /// Those held back that may go now, at most `most`.
    pub(super) fn release(&mut self, now_ms: u64, breaker: &Breaker, most: usize) -> Vec<TimerId> {
        let mut released = Vec::new();
        for service in &self.holding {
            let group = &mut self.groups[*service as usize];
            while released.len() < most && (group.confirmed > 0 || group.may_lose(now_ms, breaker))
            {
                let Some((_, id)) = group.held.pop_first() else { break };
                if group.confirmed > 0 {
                    group.confirmed -= 1;
                } else {
                    group.lost.push_back(now_ms);
                }
                released.push(id);
            }
        }
        if !released.is_empty() {
            let groups = &self.groups;
            self.holding.retain(|service| !groups[*service as usize].held.is_empty());
        }
        released
    }

    pub(super) fn confirm(&mut self, service: &ServiceName) {
        let Some(at) = self.by_name.get(service) else { return };
        let group = &mut self.groups[*at as usize];
        group.confirmed = count(&group.held);
        group.lost.clear();
    }

    pub(super) fn held(&self) -> impl Iterator<Item = Held<'_>> {
        self.holding.iter().map(|service| {
            let group = &self.groups[*service as usize];
            Held { service: &group.name, held: group.held.len(), all: group.all }
        })
    }

    pub(super) fn memory(&self) -> usize {
        let names: usize =
            self.groups.iter().map(|it| it.name.name.len() + it.name.namespace.len()).sum();
        let windows: usize = self.groups.iter().map(|it| it.lost.capacity() * 8).sum();
        let held: usize = self.groups.iter().map(|it| it.held.len() * 48).sum();
        // The map of names: at worst twice what is in it.
        let by_name = self.by_name.len() * 2 * (size_of::<ServiceName>() + 4);
        self.groups.capacity() * size_of::<Group>() + names + windows + held + by_name
    }
}
