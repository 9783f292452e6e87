//! Leases are safe: none ends before its time, counted from its grant or its last acknowledged
//! renewal, on the fastest clock there is (`docs/architecture/simulation.md`).

use std::collections::{BTreeMap, BTreeSet};

use types::{LeaseId, RegionId};

use crate::scenario::RATE_MAX;

/// Until when, in microseconds, each lease must live.
#[derive(Default)]
pub(crate) struct Leases {
    until: BTreeMap<(RegionId, LeaseId), u64>,
    /// Those whose owner asked for their end. Until that is answered it may come at any time, also
    /// after a renewal.
    given_up: BTreeSet<(RegionId, LeaseId)>,
    /// When each was known to be gone.
    gone: BTreeMap<(RegionId, LeaseId), u64>,
}

impl Leases {
    /// A grant was applied for the first time, or a renewal was asked for at `from` and answered.
    pub(crate) fn alive(&mut self, region: RegionId, lease: LeaseId, from: u64, ttl_seconds: i64) {
        if self.given_up.contains(&(region, lease)) {
            return;
        }
        let micros = u64::try_from(ttl_seconds).unwrap_or(0) * 1_000_000 * 1_000_000 / RATE_MAX;
        let until = self.until.entry((region, lease)).or_default();
        *until = (from + micros).max(*until);
    }

    /// Its owner is going to revoke it.
    pub(crate) fn give_up(&mut self, region: RegionId, lease: LeaseId) {
        self.given_up.insert((region, lease));
        self.until.remove(&(region, lease));
    }

    /// A renewal that was asked for at `from` was answered with success.
    pub(crate) fn renewed(
        &mut self,
        region: RegionId,
        lease: LeaseId,
        from: u64,
        ttl_seconds: i64,
    ) -> Result<(), String> {
        if let Some(gone) = self.gone.get(&(region, lease)).filter(|gone| **gone < from) {
            return Err(format!(
                "region {region}: lease {lease} was renewed when asked at {from}, gone since {gone}"
            ));
        }
        self.alive(region, lease, from, ttl_seconds);
        Ok(())
    }

    /// An expiry or a revocation was applied for the first time.
    pub(crate) fn expired(
        &mut self,
        region: RegionId,
        lease: LeaseId,
        now: u64,
    ) -> Result<(), String> {
        self.gone.entry((region, lease)).or_insert(now);
        match self.until.get(&(region, lease)) {
            Some(until) if *until > now => Err(format!(
                "region {region}: lease {lease} ended {} microseconds early",
                until - now
            )),
            _ => Ok(()),
        }
    }
}
