//! What a node keeps beside its copy of a registry.

use env::Moment;
use state::registry::deadlines::Settings;
use state::registry::{Changes, ServiceName};

use super::checker::Checker;
use super::clock::Clock;
use super::feed::{Audit, Feeds};
use super::lane::Lane;
use super::mirrors::Mirrors;
use super::waits::Waits;

/// The clock of the node that leads, and who waits on this one.
pub(crate) struct Share {
    pub(crate) clock: Clock,
    pub(crate) waits: Waits,
    /// Words on their way to whoever leads.
    pub(super) lane: Lane,
    /// What is pushed to subscribers on this node.
    pub(super) feeds: Feeds,
    /// Checks that are made here.
    pub(crate) checker: Checker,
    /// Nodes that shards have to be told of, if this is a part of a sharded registry.
    pub(super) mirrors: Mirrors,
}

impl Share {
    pub(crate) fn new(settings: Settings) -> Self {
        let (waits, lane, feeds) = Default::default();
        let (checker, mirrors) = Default::default();
        Self { clock: Clock::new(settings), waits, lane, feeds, checker, mirrors }
    }

    /// Takes in what was applied; called with the machine held.
    pub(crate) fn note(&self, now: Moment, changes: &Changes) {
        if !changes.timers.is_empty() {
            self.checker.note(&changes.timers);
        }
        self.clock.note(now, changes);
        self.mirrors.note(changes);
    }

    /// Who is pushed what of a service.
    pub(crate) fn audit(&self, service: &ServiceName) -> Option<Audit> {
        self.feeds.audit(service)
    }

    /// What this takes up.
    pub(crate) fn load(&self) -> RegistryLoad {
        let (services_followed, subscriptions) = self.feeds.len();
        let (deadlines, deadline_bytes, held_back) = self.clock.load();
        RegistryLoad {
            deadlines,
            deadline_bytes,
            held_back,
            waiting: self.waits.len(),
            services_followed,
            subscriptions,
        }
    }
}

impl RegistryLoad {
    /// Of two parts of a registry together.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            deadlines: self.deadlines + other.deadlines,
            deadline_bytes: self.deadline_bytes + other.deadline_bytes,
            held_back: self.held_back + other.held_back,
            waiting: self.waiting + other.waiting,
            services_followed: self.services_followed + other.services_followed,
            subscriptions: self.subscriptions + other.subscriptions,
        }
    }
}

/// What a registry takes up on a node beside its copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegistryLoad {
    /// Deadlines that are counted; 0 on nodes that do not lead.
    pub deadlines: usize,
    /// Bytes they take, at most.
    pub deadline_bytes: usize,
    /// Checks that were silent for too long and are held back, since too many of a service are.
    pub held_back: usize,
    /// Requests that wait for changes, and services that are followed for subscribers.
    pub waiting: usize,
    /// Services that somebody subscribed to.
    pub services_followed: usize,
    /// Subscriptions to them.
    pub subscriptions: usize,
}
