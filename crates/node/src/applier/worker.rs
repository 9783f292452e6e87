//! A thread of the pool.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use types::RegionId;

use super::queue::{Part, Queues, Turn};
use super::{ToApplier, round, scavenge};
use crate::node::spawn_guarded;
use crate::shared::Shared;
use crate::{Error, leadership, snapshots};

/// Starts one more thread of the pool.
pub(crate) fn run(shared: &Arc<Shared>) -> Result<env::Joined, Error> {
    let name = format!("applier-{}", shared.apply.enlist());
    let own = Arc::clone(shared);
    spawn_guarded(shared, name, move || {
        let mut unfinished = Unfinished(Some(&own.apply));
        while let Some(turn) = own.apply.take() {
            if !take_turn(&own, turn) {
                return;
            }
        }
        unfinished.0 = None;
    })
}

/// A worker that fails or panics keeps its regions, and its place among those that have a slow one:
/// the others would wait for it for ever.
struct Unfinished<'a>(Option<&'a Queues>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(queues) = self.0 {
            queues.abandon();
        }
    }
}

/// Called every now and then: where slow regions hold on to every thread they may have, while others
/// of their kind wait, one more thread is started.
pub(crate) fn relieve(shared: &Arc<Shared>) {
    if shared.apply.is_stuck() {
        match run(shared) {
            Ok(worker) => shared.relief.lock().push(worker),
            Err(error) => tracing::warn!(%error, "no thread to be had for slow keyspaces"),
        }
    }
}

/// Carries out one turn; answers whether the node can go on.
fn take_turn(shared: &Arc<Shared>, turn: Turn) -> bool {
    match turn {
        Turn::Apply { mut parts, alone } => {
            if !round::apply(shared, &mut parts, alone) {
                return false;
            }
            shared.apply.give_back(parts, alone);
        }
        Turn::Other { region, task, alone } => {
            if !other(shared, region, task) {
                return false;
            }
            let part = Part { region, commits: VecDeque::new(), applied: (0, Duration::ZERO) };
            shared.apply.give_back(vec![part], alone);
        }
    }
    true
}

/// Tasks that are no entries; answers whether the node can go on.
fn other(shared: &Arc<Shared>, region: RegionId, task: ToApplier) -> bool {
    let Some(shard) = shared.shard(region).filter(|shard| shard.broken().is_ok()) else {
        return true;
    };
    let (what, result) = match task {
        ToApplier::Committed(_) => return true,
        ToApplier::Install(install, installing) => {
            let installed = snapshots::install(shared, install);
            drop(installing);
            ("install a snapshot", installed)
        }
        ToApplier::Export => {
            snapshots::export(shared, region);
            return true;
        }
        ToApplier::Lead(term) => {
            leadership::lead(shared, &shard, term);
            return true;
        }
        ToApplier::Scavenge => ("drop compacted history", scavenge::scavenge(shared, &shard)),
    };
    if let Err(error) = result {
        shared.fail(format!("could not {what}: {error}"));
        return false;
    }
    true
}
