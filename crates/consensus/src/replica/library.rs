//! What the library's node is made with, at a start and after a nap.

use types::PeerId;

use crate::{Config, Guards};

/// Ticks and bytes of payload, as [`Config`] has them.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    election_ticks: usize,
    heartbeat_ticks: usize,
    message_bytes: u64,
    uncommitted_bytes: u64,
    committed_bytes: u64,
}

impl Measure {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            election_ticks: config.election_ticks,
            heartbeat_ticks: config.heartbeat_ticks,
            message_bytes: config.max_message_bytes,
            uncommitted_bytes: config.max_uncommitted_bytes,
            committed_bytes: config.max_committed_bytes_per_ready,
        }
    }

    pub(super) fn config(self, peer: PeerId, guards: &Guards, applied: u64) -> raft::Config {
        raft::Config {
            id: peer.get(),
            election_tick: self.election_ticks,
            heartbeat_tick: self.heartbeat_ticks,
            applied,
            max_size_per_msg: self.message_bytes,
            // See `open_windows`.
            max_inflight_msgs: 1,
            check_quorum: true,
            pre_vote: true,
            read_only_option: if guards.quorum_reads {
                raft::ReadOnlyOption::Safe
            } else {
                raft::ReadOnlyOption::LeaseBased
            },
            batch_append: !guards.single_appends,
            max_uncommitted_size: self.uncommitted_bytes,
            max_committed_size_per_ready: self.committed_bytes,
            ..raft::Config::default()
        }
    }
}
