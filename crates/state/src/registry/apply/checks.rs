//! Checks come, change and go.

use std::sync::Arc;

use super::Edit;
use super::told::Told;
use crate::codec::primitives::Writer;
use crate::registry::answer::TimerChange;
use crate::registry::name::{CheckKey, Name};
use crate::registry::record::{Check, Status};
use crate::registry::{codec, keys};

impl Edit<'_> {
    /// Sets a check that is another one now than `before`. Its node and its instance are known.
    pub(super) fn put_check(&mut self, mut before: Option<Arc<Check>>, mut check: Check) {
        check.modified = self.revision;
        let key = check.key();
        if before.as_ref().is_some_and(|before| before.instance != check.instance) {
            self.displace_check(&key);
            before = None;
        }
        let service = self.registry.service_of_check(&check);
        let mut out = Writer::with_capacity(192);
        codec::put_check(&mut out, &check);
        self.batch.put(keys::check(self.region, service.as_ref(), &key), out.finish());
        let (timer, status, beats) = (check.timer, check.status, check.lives_by_beats());
        let counted = before.and_then(|before| before.timer(service.as_ref()));
        let counts = check.timer(service.as_ref());
        self.registry.insert_check(check);
        match counts {
            Some(counts) if beats || counted.as_ref() != Some(&counts) => {
                self.restart_timer(timer, counts);
            }
            None if counted.is_some() => self.changes.timers.push(TimerChange::Stop(timer)),
            _ => {}
        }
        self.touch_checked(&key.node, service.as_ref(), Told::Yes);
        if status == Status::Critical {
            self.end_sessions_on(&key);
        }
    }

    /// Somebody said of a check that it is as it is known. That changes nothing, but it was heard.
    pub(super) fn hear_of(&mut self, check: &Check) {
        let service = self.registry.service_of_check(check);
        if check.lives_by_beats()
            && let Some(timer) = check.timer(service.as_ref())
        {
            self.restart_timer(check.timer, timer);
        }
    }

    pub(super) fn remove_check(&mut self, key: &CheckKey) {
        self.displace_check(key);
        self.end_sessions_on(key);
    }

    /// Takes a check away from where it lies; what hangs on it stays.
    fn displace_check(&mut self, key: &CheckKey) {
        let Some(check) = self.registry.check_at(key).cloned() else { return };
        let service = self.registry.service_of_check(&check);
        if check.counts_time() {
            self.changes.timers.push(TimerChange::Stop(check.timer));
        }
        self.registry.drop_check(key);
        self.batch.delete(keys::check(self.region, service.as_ref(), key));
        self.touch_checked(&key.node, service.as_ref(), Told::No);
    }

    /// A check is critical, or gone: what hangs on it ends.
    fn end_sessions_on(&mut self, check: &CheckKey) {
        let hanging: Vec<Name> = self.registry.hanging_on(check).cloned().collect();
        for id in hanging {
            self.end_session(&id);
        }
    }
}
