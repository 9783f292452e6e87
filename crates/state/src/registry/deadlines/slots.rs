//! One timer's entry, packed: there may be millions.

use super::thresholds::Thresholds;
use crate::registry::answer::Timer;
use crate::registry::name::TimerId;
use crate::registry::record::Status;

/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// What an entry waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Word of its check.
    Beat,
    /// Nothing: its check was silent for too long, and the breaker holds it back.
    Held,
    /// That its check stands as it was told to, for silence.
    Lost,
    /// That its check gets better.
    Removal,
    /// Nothing.
    Parked,
    /// That its session is renewed.
    Session,
    /// That its session, which was told to be over, is gone.
    Ended,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: TimerId,
    /// When it is due; for one that is held, since when it is.
    pub(super) deadline_ms: u64,
    /// 0 for a check nobody counts the time of.
    pub(super) ttl_ms: u32,
    /// 0 for a check whose instance stays.
    removal_ms: u32,
    pub(super) service: u32,
    /// Its neighbours in the list it is in.
    pub(super) previous: u32,
    pub(super) next: u32,
    /// Which list.
    pub(super) list: u16,
    pub(super) phase: Phase,
    pub(super) thresholds: Thresholds,
}

// What a million of them cost is the point of this file.
const _: () = assert!(size_of::<Entry>() <= 48);

impl Entry {
    /// `before`: the entry it takes the place of.
    pub(super) fn new(id: TimerId, timer: &Timer, service: u32, before: Option<&Self>) -> Self {
        let (ttl_ms, removal_ms, thresholds) = match timer {
            Timer::Check(check) => (
                check.ttl_ms,
                check.deregister_after_ms,
                Thresholds::new(check, before.map(|before| &before.thresholds)),
            ),
            Timer::Session { ttl_ms } => (*ttl_ms, 0, Thresholds::none()),
        };
        // Both are below `REGISTRY_PERIOD_MS` in whatever was applied, which fits.
        let short = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
        let is_check = matches!(timer, Timer::Check(_));
        Self {
            id,
            deadline_ms: 0,
            ttl_ms: short(ttl_ms),
            removal_ms: short(removal_ms),
            service,
            previous: NONE,
            next: NONE,
            list: 0,
            phase: if is_check { Phase::Parked } else { Phase::Session },
            thresholds,
        }
    }

    /// What it waits for first, and for how many milliseconds.
    pub(super) fn first_phase(&self) -> (Phase, u64) {
        let (ttl_ms, removal_ms) = (u64::from(self.ttl_ms), u64::from(self.removal_ms));
        if self.phase == Phase::Session {
            return (Phase::Session, ttl_ms);
        }
        match self.thresholds.status() {
            Status::Critical if removal_ms > 0 => (Phase::Removal, removal_ms),
            Status::Passing | Status::Warning if ttl_ms > 0 => (Phase::Beat, ttl_ms),
            _ => (Phase::Parked, 0),
        }
    }
}
