//! Removing from the engine what compactions made unreachable, once it is much: one keyspace at a time,
//! while all of them go on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use state::{Machine, Sweep};
use storage::engine;
use tokio::time::MissedTickBehavior;
use types::{Batch, Garbage, RegionId};

use crate::applier::ask_scavenge;
use crate::shard::Shard;
use crate::shared::Shared;

/// Between two looks at whether the engine is far enough.
const INTERVAL: Duration = Duration::from_millis(500);

/// Keyspaces in which enough was found.
#[derive(Default)]
pub(crate) struct Due(Mutex<BTreeSet<RegionId>>);

impl Due {
    pub(crate) fn add(&self, region: RegionId) {
        self.0.lock().insert(region);
    }

    fn all(&self) -> Vec<RegionId> {
        self.0.lock().iter().copied().collect()
    }

    fn remove(&self, region: RegionId) {
        self.0.lock().remove(&region);
    }
}

/// Sweeps whatever is due, for as long as the node runs.
pub(crate) async fn sweep(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        for region in shared.sweeps.all() {
            let sweeping = Arc::clone(&shared);
            let done = tokio::task::spawn_blocking(move || sweep_one(&sweeping, region)).await;
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    shared.fail_disk("what was compacted cannot be removed", &*error);
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn sweep_one(shared: &Arc<Shared>, region: RegionId) -> Result<(), Failure> {
    let shard = shared.shard(region).filter(|shard| shard.broken().is_ok());
    let Some(shard) = shard else {
        shared.sweeps.remove(region);
        return Ok(());
    };
    let anyway = shard.wants_physical();
    let up_to = shard.machine.read().wants_sweep(anyway);
    let Some(up_to) = up_to else {
        shared.sweeps.remove(region);
        return Ok(());
    };
    // What is removed stays so in a crash: then the log must not be applied again from before this
    // compaction. An engine in memory holds nothing after a crash that could lack something.
    if !shared.replays && Machine::compacted_in(region, &*shared.engine.durable())? < up_to {
        if anyway {
            shared.engine.flush_soon();
        }
        return Ok(());
    }
    shared.sweeps.remove(region);
    let mut machine = shard.machine.write();
    let Some(sweep) = machine.take_sweep() else {
        return write(shared, &shard, &mut machine).map_err(Into::into);
    };
    drop(machine);
    let (start, end) = sweep.range();
    let began = shared.clock.now();
    let garbage = UntilTheEnd { shared, sweep: &sweep };
    if !shared.engine.sweep(&start, &end, &garbage)? {
        return Ok(());
    }
    let took = shared.clock.now().since(began);
    tracing::debug!(%region, records = sweep.count(), ?took, "removed what was compacted");
    let mut machine = shard.machine.write();
    machine.swept(&sweep);
    write(shared, &shard, &mut machine)?;
    drop(machine);
    if shard.wants_physical() {
        // Somebody asked for more meanwhile.
        ask_scavenge(shared, &shard);
    }
    Ok(())
}

/// What the machine knows of it goes to the engine.
fn write(shared: &Shared, shard: &Shard, machine: &mut Machine) -> Result<(), engine::Error> {
    let mut batch = Batch::default();
    machine.finish(&mut batch);
    shared.engine.write(batch)?;
    machine.written();
    shard.note_scavenged(machine);
    Ok(())
}

/// What is to be removed, until the node stops.
struct UntilTheEnd<'node> {
    shared: &'node Shared,
    sweep: &'node Sweep,
}

impl Garbage for UntilTheEnd<'_> {
    fn holds(&self, key: &[u8]) -> bool {
        self.sweep.holds(key)
    }

    fn next(&self, from: &[u8]) -> Option<Bytes> {
        self.sweep.next(from)
    }

    fn count(&self) -> u64 {
        self.sweep.count()
    }

    fn is_wanted(&self) -> bool {
        !self.shared.has_ended()
    }
}
