//! What operators want to know of regions, closely.

use std::time::Duration;

use region::GroupStats;
use tokio::sync::oneshot;
use tokio::time::timeout;
use types::{Code, Fault, KeyspaceId, RegionId};

use super::Handle;
use crate::poller::ToPoller;
use crate::region_state::RegionState;

/// How long a poller may take to answer; one that is stuck must not keep an operator from seeing it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A region with a replica on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionStats {
    /// The region.
    pub region: RegionId,
    /// What it holds.
    pub keyspace: KeyspaceId,
    /// What it can do now.
    pub state: RegionState,
    /// Its replica here; `None` when that was set aside.
    pub group: Option<GroupStats>,
    /// The length of a tick, in which the group counts time.
    pub tick: Duration,
}

impl Handle {
    /// One region of this node, or all, by number. One that is not here is no error.
    ///
    /// # Errors
    /// `ShuttingDown`; `Timeout` when a poller does not answer for a second.
    pub async fn stats(&self, region: Option<RegionId>) -> Result<Vec<RegionStats>, Fault> {
        let shared = &self.shared;
        let mut groups = std::collections::BTreeMap::new();
        for poller in &shared.pollers {
            let (reply, answer) = oneshot::channel();
            poller.push(ToPoller::Stats { region, reply });
            let answer = timeout(PATIENCE, answer)
                .await
                .map_err(|_| Fault::new(Code::Timeout, "a poller of this node does not answer"))?;
            let answer = answer.map_err(|_| Code::ShuttingDown)?;
            groups.extend(answer.into_iter().map(|group| (group.region, group)));
        }
        let shards = shared.shards();
        let wanted = shards.iter().filter(|(it, _)| region.is_none_or(|region| region == **it));
        let stats = |(region, shard): (&RegionId, &std::sync::Arc<crate::shard::Shard>)| {
            Some(RegionStats {
                region: *region,
                keyspace: shard.record.keyspace,
                state: shared.region_state(*region)?,
                group: groups.remove(region),
                tick: shared.config.tick,
            })
        };
        Ok(wanted.filter_map(stats).collect())
    }
}
