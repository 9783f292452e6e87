//! The time of a registry on one node: what is due where it leads, and which keys are not to be had yet.

use bytes::Bytes;
use env::Moment;
use parking_lot::Mutex;
use state::registry::deadlines::{Deadlines, Due, Heard, LockDelays, Settings};
use state::registry::{Changes, ServiceName, Status, Timer, TimerId};

/// Deadlines while this node leads, and lock delays always.
pub(crate) struct Clock(Mutex<Inner>);

struct Inner {
    settings: Settings,
    leading: bool,
    deadlines: Deadlines,
    /// On every replica: the next leader has to know as well.
    delays: LockDelays,
    looked_ms: u64,
}

/// Milliseconds of a clock that only goes forward.
fn millis(now: Moment) -> u64 {
    u64::try_from(now.0.as_millis()).unwrap_or(u64::MAX)
}

impl Clock {
    /// A clock of a node that does not lead.
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Mutex::new(Inner {
            settings,
            leading: false,
            deadlines: Deadlines::new(settings, 0),
            delays: LockDelays::default(),
            looked_ms: 0,
        }))
    }

    /// Leadership was won: everything gets its full time, and the grace.
    pub(crate) fn lead(&self, now: Moment, timers: impl Iterator<Item = (TimerId, Timer)>) {
        let mut clock = self.0.lock();
        clock.leading = true;
        clock.looked_ms = millis(now);
        clock.deadlines.begin(millis(now), timers);
    }

    /// This process stood still while it led: everything gets its full time anew, but for what was told to
    /// be over.
    pub(crate) fn lead_on(&self, now: Moment, timers: impl Iterator<Item = (TimerId, Timer)>) {
        let mut clock = self.0.lock();
        if clock.leading {
            clock.looked_ms = millis(now);
            clock.deadlines.begin(millis(now), timers);
        }
    }

    /// Leadership was lost: every deadline is forgotten.
    pub(crate) fn follow(&self) {
        let mut clock = self.0.lock();
        clock.leading = false;
        clock.deadlines = Deadlines::new(clock.settings, 0);
    }

    /// Takes in what was applied; called with the machine held.
    pub(crate) fn note(&self, now: Moment, changes: &Changes) {
        if changes.timers.is_empty() && changes.lock_delays.is_empty() {
            return;
        }
        let now = millis(now);
        let mut clock = self.0.lock();
        clock.delays.note(now, &changes.lock_delays);
        if clock.leading {
            clock.deadlines.note(now, &changes.timers);
        }
    }

    /// What is due by now, at most `most`. `None` if this process stood still: then nothing is, and
    /// everything is to begin again by [`Self::lead_on`].
    pub(crate) fn expired(&self, now: Moment, most: usize) -> Option<Vec<Due>> {
        let now = millis(now);
        let mut clock = self.0.lock();
        if !clock.leading {
            return Some(Vec::new());
        }
        let before = std::mem::replace(&mut clock.looked_ms, now);
        let stood_still = now.saturating_sub(before) >= clock.settings.stood_still_ms;
        (!stood_still).then(|| clock.deadlines.expired(now, most))
    }

    /// A client's beat or word, or a checker's result; `None` if this node does not lead.
    pub(crate) fn hear(&self, now: Moment, id: TimerId, status: Status) -> Option<Heard> {
        let mut clock = self.0.lock();
        clock.leading.then(|| clock.deadlines.hear(millis(now), id, status))
    }

    /// A session is renewed; answers whether its time is counted here.
    pub(crate) fn renew(&self, now: Moment, id: TimerId) -> Option<bool> {
        let mut clock = self.0.lock();
        clock.leading.then(|| clock.deadlines.renew(millis(now), id))
    }

    /// Whether nobody may lock a key yet.
    pub(crate) fn is_delayed(&self, now: Moment, key: &Bytes) -> bool {
        self.0.lock().delays.holds(millis(now), key)
    }

    /// Services that lost more than they may at once: how many checks are held back, of how many. Empty
    /// on nodes that do not lead.
    pub(crate) fn held(&self) -> Vec<(ServiceName, usize, u32)> {
        let clock = self.0.lock();
        clock.deadlines.held().map(|it| (it.service.clone(), it.held, it.all)).collect()
    }

    /// How many deadlines are kept, the bytes they take, and how many checks are held back.
    pub(crate) fn load(&self) -> (usize, usize, usize) {
        let clock = self.0.lock();
        let held_back = clock.deadlines.held().map(|it| it.held).sum();
        (clock.deadlines.len(), clock.deadlines.memory(), held_back)
    }
}
