//! When something of the registry is over: the time that is not in the log. A leader keeps one
//! [`Deadlines`] beside its copy, tells it what it hears and what was applied, and asks it what is due.
//! It takes every time from its caller, in milliseconds of a clock that only goes forward.
//!
//! A heartbeat ends here: it moves one number, and becomes a command only where it changes how a check
//! stands. What is due is a proposal: it is told again until what was applied says that it happened, and
//! what is answered meanwhile is answered as if it had.

mod breaker;
mod lock_delays;
mod slots;
mod terms;
mod thresholds;
mod wheel;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::answer::{Timer, TimerChange};
use super::name::{ServiceName, TimerId};
use super::record::Status;
pub use breaker::{Breaker, Held};
use breaker::{NO_SERVICE, Services};
pub use lock_delays::LockDelays;
use slots::{Entry, Phase};
pub use terms::{Due, Heard, Settings};
use wheel::Wheel;

/// Every deadline of a region, about 80 bytes each; no task and no timer of the system for any of them.
#[derive(Debug)]
pub struct Deadlines {
    settings: Settings,
    wheel: Wheel,
    /// Where each timer's entry is.
    places: BTreeMap<TimerId, u32>,
    services: Services,
}

impl Deadlines {
    /// Nothing is waited for yet.
    #[must_use]
    pub fn new(settings: Settings, now_ms: u64) -> Self {
        Self {
            settings,
            wheel: Wheel::new(now_ms),
            places: BTreeMap::new(),
            services: Services::default(),
        }
    }

    /// A leader begins, at a start, after an election, after a move: everything gets its full time from
    /// now, and the grace. What was told by these very deadlines before stays told, since the proposal
    /// may be on its way still; a node that does not lead any more makes new ones.
    pub fn begin(&mut self, now_ms: u64, timers: impl Iterator<Item = (TimerId, Timer)>) {
        let before = std::mem::replace(self, Self::new(self.settings, now_ms));
        for (id, timer) in timers {
            self.start(now_ms, id, &timer, self.settings.grace_ms);
            if let Some(at) = before.places.get(&id) {
                self.stay_told(now_ms, before.wheel.entry(*at));
            }
        }
    }

    /// What was told before and is not settled is still told.
    fn stay_told(&mut self, now_ms: u64, before: &Entry) {
        let Some(at) = self.places.get(&before.id).copied() else { return };
        let entry = self.wheel.entry_mut(at);
        let told = match before.phase {
            Phase::Lost => entry.thresholds.status() < before.thresholds.status(),
            Phase::Ended => true,
            _ => false,
        };
        if told {
            entry.thresholds = before.thresholds;
            if before.phase == Phase::Lost && before.thresholds.status() == Status::Critical {
                self.services.fall(entry.service);
            }
            self.wait(at, now_ms, before.phase, self.settings.again_ms);
        }
    }

    /// Takes in what was applied.
    pub fn note(&mut self, now_ms: u64, changes: &[TimerChange]) {
        for change in changes {
            match change {
                TimerChange::Start(id, timer) => self.start(now_ms, *id, timer, 0),
                TimerChange::Stop(id) => self.stop(*id),
            }
        }
    }

    /// A client's beat or word, or a checker's result. After a loss was told it is answered as if that
    /// had been applied: what is proposed by the answer comes after the loss in the log and mends it, or
    /// before and changes nothing.
    pub fn hear(&mut self, now_ms: u64, id: TimerId, status: Status) -> Heard {
        let Some(at) = self.places.get(&id).copied() else { return Heard::Unknown };
        let entry = self.wheel.entry_mut(at);
        let stands = entry.thresholds.hear(status);
        let later = entry.deadline_ms.max(now_ms + u64::from(entry.ttl_ms));
        match entry.phase {
            // Not moved in the wheel: when its old time comes, it is put where it belongs.
            Phase::Beat => entry.deadline_ms = later,
            Phase::Held => {
                let since_ms = entry.deadline_ms;
                self.services.let_live(entry.service, since_ms, id);
                self.wait(at, now_ms, Phase::Beat, u64::from(self.wheel.entry(at).ttl_ms));
            }
            Phase::Lost => {
                if let Some(status) = stands.filter(|it| *it < entry.thresholds.status()) {
                    if entry.thresholds.status() == Status::Critical {
                        self.services.rise(entry.service);
                    }
                    entry.thresholds.assume(status);
                    let ttl_ms = u64::from(entry.ttl_ms);
                    self.wait(at, now_ms, Phase::Beat, ttl_ms);
                }
            }
            Phase::Removal | Phase::Parked | Phase::Session | Phase::Ended => {}
        }
        stands.map_or(Heard::Nothing, Heard::Stands)
    }

    /// A session is renewed; answers whether that counts. If not, its time is not counted here, or it was
    /// told to be over already: then only a command can save it, or nothing.
    pub fn renew(&mut self, now_ms: u64, id: TimerId) -> bool {
        let Some(at) = self.places.get(&id).copied() else { return false };
        let entry = self.wheel.entry_mut(at);
        if entry.phase != Phase::Session {
            return false;
        }
        entry.deadline_ms = entry.deadline_ms.max(now_ms + u64::from(entry.ttl_ms));
        true
    }

    /// What is due by now, at most `most`; the rest waits for the next question.
    pub fn expired(&mut self, now_ms: u64, most: usize) -> Vec<Due> {
        let mut due = Vec::new();
        self.release_held(now_ms, most, &mut due);
        self.wheel.advance(now_ms);
        while due.len() < most {
            let Some(at) = self.wheel.pop_ready() else { break };
            if self.wheel.entry(at).deadline_ms > now_ms {
                // It was heard since it was put here.
                self.wheel.link(at);
                continue;
            }
            due.extend(self.fire(at, now_ms));
        }
        due
    }

    /// The services that lose more than they may at once, with what is held back.
    pub fn held(&self) -> impl Iterator<Item = Held<'_>> {
        self.services.held()
    }

    /// Somebody says that the instances of a service are gone indeed: what is held back now goes, and
    /// the breaker counts anew.
    pub fn confirm(&mut self, service: &ServiceName) {
        self.services.confirm(service);
    }

    /// How many timers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing is waited for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of memory, at most, the allocator's own left out. A node of the map of places is half full
    /// at least, but for the first ones.
    #[must_use]
    pub fn memory(&self) -> usize {
        // A leaf holds up to 11 pairs, 5 at least; one node in 6 holds others.
        const LEAF: usize = 11 * (size_of::<TimerId>() + size_of::<u32>()) + 16;
        const INNER: usize = LEAF + 12 * 8;
        let places = self.places.len() * (LEAF * 6 + INNER) / (6 * 5);
        size_of::<Self>() + self.wheel.memory() + places + self.services.memory()
    }

    fn start(&mut self, now_ms: u64, id: TimerId, timer: &Timer, grace_ms: u64) {
        let known = self.places.get(&id).copied();
        let before = known.map(|at| self.wheel.entry(at).clone());
        let service = match timer {
            Timer::Check(check) if check.ttl_ms > 0 => check
                .service
                .as_ref()
                .map(|name| self.services.enter(name, check.status < Status::Critical)),
            Timer::Check(_) | Timer::Session { .. } => None,
        };
        self.stop(id);
        let entry = Entry::new(id, timer, service.unwrap_or(NO_SERVICE), before.as_ref());
        let (phase, after_ms) = entry.first_phase();
        // As with a beat, what is left of the grace stays.
        let same = before.filter(|it| it.phase == phase && it.ttl_ms == entry.ttl_ms);
        let left = same.map_or(0, |it| it.deadline_ms.saturating_sub(now_ms));
        let after_ms = match phase {
            Phase::Beat | Phase::Session => left.max(after_ms + grace_ms),
            _ => after_ms + grace_ms,
        };
        let at = self.wheel.insert(entry);
        self.places.insert(id, at);
        self.wait(at, now_ms, phase, after_ms);
    }

    fn stop(&mut self, id: TimerId) {
        let Some(at) = self.places.remove(&id) else { return };
        let entry = self.wheel.remove(at);
        if entry.phase == Phase::Held {
            self.services.let_live(entry.service, entry.deadline_ms, id);
        }
        self.services.leave(entry.service, entry.thresholds.status() < Status::Critical);
    }

    fn wait(&mut self, at: u32, now_ms: u64, phase: Phase, after_ms: u64) {
        self.wheel.unlink(at);
        let entry = self.wheel.entry_mut(at);
        entry.phase = phase;
        entry.deadline_ms = now_ms + after_ms;
        if !matches!(phase, Phase::Parked | Phase::Held) {
            self.wheel.link(at);
        }
    }

    /// The time of an entry that is in no list now is up.
    fn fire(&mut self, at: u32, now_ms: u64) -> Option<Due> {
        let again_ms = self.settings.again_ms;
        let entry = self.wheel.entry_mut(at);
        let id = entry.id;
        match entry.phase {
            Phase::Parked | Phase::Held => None,
            Phase::Session | Phase::Ended => {
                self.wait(at, now_ms, Phase::Ended, again_ms);
                Some(Due::Session { id })
            }
            Phase::Removal => {
                self.wait(at, now_ms, Phase::Removal, again_ms);
                Some(Due::Removal { id })
            }
            Phase::Lost => {
                let status = entry.thresholds.status();
                self.wait(at, now_ms, Phase::Lost, again_ms);
                Some(Due::Silent { id, status })
            }
            Phase::Beat => {
                let stands = entry.thresholds.hear(Status::Critical);
                let (ttl_ms, service) = (u64::from(entry.ttl_ms), entry.service);
                let Some(status) = stands else {
                    // Not often enough in a row.
                    self.wait(at, now_ms, Phase::Beat, ttl_ms);
                    return None;
                };
                if status == Status::Critical
                    && !self.services.may_lose(service, now_ms, &self.settings.breaker)
                {
                    self.wait(at, now_ms, Phase::Held, 0);
                    self.services.hold(service, now_ms, id);
                    return None;
                }
                Some(self.lose(at, now_ms, status))
            }
        }
    }

    /// Tells that a check stands like this for silence, for the first time.
    fn lose(&mut self, at: u32, now_ms: u64, status: Status) -> Due {
        let entry = self.wheel.entry_mut(at);
        entry.thresholds.assume(status);
        if status == Status::Critical {
            self.services.fall(entry.service);
        }
        let id = entry.id;
        self.wait(at, now_ms, Phase::Lost, self.settings.again_ms);
        Due::Silent { id, status }
    }

    /// Lets go what was held back, as far as the breaker allows by now.
    fn release_held(&mut self, now_ms: u64, most: usize, due: &mut Vec<Due>) {
        for id in self.services.release(now_ms, &self.settings.breaker, most) {
            let Some(at) = self.places.get(&id).copied() else { continue };
            due.push(self.lose(at, now_ms, Status::Critical));
        }
    }
}
