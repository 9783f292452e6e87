//! The meta region and several keyspaces on one host: regions come to be while nodes crash, and one
//! log holds all of them.

use super::Settings;

pub(super) fn settings() -> Settings {
    Settings {
        with_meta: true,
        regions: Vec::new(),
        keyspaces: 3,
        log_keep_entries: 60,
        log_slack_entries: 30,
        register_clients: 2,
        counter_clients: 1,
        lease_clients: 1,
        compactors: 0,
        think_micros: 120_000,
        ..Settings::default()
    }
}
