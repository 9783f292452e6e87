//! Settings and standing that front doors of a registry ask for.

use types::KeyspaceId;

use super::super::Handle;

impl Handle {
    /// The datacenter this cluster is said to be in.
    #[must_use]
    pub fn datacenter(&self) -> &str {
        &self.shared.config.datacenter
    }

    /// Where checks that the cluster makes may go.
    #[must_use]
    pub fn check_networks(&self) -> &probe::Networks {
        &self.shared.config.check_networks
    }

    /// Where servers that vouch for who logs in may be.
    #[must_use]
    pub fn login_networks(&self) -> &probe::Networks {
        &self.shared.config.login_networks
    }

    /// The node that leads a keyspace, as far as this one knows.
    #[must_use]
    pub fn leader(&self, keyspace: KeyspaceId) -> Option<types::NodeId> {
        self.shard(keyspace).ok()?.leadership().leader
    }

    /// A number that nobody else draws.
    #[must_use]
    pub fn random(&self) -> u128 {
        let (high, low) = (self.shared.rng.next_u64(), self.shared.rng.next_u64());
        (u128::from(high) << 64) | u128::from(low)
    }
}
