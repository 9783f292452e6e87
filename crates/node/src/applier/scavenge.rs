//! Dropping what a compaction made unreachable, step by step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use types::Batch;

use super::ToApplier;
use crate::shard::Shard;
use crate::shared::Shared;

/// Records looked at in one step of physical compaction.
const RECORDS: usize = 512;

/// Has the next step done, if it is not queued already.
pub(crate) fn ask_scavenge(shared: &Shared, shard: &Shard) {
    if !shard.scavenging.swap(true, Ordering::Relaxed) {
        shared.applier(shard.record.id).push(ToApplier::Scavenge);
    }
}

/// One bounded step.
pub(super) fn scavenge(shared: &Arc<Shared>, shard: &Arc<Shard>) -> Result<(), String> {
    // Cleared first: a compaction that is applied from here on asks again.
    shard.scavenging.store(false, Ordering::Relaxed);
    let mut batch = Batch::default();
    let mut machine = shard.machine.write();
    let more = machine
        .scavenge(shared.engine.as_ref(), &mut batch, RECORDS)
        .map_err(|error| error.to_string())?;
    machine.finish(&mut batch);
    shared.engine.write(batch).map_err(|error| error.to_string())?;
    machine.written();
    drop(machine);
    if more {
        ask_scavenge(shared, shard);
    }
    Ok(())
}
