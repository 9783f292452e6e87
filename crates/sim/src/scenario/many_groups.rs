//! The meta region and several keyspaces on one host: regions come to be while nodes crash, and one
//! log holds all of them.

use super::Settings;

pub(super) fn settings() -> Settings {
    Settings {
        with_meta: true,
        regions: Vec::new(),
        keyspaces: 4,
        log_keep_entries: 16,
        log_slack_entries: 8,
        cut_interval_micros: 200_000,
        register_clients: 2,
        counter_clients: 1,
        lease_clients: 1,
        compactors: 0,
        think_micros: 120_000,
        ..Settings::default()
    }
}
