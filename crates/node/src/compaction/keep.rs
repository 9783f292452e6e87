use std::collections::BTreeMap;
use std::sync::Arc;

use state::command::{Command, Envelope};
use tokio::time::MissedTickBehavior;
use types::{RegionId, Revision};

use super::window::Window;
use crate::leadership::propose_housekeeping;
use crate::shard::Shard;
use crate::shared::Shared;

/// Compacts what this node leads, for as long as it runs, if that is configured.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let Some(rule) = shared.config.auto_compaction else { return };
    let mut interval = tokio::time::interval(rule.interval());
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut windows: BTreeMap<RegionId, Window> = BTreeMap::new();
    loop {
        interval.tick().await;
        let shards = shared.shards();
        windows.retain(|region, _| shards.contains_key(region));
        for (region, shard) in shards.iter() {
            if *region == RegionId::META || shard.custom.is_some() || shard.is_sharded {
                continue;
            }
            let window = windows.entry(*region).or_default();
            let target = window.look(rule, shard.revision(), shard.compacted());
            if let Some(target) = target.filter(|_| shard.leadership().here) {
                compact(&shared, shard, target);
            }
        }
    }
}

/// Nobody waits for it: it is seen when it is done, and tried again at the next look if not.
fn compact(shared: &Arc<Shared>, shard: &Arc<Shard>, revision: Revision) {
    let region = shard.record.id;
    tracing::info!(%region, %revision, "history is compacted, as configured");
    // Twice does no harm: the second is refused.
    let command = Command::Compact { revision };
    let envelope = Envelope { epoch: shard.record.epoch, session: None, command };
    drop(propose_housekeeping(shared, region, &envelope));
}
