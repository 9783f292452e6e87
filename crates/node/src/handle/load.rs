//! What a node has to do, for those who look now and then.

use super::Handle;
use crate::strain::{Recent, Strain};
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

    /// What makes this node a bad neighbour now.
    #[must_use]
    pub fn strain(&self) -> Strain {
        self.shared.gauge.strain()
    }

    /// How long syncs of the log took in the last ten seconds, the one included that is under way.
    #[must_use]
    pub fn recent_syncs(&self) -> Recent {
        self.shared.gauge.syncs(self.shared.clock.now())
    }

    /// How late the ticks of the last ten seconds came: this node's processor, or too much to do.
    #[must_use]
    pub fn recent_lateness(&self) -> Recent {
        self.shared.gauge.lateness(self.shared.clock.now())
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
