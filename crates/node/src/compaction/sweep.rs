//! Removing from the engine what compactions made unreachable, once it is much: one keyspace at a time,
//! while all of them go on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
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
                Err(gone) => {
                    if gone.is_panic() {
                        shared.fail("removing what was compacted panicked".to_owned());
                    }
                    return;
                }
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
    let mut machine = shard.machine.write();
    if machine.wants_sweep(anyway) != Some(up_to) {
        // More was found, or another state came: the next look asks for what is durable then.
        return Ok(());
    }
    shared.sweeps.remove(region);
    let Some(sweep) = machine.take_sweep(up_to) else {
        return write(shared, &shard, &mut machine).map_err(Into::into);
    };
    let state = shard.sweeping.state();
    drop(machine);
    let Some(entered) = shard.sweeping.enter(state) else { return Ok(()) };
    let (start, end) = sweep.range();
    let began = shared.clock.now();
    let garbage = WhileWanted { shared, shard: &shard, sweep: &sweep };
    let is_done = shared.engine.sweep(&start, &end, &garbage)?;
    drop(entered);
    if !is_done {
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

/// Keeps sweeps away from the installation of a snapshot: that may write again what is being removed, and
/// a tombstone would go after the versions below it came back.
#[derive(Default)]
pub(crate) struct Sweeping {
    entered: Mutex<()>,
    /// A snapshot waits for the sweep to end.
    unwanted: AtomicBool,
    /// How many states the region had here.
    states: AtomicU64,
}

impl Sweeping {
    /// Which state the machine is, as [`Self::enter`] wants it. The machine must be held.
    fn state(&self) -> u64 {
        self.states.load(Ordering::SeqCst)
    }

    /// `None` if it is another state by now.
    fn enter(&self, state: u64) -> Option<MutexGuard<'_, ()>> {
        let entered = self.entered.lock();
        (self.state() == state).then_some(entered)
    }

    /// The state is to be replaced: waits until the sweep that runs was cut short, and keeps others out.
    /// The machine must be held.
    pub(crate) fn replace(&self) -> MutexGuard<'_, ()> {
        self.unwanted.store(true, Ordering::SeqCst);
        let entered = self.entered.lock();
        self.states.fetch_add(1, Ordering::SeqCst);
        self.unwanted.store(false, Ordering::SeqCst);
        entered
    }
}

/// What is to be removed, until the node stops or a snapshot comes.
struct WhileWanted<'node> {
    shared: &'node Shared,
    shard: &'node Shard,
    sweep: &'node Sweep,
}

impl Garbage for WhileWanted<'_> {
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
        !self.shared.has_ended() && !self.shard.sweeping.unwanted.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that runs is told to end and waited for; one that was taken from the old state never begins.
    #[test]
    fn a_snapshot_waits_for_the_sweep_and_keeps_old_ones_out() {
        let (sweeping, inside) = (Sweeping::default(), AtomicBool::new(false));
        let before = sweeping.state();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let entered = sweeping.enter(before);
                assert!(entered.is_some());
                inside.store(true, Ordering::SeqCst);
                while !sweeping.unwanted.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                inside.store(false, Ordering::SeqCst);
            });
            while !inside.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            let replaced = sweeping.replace();
            assert!(!inside.load(Ordering::SeqCst), "it was not waited for");
            drop(replaced);
        });
        assert!(sweeping.enter(before).is_none());
        assert!(
            !sweeping.unwanted.load(Ordering::SeqCst) && sweeping.enter(sweeping.state()).is_some()
        );
    }
}
