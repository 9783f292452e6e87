//! Regions of sharded keyspaces come to be on this node.

use std::sync::Arc;

use region::Plot;
use state::directory::RegionRecord;
use state::response::Event;
use state::sharded::{Shape, Split, farewell};
use state::{Applied, Machine};
use types::{Batch, Code, Fault, KeyRange, RegionId};

use crate::lifecycle;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;

/// What becomes of a new region on this node.
pub(crate) enum Child {
    /// It begins here: its records went into the batch.
    Begins(Box<Machine>),
    /// It has no replica here, for its parent's was to go when it applied the split: what it would have
    /// had is removed, as a note in the batch says.
    Leaves(Shape),
    /// It began with nothing, and is sent what it is by its leader.
    Waits,
}

/// A split as the applier met it, and what becomes of the new region.
pub(crate) type Born = (Box<Split>, Child);

/// Puts into `batch` what this node has of a new region.
pub(crate) fn finish(
    shared: &Shared,
    child: RegionId,
    machine: Option<Box<Machine>>,
    batch: &mut Batch,
) -> Child {
    // One that began with nothing stays as it is, in this life or in one before: who knows what it
    // promised.
    if shared.wal.region(child).is_some() || !shared.sharding.ground.write().begin(child) {
        return Child::Waits;
    }
    match machine {
        Some(machine)
            if lifecycle::peer_in(&machine.applied().conf_state, shared.node()).is_none() =>
        {
            farewell::note(child, machine.shape(), batch);
            machine.shape().cloned().map_or(Child::Waits, Child::Leaves)
        }
        Some(mut machine) => {
            machine.finish(batch);
            Child::Begins(machine)
        }
        None => Child::Waits,
    }
}

/// A split is in the engine: the parent owns less from here on. The child begins once that is durable: if a
/// power cut took its first state when it had voted or acknowledged something, only its parent's log could
/// make that again, and a snapshot of the parent may come instead.
pub(crate) fn publish(
    shared: &Arc<Shared>,
    parent: &Arc<Shard>,
    (shape, version): (Shape, u64),
    born: Vec<Born>,
) {
    let region = parent.record.id;
    shared.poller(region).push(ToPoller::Reshaped(region, version));
    {
        let mut ground = shared.sharding.ground.write();
        let (keyspace, range) = (shape.keyspace, shape.range);
        ground.hold(keyspace, Plot { region, version, range });
        // Nobody finds the child yet, but its ground is nobody else's.
        for (split, child) in &born {
            let is_free = match child {
                Child::Begins(_) => ground.claim(split.child, keyspace, &split.range),
                Child::Leaves(shape) => {
                    let (region, range) = (split.child, shape.range.clone());
                    ground.hold(keyspace, Plot { region, version: 0, range });
                    true
                }
                Child::Waits => true,
            };
            assert!(is_free, "region {region}: {split:?} is not all of its own");
        }
    }
    shared.sharding.tell();
    for (split, _) in &born {
        tracing::info!(%region, child = %split.child, version = split.version, "a region was split");
        shared.meters.splits.add(1);
    }
    shared.live.regroup.notify_one();
    let campaign = parent.leadership().here;
    let own = Arc::clone(shared);
    shared.runtime.spawn_blocking(move || {
        if let Err(error) = own.engine.persist() {
            return own.fail_disk("a split could not be made durable", &error);
        }
        begin(&own, born, campaign);
        // Of those that began with nothing in an earlier life, too.
        lifecycle::begin_known(&own, &own.directory());
    });
}

/// Publishes the events up to each split, and has the watches of keys that went to a child end there. What
/// came after the last split is left.
pub(crate) fn tell_watches(
    shared: &Shared,
    parent: RegionId,
    shape: &Shape,
    born: &[Born],
    events: &[Event],
) {
    for (split, child) in born {
        let revision = split.revision;
        let before = events.partition_point(|event| event.position.revision <= revision);
        shared.hub.publish(parent, revision, &events[..before]);
        let (start, end) = (shape.range.start.clone(), Some(split.range.start.clone()));
        let kept = KeyRange { start, end };
        let begins = matches!(child, Child::Begins(_));
        let child = begins.then(|| (split.child, split.range.clone()));
        shared.hub.split_share(parent, revision, kept, child);
    }
}

fn begin(shared: &Arc<Shared>, born: Vec<Born>, campaign: bool) {
    for (split, child) in born {
        if shared.has_ended() {
            return;
        }
        let machine = match child {
            Child::Begins(machine) => machine,
            Child::Leaves(shape) => {
                super::farewell::remove_noted(shared, split.child, shape);
                continue;
            }
            Child::Waits => continue,
        };
        if let Err(error) = lifecycle::start_child(shared, &split, *machine, campaign) {
            let child = split.child;
            return shared.fail_disk(&format!("region {child} could not be started"), &error);
        }
    }
}

/// What a region's state owns is its own from here on, and nobody else's on this node.
pub(crate) fn hold(shared: &Shared, machine: &Machine) {
    let Some(shape) = machine.shape() else { return };
    let (region, version) = (machine.region(), machine.applied().epoch.version);
    shared.poller(region).push(ToPoller::Reshaped(region, version));
    shared.sharding.hold(shape.keyspace, Plot { region, version, range: shape.range.clone() });
}

/// Whether a region of a sharded keyspace that the directory knows may begin here, by what this node has.
/// One without any state is either in the log of its parent, and comes from there; or it has to be sent,
/// and then its keys must be nobody's here.
pub(crate) fn may_begin(shared: &Shared, record: &RegionRecord) -> Result<bool, state::LoadError> {
    // What has a log began before, be it with nothing: it may have promised something.
    let has_state = Applied::sharded(record.id, shared.engine.as_ref())?.is_some()
        || shared.wal.region(record.id).is_some();
    let is_first = record.peer_on(shared.node()).is_some_and(|peer| record.first.contains(&peer));
    let mut ground = shared.sharding.ground.write();
    let may = has_state || is_first || ground.is_free(record.id, record.keyspace, &record.range);
    Ok(may && ground.begin(record.id))
}

/// Takes the ground for a snapshot of `region`. What is refused is sent again, newer.
///
/// # Errors
/// When another region's state owns some of it: that one has missed a split, or this snapshot is from
/// before one. The same if the engine could still lose the word that it does not.
pub(crate) fn claim(shared: &Shared, region: RegionId, shape: &Shape) -> Result<(), Fault> {
    let refuse = |why: String| {
        let detail = format!("region {region} is not let in yet: {why}");
        tracing::debug!("{detail}");
        Err(Fault::new(Code::TooManyRequests, detail))
    };
    let others: Vec<RegionId> = {
        let mut ground = shared.sharding.ground.write();
        if !ground.claim(region, shape.keyspace, &shape.range) {
            return refuse("another region owns some of its keys here".to_owned());
        }
        ground.plots(shape.keyspace).map(|plot| plot.region).collect()
    };
    let durable = shared.engine.durable();
    for other in others.into_iter().filter(|other| *other != region) {
        match Applied::sharded(other, durable.as_ref()) {
            Ok(Some((_, known))) if known.range.overlaps(&shape.range) => {
                shared.engine.flush_soon();
                shared.sharding.ground.write().disclaim(region);
                return refuse(format!("that region {other} was split is not durable yet"));
            }
            Ok(_) => {}
            Err(error) => {
                shared.sharding.ground.write().disclaim(region);
                return refuse(error.to_string());
            }
        }
    }
    Ok(())
}
