//! A region leaves this node: its replicas are elsewhere, as the directory knows, and what it has here goes.
//!
//! Nobody counts on this replica any more: the directory is told that it is none only once a majority of
//! those that stay knows it, and a replica that comes later has another number. What is removed is noted in
//! the engine first, so that a crash half way is no damage; the region may come back once nothing is left.

use std::sync::Arc;

use state::directory::{Directory, RegionRecord};
use state::sharded::{Shape, farewell};
use state::{Applied, LoadError};
use tokio::sync::oneshot;
use types::{Batch, RegionId};

use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::snapshots::LET_MERGE;
use crate::writer::ToWriter;
use crate::{Error, lifecycle, snapshots};

/// Has the regions leave that the directory has no replica of on this node any more.
pub(crate) fn drive_out(shared: &Arc<Shared>) {
    let directory = shared.directory();
    for (region, shard) in shared.shards().iter().filter(|(_, shard)| shard.is_sharded) {
        let record = directory.regions.get(region);
        if record.is_some_and(|record| has_left(shard, record)) {
            leave(shared, shard);
        }
    }
}

/// Whether the directory, which knows of later replicas than this node or of the same, has other ones here.
fn has_left(shard: &Shard, record: &RegionRecord) -> bool {
    record.knows(shard.group().epoch) && record.peers.iter().all(|(peer, _)| *peer != shard.peer())
}

/// Ends a region's service here, and removes what it has.
fn leave(shared: &Arc<Shared>, shard: &Arc<Shard>) {
    let region = shard.record.id;
    tracing::info!(%region, "the region leaves this node");
    // Others find the way to the nodes that have it from here on.
    shard.set_gone();
    shared.remove_shard(region);
    shared.sharding.tell();
    let (done, removed) = oneshot::channel();
    shared.poller(region).push(ToPoller::Remove { region, done });
    let (own, shard) = (Arc::clone(shared), Arc::clone(shard));
    shared.runtime.spawn(async move {
        if removed.await.is_err() {
            // The node ends; what is here is looked at again at its next start.
            return;
        }
        let blocking = Arc::clone(&own);
        let noted = tokio::task::spawn_blocking(move || {
            // Whatever is being applied is in the engine after this, and nothing will be.
            let mut machine = shard.machine.write();
            let shape = machine.shape().cloned();
            machine.retire();
            drop(machine);
            if let Err(gone) = shard.broken() {
                // Whoever watches goes on where the region is.
                blocking.hub.close_region(region, &gone);
            }
            blocking.engine.let_merge(LET_MERGE);
            note(&blocking, region, shape.as_ref()).map(|()| shape)
        });
        match noted.await {
            Ok(Ok(shape)) => remove(&own, region, shape).await,
            Ok(Err(error)) => own.fail_disk("that a region leaves could not be noted", &error),
            Err(_) => {}
        }
    });
}

/// From here on the region is not started here any more until it is removed whole.
fn note(
    shared: &Shared,
    region: RegionId,
    shape: Option<&Shape>,
) -> Result<(), storage::engine::Error> {
    let mut batch = Batch::default();
    farewell::note(region, shape, &mut batch);
    shared.engine.write(batch)?;
    shared.engine.persist()
}

/// Removes a region, which is durably noted to leave.
pub(super) fn remove_noted(shared: &Arc<Shared>, region: RegionId, shape: Shape) {
    tracing::info!(%region, "the region was split off from one that leaves this node, and goes with it");
    let own = Arc::clone(shared);
    shared.runtime.spawn(async move { remove(&own, region, Some(shape)).await });
}

/// Removes what is left of a region for which that was noted.
async fn remove(shared: &Arc<Shared>, region: RegionId, shape: Option<Shape>) {
    let (done, removed) = oneshot::channel();
    shared.writer.push(ToWriter::Remove(region, done));
    if removed.await.is_err() {
        return;
    }
    let own = Arc::clone(shared);
    let cleared = tokio::task::spawn_blocking(move || {
        own.engine.let_merge(LET_MERGE);
        snapshots::forget(&own, region);
        clear(&own, region, shape.as_ref())
    });
    match cleared.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            return shared.fail_disk("a region that left could not be removed", &error);
        }
        Err(_) => return,
    }
    tracing::debug!(%region, "nothing is left of the region on this node");
    shared.sharding.ground.write().end(region);
    shared.sharding.tell();
    // Its keys are somebody's that waited for them, or it comes back.
    lifecycle::begin_known(shared, &shared.directory());
}

fn clear(
    shared: &Shared,
    region: RegionId,
    shape: Option<&Shape>,
) -> Result<(), storage::engine::Error> {
    let owned = shape.map(|shape| (shape.keyspace, &shape.range));
    for (start, end) in state::keys::region_ranges(region, owned) {
        shared.engine.clear_range(&start, &end)?;
    }
    let mut batch = Batch::default();
    farewell::is_over(region, &mut batch);
    shared.engine.write(batch)?;
    // If the region came back and a crash brought the note back, too, the log of the new replica would go.
    shared.engine.persist()
}

/// At a start, before any region is: goes on with those that were on their way out. Answers which they are.
pub(crate) fn finish_farewells(shared: &Arc<Shared>) -> Result<Vec<RegionId>, Error> {
    let pending = farewell::pending(shared.engine.as_ref());
    let pending = pending.map_err(|error| {
        let region = RegionId::META;
        Error::Load { region, reason: error.to_string() }
    })?;
    let mut regions = Vec::new();
    for (region, shape) in pending {
        regions.push(region);
        keep_free(shared, region, shape.as_ref());
        let own = Arc::clone(shared);
        shared.runtime.spawn(async move { remove(&own, region, shape).await });
    }
    Ok(regions)
}

/// At a start: a region leaves that is not started any more, for it says itself that it has no replica here.
pub(crate) fn leave_unstarted(shared: &Arc<Shared>, region: RegionId, shape: Option<Shape>) {
    keep_free(shared, region, shape.as_ref());
    let own = Arc::clone(shared);
    shared.runtime.spawn(async move {
        let noting = Arc::clone(&own);
        let noted = tokio::task::spawn_blocking(move || {
            note(&noting, region, shape.as_ref()).map(|()| shape)
        });
        match noted.await {
            Ok(Ok(shape)) => remove(&own, region, shape).await,
            Ok(Err(error)) => own.fail_disk("that a region leaves could not be noted", &error),
            Err(_) => {}
        }
    });
}

/// Has the logs go of replicas that left while this node was down, and whose states a power cut took: they
/// stand in the way of the replicas that come after them.
///
/// # Errors
/// When the engine cannot be read.
pub(crate) fn leave_forgotten(
    shared: &Arc<Shared>,
    directory: &Directory,
) -> Result<(), (RegionId, LoadError)> {
    for status in shared.wal.regions() {
        let region = status.region;
        let record = directory.regions.get(&region).filter(|it| it.sharding.is_some());
        let Some(record) = record.filter(|_| shared.shard(region).is_none()) else { continue };
        // Nobody else begins it, and it does not leave, while it is looked at.
        if !shared.sharding.ground.write().begin(region) {
            continue;
        }
        // What it has may have come after the list was made.
        let log = shared.wal.region(region);
        let is_other =
            log.is_some_and(|log| record.is_other_than(shared.node(), log.first, log.generation));
        let is_forgotten = match is_other && shared.shard(region).is_none() {
            true => Applied::sharded(region, shared.engine.as_ref()).map(|state| state.is_none()),
            false => Ok(false),
        };
        if matches!(is_forgotten, Ok(true)) {
            tracing::info!(%region, "the log of a replica that left while this node was down goes");
            leave_unstarted(shared, region, None);
        } else {
            shared.sharding.ground.write().end(region);
            is_forgotten.map_err(|error| (region, error))?;
        }
    }
    Ok(())
}

/// It is begun by nobody, and its keys are nobody's, until it has ended.
fn keep_free(shared: &Shared, region: RegionId, shape: Option<&Shape>) {
    let mut ground = shared.sharding.ground.write();
    let _ = ground.begin(region);
    if let Some(Shape { keyspace, range, .. }) = shape {
        ground.hold(*keyspace, region::Plot { region, version: 0, range: range.clone() });
    }
}
