use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::second;
use crate::shared::Shared;

/// Runs as long as the node.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let (most, bound) = (shared.config.split_load, shared.config.key_requests);
    loop {
        sleep(Duration::from_secs(1)).await;
        let now = second(&shared);
        for shard in shared.shards().values() {
            shard.heat.look(now, if shard.is_sharded { most } else { 0 }, bound);
        }
    }
}
