//! Finding what a compaction made unreachable, step by step.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ToApplier;
use crate::shard::Shard;
use crate::shared::Shared;

/// Records looked at in one step. While it goes on, the region applies nothing.
const RECORDS: usize = 512;
/// How many times as long as a step took nothing is looked at after it: so it takes a third of an
/// applier's time.
const REST: u32 = 2;
/// A step's rest at most; a step that took long has waited for the disk, and so will the next.
const REST_MAX: Duration = Duration::from_millis(200);

/// Has the next step done, if it is not queued already.
pub(crate) fn ask_scavenge(shared: &Shared, shard: &Shard) {
    if !shard.scavenging.swap(true, Ordering::Relaxed) {
        shared.applier(shard.record.id).push(ToApplier::Scavenge);
    }
}

/// One bounded step.
pub(super) fn scavenge(shared: &Arc<Shared>, shard: &Arc<Shard>) -> Result<(), String> {
    let began = shared.clock.now();
    // Cleared first: a compaction that is applied from here on asks again.
    shard.scavenging.store(false, Ordering::Relaxed);
    let mut machine = shard.machine.write();
    let more =
        machine.scavenge(shared.engine.as_ref(), RECORDS).map_err(|error| error.to_string())?;
    if !more && machine.wants_sweep(shard.wants_physical()).is_some() {
        shared.sweeps.add(shard.record.id);
    }
    drop(machine);
    if more && !shard.scavenging.swap(true, Ordering::Relaxed) {
        let rest = (shared.clock.now().since(began) * REST).min(REST_MAX);
        // Not held on to: a node that stops does not wait for it.
        let (node, region) = (Arc::downgrade(shared), shard.record.id);
        shared.runtime.spawn(async move {
            tokio::time::sleep(rest).await;
            if let Some(shared) = node.upgrade() {
                shared.applier(region).push(ToApplier::Scavenge);
            }
        });
    }
    Ok(())
}
