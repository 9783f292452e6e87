//! A sharded keyspace whose regions have replicas on three of four to six nodes: they are split, moved and
//! made anew, nodes are drained and filled, while nodes crash and fall behind.

use super::{Settings, split};

pub(super) fn settings() -> Settings {
    Settings { sharded: Some(5), replicas: 3, ..split::settings() }
}
