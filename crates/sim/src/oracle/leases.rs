//! Leases are safe: none ends before its time, counted from its grant or its last acknowledged
//! renewal, on the fastest clock there is (`docs/architecture/simulation.md`).

use std::collections::BTreeMap;

use types::{LeaseId, RegionId};

use crate::scenario::RATE_MAX;

/// Until when, in microseconds, each lease must live.
#[derive(Default)]
pub(crate) struct Leases(BTreeMap<(RegionId, LeaseId), u64>);

impl Leases {
    /// A grant was applied for the first time, or a renewal was asked for at `from` and answered.
    pub(crate) fn alive(&mut self, region: RegionId, lease: LeaseId, from: u64, ttl_seconds: i64) {
        let micros = u64::try_from(ttl_seconds).unwrap_or(0) * 1_000_000 * 1_000_000 / RATE_MAX;
        let until = self.0.entry((region, lease)).or_default();
        *until = (from + micros).max(*until);
    }

    /// An expiry was applied for the first time.
    pub(crate) fn expired(&self, region: RegionId, lease: LeaseId, now: u64) -> Result<(), String> {
        match self.0.get(&(region, lease)) {
            Some(until) if *until > now => Err(format!(
                "region {region}: lease {lease} ended {} microseconds early",
                until - now
            )),
            _ => Ok(()),
        }
    }
}
