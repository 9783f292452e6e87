//! What a node has to do, for those who look now and then.

use super::Handle;
use crate::watch::HubLoad;

impl Handle {
    /// Milliseconds since 1970 by this node's wall clock, which nothing but people go by.
    #[must_use]
    pub fn wall_millis(&self) -> u64 {
        self.shared.clock.wall_millis()
    }

    /// Whether to log something now that may come again and again, and how often it did not get there since
    /// the last time: at most every ten seconds for each subject.
    #[must_use]
    pub fn say(&self, subject: &'static str) -> Option<u64> {
        self.shared.say(subject)
    }

    /// Streams and watches that are open on this node. Costs a look at each stream.
    #[must_use]
    pub fn watch_load(&self) -> HubLoad {
        self.shared.hub.load()
    }

    /// Leases whose time this node counts, as the leader of their keyspaces.
    #[must_use]
    pub fn leases_counted(&self) -> usize {
        let shards = self.shared.shards();
        let count = |shard: &std::sync::Arc<crate::shard::Shard>| {
            let leases = shard.leases.lock();
            if leases.leads() { leases.len() } else { 0 }
        };
        shards.values().map(count).sum()
    }
}
