//! Checks come, change and go.

use std::sync::Arc;

use super::Edit;
use super::told::Told;
use crate::codec::primitives::Writer;
use crate::registry::answer::TimerChange;
use crate::registry::model::{At, CheckAt, Slot};
use crate::registry::name::{CheckKey, Name};
use crate::registry::record::{Check, Status};
use crate::registry::{codec, keys};

impl Edit<'_> {
    /// Sets a check that is another one now than `before`, where it belongs.
    pub(super) fn put_check(
        &mut self,
        mut place: CheckAt,
        mut before: Option<Arc<Check>>,
        mut check: Check,
    ) {
        check.modified = self.revision;
        if before.as_ref().is_some_and(|before| before.instance != check.instance) {
            self.displace_check(place.node, &check.key());
            place = self.registry.check_place(place.node, place.at, &check);
            before = None;
        }
        let slot = place.at.map(|at| at.service);
        let entry = slot.and_then(|service| self.registry.services.at(service));
        let service = entry.map(|entry| &entry.name);
        let mut out = Writer::with_capacity(192);
        codec::put_check(&mut out, &check);
        let record = keys::check(self.region, service, &check.node, check.place());
        self.batch.put(record, out.finish());
        let (timer, beats) = (check.timer, check.lives_by_beats());
        let counted = before.and_then(|before| before.timer(service));
        let counts = check.timer(service);
        // Before it lies where the search for what hangs on it looks.
        let ends = (check.status == Status::Critical).then(|| check.key());
        self.registry.insert_check(place, check);
        match counts {
            Some(counts) if beats || counted.as_ref() != Some(&counts) => {
                self.restart_timer(timer, counts);
            }
            None if counted.is_some() => self.changes.timers.push(TimerChange::Stop(timer)),
            _ => {}
        }
        self.touch_checked(place.node, slot, Told::Yes);
        if let Some(key) = ends {
            self.end_sessions_on(&key);
        }
    }

    /// Somebody said of a check that it is as it is known. That changes nothing, but it was heard.
    pub(super) fn hear_of(&mut self, at: Option<At>, check: &Check) {
        let service = at.and_then(|at| self.registry.services.at(at.service));
        if check.lives_by_beats()
            && let Some(timer) = check.timer(service.map(|entry| &entry.name))
        {
            self.restart_timer(check.timer, timer);
        }
    }

    pub(super) fn remove_check(&mut self, key: &CheckKey) {
        if let Some(node) = self.registry.nodes.find(&key.node) {
            self.displace_check(node, key);
        }
        self.end_sessions_on(key);
    }

    /// Takes a check away from where it lies; what hangs on it stays.
    pub(super) fn displace_check(&mut self, node: Slot, key: &CheckKey) {
        let Some(check) = self.registry.check_on(node, &key.namespace, &key.id).cloned() else {
            return;
        };
        if check.counts_time() {
            self.changes.timers.push(TimerChange::Stop(check.timer));
        }
        let at = self.registry.find_about(node, &key.namespace, &check.instance).flatten();
        let slot = at.map(|at| at.service);
        let entry = slot.and_then(|service| self.registry.services.at(service));
        let name = entry.map(|entry| &entry.name);
        self.batch.delete(keys::check(self.region, name, &key.node, key.place()));
        self.registry.drop_check(node, key);
        self.touch_checked(node, slot, Told::No);
    }

    /// A check is critical, or gone: what hangs on it ends.
    fn end_sessions_on(&mut self, check: &CheckKey) {
        let hanging: Vec<Name> = self.registry.hanging_on(check).cloned().collect();
        for id in hanging {
            self.end_session(&id);
        }
    }
}
