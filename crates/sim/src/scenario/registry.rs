//! One region that is a registry. Its clock runs ten times as fast as all others, so that half a minute
//! sees instances and sessions come and go many times, with the times they have in life.

use state::registry::deadlines::{self, Breaker};

use super::Settings;

/// So much faster.
pub(crate) const HASTE: u32 = 10;
/// Of a check, by that clock, as all times of a registry.
pub(crate) const TTL_MS: u64 = 9_000;
/// Of a session.
pub(crate) const SESSION_TTL_MS: u64 = 10_000;
/// How long a check is critical before its instance goes.
pub(crate) const DEREGISTER_AFTER_MS: u64 = 6_000;
/// The longest of a lock.
pub(crate) const LOCK_DELAY_MS: u64 = 15_000;

pub(super) fn settings() -> Settings {
    Settings {
        registry: Some(deadlines::Settings {
            // Less than in life, or the dead would not be out before the run is.
            grace_ms: 7_000,
            breaker: Breaker { window_ms: 4_000, ..Breaker::default() },
            ..deadlines::Settings::default()
        }),
        instances: [5, 2],
        lockers: 3,
        waiters: 4,
        log_keep_entries: 40,
        log_slack_entries: 20,
        cut_interval_micros: 200_000,
        register_clients: 2,
        counter_clients: 1,
        lease_clients: 1,
        compactors: 1,
        think_micros: 200_000,
        ..Settings::default()
    }
}
