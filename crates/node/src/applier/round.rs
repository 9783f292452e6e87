//! One turn's entries: applied, written with one engine batch, and only then shown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use env::Moment;
use parking_lot::{ArcRwLockWriteGuard, RawRwLock};
use region::Committed;
use state::Machine;
use state::command::SessionTag;
use state::registry::Changes;
use state::response::{Event, Outcome};
use state::sharded::Split;
use types::{Batch, Code, EntryKind, Fault, Index, ReadFailure, RegionId, Revision};

use super::queue::Part;
use super::{Applied, ask_scavenge};
use crate::lifecycle;
use crate::liveness;
use crate::machines::panic_text;
use crate::membership;
use crate::poller::ToPoller;
use crate::proposal::{Proposal, Work};
use crate::shard::Shard;
use crate::sharded::{self, Born};
use crate::shared::Shared;

/// How long a turn may apply before it ends; one entry may take it over this.
const TURN: Duration = Duration::from_millis(20);
/// Entries between two looks at the clock, where entries are quick.
const LOOK: usize = 8;

/// A region while its entries are applied.
struct Touched {
    shard: Arc<Shard>,
    machine: ArcRwLockWriteGuard<RawRwLock, Machine>,
    last: Index,
    revision_before: Revision,
    events: Vec<Event>,
    /// What is another way now in a registry.
    registry: Vec<Changes>,
    /// Outcomes of commands that clients of this node wait for, by sequence.
    outcomes: Vec<(u64, Applied)>,
    /// Those that nodes without a replica wait for.
    for_guests: Vec<(SessionTag, Result<Applied, Fault>)>,
    directory_changed: bool,
    peers_changed: bool,
    /// Regions that were split off.
    born: Vec<Born>,
    /// What is traced, until it is to be seen.
    works: Vec<Work>,
}

/// When to stop.
struct Watch {
    began: Moment,
    every: usize,
}

/// Applies what fits into the turn in one engine batch, and leaves the rest in `parts`; answers
/// whether the node can go on.
pub(super) fn apply(shared: &Arc<Shared>, parts: &mut [Part], alone: bool) -> bool {
    let mut batch = Batch::default();
    let mut touched: Vec<Touched> = Vec::with_capacity(parts.len());
    let watch = Watch { began: shared.clock.now(), every: if alone { 1 } else { LOOK } };
    for part in parts {
        match apply_part(shared, part, &watch, &mut batch) {
            Ok(Some(region)) => touched.push(region),
            Ok(None) => {}
            Err(error) => {
                shared.fail_disk("the engine could not be read", &error);
                return false;
            }
        }
    }
    shared.meters.apply_rounds.add(1);
    let began = shared.clock.now();
    if let Err(error) = shared.engine.write(batch) {
        shared.fail_disk("the engine could not be written", &error);
        return false;
    }
    let took = shared.clock.now().since(began);
    shared.meters.commits.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    let mut done: Vec<Vec<(RegionId, Index)>> = vec![Vec::new(); shared.pollers.len()];
    for region in touched {
        publish(shared, region, &mut done);
    }
    for (poller, done) in shared.pollers.iter().zip(done) {
        if !done.is_empty() {
            poller.push(ToPoller::Applied(done));
        }
    }
    true
}

/// Applies a region's share. What it panics with costs this region only: nothing of it is written
/// or shown.
fn apply_part(
    shared: &Arc<Shared>,
    part: &mut Part,
    watch: &Watch,
    batch: &mut Batch,
) -> Result<Option<Touched>, ReadFailure> {
    let began = shared.clock.now();
    if began.since(watch.began) > TURN {
        return Ok(None);
    }
    let Some(mut region) = touch(shared, part.region) else {
        part.commits.clear();
        return Ok(None);
    };
    let before = batch.len();
    let applied = catch_unwind(AssertUnwindSafe(|| {
        let count = apply_commits(shared, &mut region, part, watch, batch)?;
        region.machine.finish(batch);
        Ok(count)
    }));
    match applied {
        Ok(Ok(count)) => {
            part.applied = (count, shared.clock.now().since(began));
            Ok(Some(region))
        }
        Ok(Err(failure)) => Err(failure),
        Err(panic) => {
            batch.ops.truncate(before);
            part.commits.clear();
            let at = region.last;
            let reason = format!("applying entry {at} panicked: {}", panic_text(&panic));
            set_aside(shared, &region.shard, &mut region.machine, reason);
            Ok(None)
        }
    }
}

/// A region's state broke: from here on nothing is read from it, written to it or told by it on this
/// node.
pub(crate) fn set_aside(
    shared: &Shared,
    shard: &Arc<Shard>,
    machine: &mut Machine,
    reason: String,
) {
    // While the machine is held, so that nobody reads what is left of it.
    machine.retire();
    shard.set_broken(reason.clone());
    let region = shard.record.id;
    shared.poller(region).push(ToPoller::Quarantine(region, reason));
}

fn touch(shared: &Shared, region: RegionId) -> Option<Touched> {
    let shard = shared.shard(region).filter(|shard| shard.broken().is_ok())?;
    let machine = shard.machine.write_arc();
    let (last, revision_before) = (machine.applied().index, machine.revision());
    Some(Touched {
        shard,
        machine,
        last,
        revision_before,
        events: Vec::new(),
        registry: Vec::new(),
        outcomes: Vec::new(),
        for_guests: Vec::new(),
        directory_changed: false,
        peers_changed: false,
        born: Vec::new(),
        works: Vec::new(),
    })
}

/// Applies entries until they or the time are at their end; answers how many.
fn apply_commits(
    shared: &Shared,
    region: &mut Touched,
    part: &mut Part,
    watch: &Watch,
    batch: &mut Batch,
) -> Result<usize, ReadFailure> {
    let mut count = 0;
    while let Some(committed) = part.commits.front_mut() {
        let mut done = 0;
        for entry in &committed.entries {
            if count > 0 && count % watch.every == 0 && shared.clock.now().since(watch.began) > TURN
            {
                break;
            }
            (count, done) = (count + 1, done + 1);
            apply_entry(shared, region, committed, entry, batch)?;
        }
        shared.meters.applied.add(done as u64);
        if shared.config.tracer.is_on() {
            let waiting = committed.waiting.iter_mut().take_while(|(at, _)| *at <= region.last);
            region
                .works
                .extend(waiting.filter_map(|(_, proposal)| proposal.work.take().map(|work| *work)));
        }
        if done < committed.entries.len() {
            committed.entries.drain(..done);
            break;
        }
        part.commits.pop_front();
    }
    Ok(count)
}

fn apply_entry(
    shared: &Shared,
    region: &mut Touched,
    committed: &Committed<Proposal>,
    entry: &types::Entry,
    batch: &mut Batch,
) -> Result<(), ReadFailure> {
    if entry.index <= region.last {
        // Applied before a restart; the log hands out again what the engine already has.
        return Ok(());
    }
    let id = committed.region;
    assert_eq!(entry.index, region.last.next(), "region {id}: a gap before the entry to apply");
    region.last = entry.index;
    if entry.kind == EntryKind::ConfChange {
        let of_entry = committed.configurations.iter().find(|(at, _)| *at == entry.index);
        let Some((_, configuration)) = of_entry.cloned() else {
            unreachable!("region {id}: no configuration for entry {}", entry.index)
        };
        region.machine.change_peers(entry.index, entry.term, configuration);
        region.peers_changed = true;
        return Ok(());
    }
    let effects = region.machine.apply(entry, shared.engine.as_ref(), batch)?;
    if !effects.leases.is_empty() {
        region.shard.note_leases(shared.clock.now(), &effects.leases);
        shared.deadlines.note(&region.shard);
    }
    if let Some(share) = &region.shard.registry {
        share.note(shared.clock.now(), &effects.registry);
        region.registry.push(effects.registry);
    }
    if let Some(split) = effects.split {
        split_off(shared, region, split, batch);
    }
    if let Some(tag) = effects.session.filter(|tag| region.shard.guests.wait_for(tag)) {
        let outcome = effects.outcome.clone();
        let told = match is_astray(&outcome) {
            true => Err(Code::EpochMismatch.into()),
            false => Ok(Applied { outcome, term: committed.term }),
        };
        region.for_guests.push((tag, told));
    }
    if region.shard.is_sharded && is_astray(&effects.outcome) {
        // Whoever waits for it asks the right region under the same number.
        return Ok(());
    }
    region.directory_changed |= effects.directory_changed;
    region.events.extend(effects.events);
    // Every node answers its own clients when it has applied their commands itself: so a client
    // finds what it wrote on the node that told it, also without asking for a quorum.
    if let Some(tag) = effects.session.filter(|tag| tag.client == shared.incarnation.0) {
        let applied = Applied { outcome: effects.outcome, term: committed.term };
        region.outcomes.push((tag.sequence, applied));
    }
    Ok(())
}

/// The child's first state goes into the same batch as the change of its parent.
fn split_off(shared: &Shared, region: &mut Touched, split: Box<Split>, batch: &mut Batch) {
    let machine = region.machine.take_child();
    let child = sharded::finish_child(shared, split.child, machine, batch);
    region.born.push((split, child));
}

fn is_astray(outcome: &Outcome) -> bool {
    matches!(&outcome.result, Err(fault) if fault.code == Code::EpochMismatch)
}

/// Lets the world see what was applied and written.
fn publish(shared: &Arc<Shared>, mut region: Touched, done: &mut [Vec<(RegionId, Index)>]) {
    region.machine.written();
    region.shard.note_revisions(&region.machine);
    let directory = region.directory_changed.then(|| region.machine.directory().cloned()).flatten();
    let revision = region.machine.revision();
    let wants_scavenging = region.machine.wants_scavenging();
    if region.peers_changed {
        membership::peers_changed(shared, &region.shard, &region.machine);
    }
    let shape = if region.born.is_empty() {
        None
    } else {
        region.shard.note_group(&shared.groups, &region.machine);
        region.machine.shape().cloned()
    };
    let version = region.machine.applied().epoch.version;
    drop(region.machine);
    let id = region.shard.record.id;
    if let Some(shape) = &shape {
        sharded::tell_watches(shared, id, shape, &region.born, &region.events);
    }
    if revision > region.revision_before {
        shared.hub.publish(id, revision, &region.events);
    }
    if let Some(directory) = &directory
        && shared.auth.learn(shared.clock.now(), &directory.auth)
    {
        liveness::tell_known(shared);
    }
    region.shard.publish(region.last);
    if let Some(share) = &region.shard.registry {
        share.waits.ring(&region.registry);
    }
    drop(region.works);
    region.shard.complete(region.outcomes);
    region.shard.guests.tell(region.for_guests);
    // After the outcomes: who hears of the split first would take its command for one that was not carried
    // out.
    if let Some(shape) = shape {
        sharded::publish(shared, &region.shard, (shape, version), region.born);
    }
    if let Some(directory) = directory {
        lifecycle::directory_changed(shared, directory);
    }
    if wants_scavenging {
        ask_scavenge(shared, &region.shard);
    }
    let poller = usize::try_from(id.get()).unwrap_or(0) % done.len();
    done[poller].push((id, region.last));
}
