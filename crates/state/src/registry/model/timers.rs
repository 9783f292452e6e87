//! Whose deadlines are which, and what a leader has to count for a check.

use super::Owner;
use super::blocks::{Blocks, Spot};
use crate::registry::answer::{CheckTimer, Timer};
use crate::registry::name::{ServiceName, TimerId};
use crate::registry::record::{Check, Status};

/// Deadlines by their ids. New ones come last.
#[derive(Default, Debug)]
pub(in crate::registry) struct Timers(Blocks<(TimerId, Owner)>);

impl Timers {
    fn find(&self, id: TimerId) -> Spot {
        self.0.find(|(other, _)| other.cmp(&id))
    }

    pub(in crate::registry) fn get(&self, id: TimerId) -> Option<&Owner> {
        self.0.get(self.find(id)).map(|(_, owner)| owner)
    }

    pub(super) fn insert(&mut self, id: TimerId, owner: Owner) {
        self.0.insert(self.find(id), (id, owner));
    }

    pub(super) fn remove(&mut self, id: TimerId) {
        self.0.remove(self.find(id));
    }

    pub(in crate::registry) fn iter(&self) -> impl Iterator<Item = &(TimerId, Owner)> {
        self.0.iter()
    }
}

impl Check {
    /// Whether a leader has to count anything for it.
    pub(in crate::registry) fn counts_time(&self) -> bool {
        let definition = &self.definition;
        definition.ttl_ms > 0
            || definition.interval_ms > 0
            || (definition.deregister_after_ms > 0 && !self.is_of_node())
            || definition.success_before_passing > 1
            || definition.failures_before_warning > 0
            || definition.failures_before_critical > 1
    }

    /// Whether any word of it moves its deadline.
    pub(in crate::registry) fn lives_by_beats(&self) -> bool {
        self.definition.ttl_ms > 0 && self.status != Status::Critical
    }

    /// What a leader has to count, where the check is about an instance of this service.
    pub(in crate::registry) fn timer(&self, service: Option<&ServiceName>) -> Option<Timer> {
        let definition = &self.definition;
        self.counts_time().then(|| {
            Timer::Check(CheckTimer {
                status: self.status,
                ttl_ms: definition.ttl_ms,
                interval_ms: definition.interval_ms,
                deregister_after_ms: service.map_or(0, |_| definition.deregister_after_ms),
                success_before_passing: definition.success_before_passing,
                failures_before_warning: definition.failures_before_warning,
                failures_before_critical: definition.failures_before_critical,
                service: service.cloned(),
            })
        })
    }
}
