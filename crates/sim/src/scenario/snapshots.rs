//! Logs of a few entries: a follower that was away for a second needs a snapshot, and compaction
//! runs all the time.

use super::Settings;

pub(super) fn settings() -> Settings {
    Settings {
        log_keep_entries: 8,
        log_slack_entries: 4,
        cut_interval_micros: 60_000,
        cache_bytes: 1 << 10,
        message_bytes: 1 << 10,
        register_clients: 5,
        counter_clients: 1,
        lease_clients: 1,
        compactors: 1,
        think_micros: 50_000,
        broken_chunks_permille: 30,
        ..Settings::default()
    }
}
