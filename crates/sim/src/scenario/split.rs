//! One sharded keyspace: its regions are split again and again while nodes crash and fall behind, with logs
//! so short that who missed a split is often sent what came of it.

use super::Settings;

pub(super) fn settings() -> Settings {
    Settings {
        with_meta: true,
        regions: Vec::new(),
        keyspaces: 1,
        sharded: Some(8),
        log_keep_entries: 10,
        log_slack_entries: 5,
        cut_interval_micros: 150_000,
        cache_bytes: 1 << 10,
        message_bytes: 1 << 10,
        register_clients: 5,
        counter_clients: 2,
        lease_clients: 0,
        compactors: 0,
        think_micros: 40_000,
        broken_chunks_permille: 10,
        ..Settings::default()
    }
}
