//! The bounds of the hub.

use core::time::Duration;

/// How much a hub takes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchLimits {
    /// Streams open on one region.
    pub streams: usize,
    /// Watches on one stream.
    pub watches: usize,
    /// Answers to orders (create, cancel) waiting in one stream; more orders are refused.
    pub orders: usize,
    /// Bytes of events waiting in one stream before its watches are left behind and caught up later.
    /// Up to twice as much is held when the reader has taken a full queue over and a new one fills.
    /// Events are shared, so this counts what the stream keeps alive, not what is copied for it.
    pub queue_bytes: usize,
    /// Batches of events waiting in one stream, with the same consequence.
    pub queue_batches: usize,
    /// Bytes of one `Events` message; only a single revision may be larger.
    pub message_bytes: usize,
    /// Bytes read from history at once.
    pub page_bytes: usize,
    /// Reads of history at the same time, on the whole node.
    pub readers: usize,
    /// How often an idle watch that asked for it is told its progress (etcd: 10 minutes).
    pub progress_interval: Duration,
    /// The same for regions of sharded keyspaces, where something happened meanwhile: how far a watch is
    /// decides whether it can be gone on with.
    pub share_progress_interval: Duration,
    /// Bytes of events kept in memory for each region that keeps no history on disk; 0 keeps none.
    pub recent_region_bytes: usize,
    /// Bytes of events kept in memory for all such regions.
    pub recent_bytes: usize,
}

impl Default for WatchLimits {
    fn default() -> Self {
        Self {
            streams: 100_000,
            watches: 100_000,
            orders: 4_096,
            queue_bytes: 4 << 20,
            queue_batches: 4_096,
            message_bytes: 1 << 20,
            page_bytes: 1 << 20,
            readers: 4,
            progress_interval: Duration::from_secs(600),
            share_progress_interval: Duration::from_secs(1),
            recent_region_bytes: 8 << 20,
            recent_bytes: 64 << 20,
        }
    }
}
