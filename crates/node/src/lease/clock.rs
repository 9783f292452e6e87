//! The clock a leader keeps for the leases of one region.

use core::time::Duration;
use std::collections::{BTreeSet, HashMap};

use env::Moment;
use types::LeaseId;

/// Alarms looked at in one call of [`LeaseClock::expired`], so that a call after a mass renewal stays
/// short (about a millisecond).
const EXAMINED: usize = 1_024;

/// How a [`LeaseClock`] behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseLimits {
    /// Added to every lease's time to live when leadership is won: clients first have to find the new
    /// leader.
    pub grace: Duration,
    /// Leases given out by one call of [`LeaseClock::expired`] at most: a mass expiry reaches the log
    /// in pieces, with room for other commands in between (etcd #9360).
    pub expire_batch: usize,
}

impl Default for LeaseLimits {
    fn default() -> Self {
        Self { grace: Duration::from_secs(2), expire_batch: 256 }
    }
}

/// One lease.
#[derive(Clone, Copy, Debug)]
struct Lease {
    /// The time to live, in seconds.
    ttl_seconds: i64,
    /// When it ends; only ever moves forward.
    deadline: Moment,
    /// Where its alarm stands, at or before `deadline`; `None` while it is being expired.
    alarm: Option<Moment>,
}

/// When the leases of one region end, on the monotonic clock of the node that leads it.
///
/// Renewing moves a number and nothing else. The alarm of a lease stays where it was; when it rings,
/// the lease is looked at, and the alarm is set again if the deadline moved meanwhile. So a lease costs
/// one ordered insert per time to live, however often it is renewed, and there is exactly one alarm per
/// lease.
///
/// A node that does not lead has no deadlines: every question is answered as for an unknown lease.
#[derive(Debug)]
pub struct LeaseClock {
    limits: LeaseLimits,
    leading: bool,
    /// There while a lease has a deadline: most of many regions have none.
    held: Option<Box<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    // Never iterated, so its random order decides nothing.
    leases: HashMap<LeaseId, Lease>,
    alarms: BTreeSet<(Moment, LeaseId)>,
}

impl LeaseClock {
    /// A clock of a node that does not lead.
    #[must_use]
    pub fn new(limits: LeaseLimits) -> Self {
        Self { limits, leading: false, held: None }
    }

    /// Leadership was won: every lease gets its full time to live again, plus the grace. Nobody knows
    /// when the last leader renewed what, and a lease that lives too long is safe, one that dies too
    /// early is not (etcd #15247).
    pub fn lead(&mut self, now: Moment, leases: impl Iterator<Item = (LeaseId, i64)>) {
        self.follow();
        self.leading = true;
        for (id, ttl_seconds) in leases {
            self.set(id, ttl_seconds, now.after(self.limits.grace));
        }
    }

    /// Leadership was lost: every deadline is forgotten.
    pub fn follow(&mut self) {
        self.leading = false;
        self.held = None;
    }

    /// Whether deadlines are kept.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.leading
    }

    /// How many leases have a deadline, those being expired among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.leases.len())
    }

    /// Whether no lease has a deadline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// A grant was applied.
    pub fn granted(&mut self, now: Moment, id: LeaseId, ttl_seconds: i64) {
        if self.leading {
            self.set(id, ttl_seconds, now);
        }
    }

    /// A revocation or an expiry was applied.
    pub fn revoked(&mut self, id: LeaseId) {
        let Some(held) = &mut self.held else { return };
        held.remove(id);
        if held.leases.is_empty() {
            self.held = None;
        }
    }

    /// Renews a lease; answers its time to live in seconds. `None` for an unknown lease and for one
    /// that is being expired: its end may be in the log already.
    ///
    /// A lease past its deadline that [`Self::expired`] has not given out yet is renewed: when the
    /// leader stalls, the renewals that waited count before the deadlines that passed.
    pub fn renew(&mut self, now: Moment, id: LeaseId) -> Option<i64> {
        let lease = self.held.as_mut()?.leases.get_mut(&id);
        let lease = lease.filter(|lease| lease.alarm.is_some())?;
        lease.deadline = lease.deadline.max(now.after(seconds(lease.ttl_seconds)));
        Some(lease.ttl_seconds)
    }

    /// Whole seconds left, at most the time to live. `None` as for [`Self::renew`].
    #[must_use]
    pub fn remaining(&self, now: Moment, id: LeaseId) -> Option<i64> {
        let lease = self.held.as_ref()?.leases.get(&id).filter(|lease| lease.alarm.is_some())?;
        let left = lease.deadline.since(now).as_secs();
        Some(i64::try_from(left).unwrap_or(i64::MAX).min(lease.ttl_seconds))
    }

    /// Leases whose time is up and that were not given out before, roughly the longest overdue first; at most
    /// `max` and [`LeaseLimits::expire_batch`]. Each counts as being expired until [`Self::revoked`]
    /// or [`Self::retry`].
    ///
    /// Work per call is bounded. If the bound was met, [`Self::next_deadline`] is not after `now`, and
    /// the caller comes again.
    pub fn expired(&mut self, now: Moment, max: usize) -> Vec<LeaseId> {
        let max = max.min(self.limits.expire_batch);
        let mut due = Vec::new();
        let Some(Held { leases, alarms }) = self.held.as_deref_mut() else { return due };
        for _ in 0..EXAMINED {
            if due.len() == max {
                break;
            }
            let Some(&(alarm, id)) = alarms.first().filter(|(alarm, _)| *alarm <= now) else {
                break;
            };
            alarms.pop_first();
            let Some(lease) = leases.get_mut(&id) else {
                unreachable!("an alarm at {alarm:?} for {id:?}, which has no deadline");
            };
            if lease.deadline <= now {
                lease.alarm = None;
                due.push(id);
            } else {
                lease.alarm = Some(lease.deadline);
                alarms.insert((lease.deadline, id));
            }
        }
        due
    }

    /// Proposing their expiry failed: the leases are due again, and may be renewed again.
    pub fn retry(&mut self, ids: impl IntoIterator<Item = LeaseId>) {
        let Some(Held { leases, alarms }) = self.held.as_deref_mut() else { return };
        for id in ids {
            if let Some(lease) = leases.get_mut(&id)
                && lease.alarm.is_none()
            {
                lease.alarm = Some(lease.deadline);
                alarms.insert((lease.deadline, id));
            }
        }
    }

    /// When to call [`Self::expired`] again: no lease ends before. It may be too early, never too late.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.held.as_ref()?.alarms.first().map(|(alarm, _)| *alarm)
    }

    fn set(&mut self, id: LeaseId, ttl_seconds: i64, from: Moment) {
        let held = self.held.get_or_insert_default();
        held.remove(id);
        let ttl_seconds = ttl_seconds.max(types::limits::LEASE_TTL_SECONDS_MIN);
        let deadline = from.after(seconds(ttl_seconds));
        held.leases.insert(id, Lease { ttl_seconds, deadline, alarm: Some(deadline) });
        held.alarms.insert((deadline, id));
    }
}

impl Held {
    fn remove(&mut self, id: LeaseId) {
        if let Some(lease) = self.leases.remove(&id)
            && let Some(alarm) = lease.alarm
        {
            self.alarms.remove(&(alarm, id));
        }
    }
}

fn seconds(ttl_seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl_seconds).unwrap_or(0))
}
