//! The thread that applies what was committed: state machine, one engine batch for many entries of
//! many regions, then answers, watchers and whoever waits to read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::ArcRwLockWriteGuard;
use parking_lot::RawRwLock;
use region::{Committed, Install};
use state::Machine;
use state::response::{Event, Outcome};
use types::{Batch, EntryKind, Index, RegionId, Revision, Term};

use crate::poller::{Asked, ToPoller};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::{leadership, lifecycle, snapshots};

/// What a proposer is told.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) outcome: Outcome,
    pub(crate) term: Term,
}

/// What an applier is told.
pub(crate) enum ToApplier {
    Committed(Committed<Asked>),
    Install(Install),
    Export(RegionId),
    Scavenge(RegionId),
    /// This node leads the region, in this term.
    Lead(RegionId, Term),
}

/// Entries after which a round ends and goes into the engine; one batch of commits may go over it.
const ROUND_ENTRIES: usize = 1024;
/// The same for their bytes.
const ROUND_BYTES: usize = 8 << 20;
/// Records looked at in one step of physical compaction.
const SCAVENGE_RECORDS: usize = 512;

/// Runs until its mailbox is closed and empty.
pub(crate) fn run(shared: &Arc<Shared>, slot: usize) {
    let mailbox = &shared.appliers[slot];
    let mut tasks = Vec::new();
    loop {
        let open = mailbox.take(&mut tasks, None);
        let mut round = Vec::new();
        let (mut entries, mut bytes) = (0, 0);
        for task in tasks.drain(..) {
            match task {
                ToApplier::Committed(committed) => {
                    entries += committed.entries.len();
                    bytes += committed.entries.iter().map(|it| it.data.len()).sum::<usize>();
                    round.push(committed);
                    if entries < ROUND_ENTRIES && bytes < ROUND_BYTES {
                        continue;
                    }
                    (entries, bytes) = (0, 0);
                    if !apply_round(shared, std::mem::take(&mut round)) {
                        return;
                    }
                }
                other => {
                    if !apply_round(shared, std::mem::take(&mut round)) || !rare(shared, other) {
                        return;
                    }
                }
            }
        }
        if !apply_round(shared, round) || !open {
            return;
        }
    }
}

/// Tasks that stand between rounds; answers whether the node can go on.
fn rare(shared: &Arc<Shared>, task: ToApplier) -> bool {
    let (what, result) = match task {
        ToApplier::Committed(_) => return true,
        ToApplier::Install(install) => ("install a snapshot", snapshots::install(shared, install)),
        ToApplier::Export(region) => {
            snapshots::export(shared, region);
            return true;
        }
        ToApplier::Lead(region, term) => {
            if let Some(shard) = shared.shard(region) {
                leadership::lead(shared, &shard, term);
            }
            return true;
        }
        ToApplier::Scavenge(region) => ("drop compacted history", scavenge(shared, region)),
    };
    if let Err(error) = result {
        shared.fail(format!("could not {what}: {error}"));
        return false;
    }
    true
}

/// A region while its entries are applied.
struct Touched {
    shard: Arc<Shard>,
    machine: ArcRwLockWriteGuard<RawRwLock, Machine>,
    last: Index,
    revision_before: Revision,
    events: Vec<Event>,
    /// Outcomes of commands that clients of this node wait for, by sequence.
    outcomes: Vec<(u64, Applied)>,
    directory_changed: bool,
}

/// Applies everything in one engine batch; answers whether the node can go on.
fn apply_round(shared: &Arc<Shared>, round: Vec<Committed<Asked>>) -> bool {
    if round.is_empty() {
        return true;
    }
    let mut batch = Batch::default();
    let mut touched: Vec<Touched> = Vec::new();
    for committed in round {
        let Some(at) = touch(shared, committed.region, &mut touched) else { continue };
        if let Err(error) = apply_committed(shared, &mut touched[at], committed, &mut batch) {
            shared.fail_disk("the engine could not be read", &error);
            return false;
        }
    }
    for region in &mut touched {
        region.machine.finish(&mut batch);
    }
    if let Err(error) = shared.engine.write(batch) {
        shared.fail_disk("the engine could not be written", &error);
        return false;
    }
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

fn touch(shared: &Shared, region: RegionId, touched: &mut Vec<Touched>) -> Option<usize> {
    if let Some(at) = touched.iter().position(|it| it.shard.record.id == region) {
        return Some(at);
    }
    let shard = shared.shard(region)?;
    let machine = shard.machine.write_arc();
    let (last, revision_before) = (machine.applied().index, machine.revision());
    touched.push(Touched {
        shard,
        machine,
        last,
        revision_before,
        events: Vec::new(),
        outcomes: Vec::new(),
        directory_changed: false,
    });
    Some(touched.len() - 1)
}

fn apply_committed(
    shared: &Shared,
    region: &mut Touched,
    committed: Committed<Asked>,
    batch: &mut Batch,
) -> Result<(), types::ReadFailure> {
    let mut configurations = committed.configurations.into_iter();
    for entry in &committed.entries {
        if entry.index <= region.last {
            // Applied before a restart; the log hands out again what the engine already has.
            continue;
        }
        assert_eq!(
            entry.index,
            region.last.next(),
            "region {}: a gap before the entry to apply",
            region.shard.record.id
        );
        region.last = entry.index;
        if entry.kind == EntryKind::ConfChange {
            let Some((_, configuration)) = configurations.find(|(at, _)| *at == entry.index) else {
                unreachable!(
                    "region {}: no configuration for entry {}",
                    committed.region, entry.index
                )
            };
            let epoch = region.machine.applied().epoch;
            region.machine.apply_conf(entry.index, entry.term, configuration, epoch);
            continue;
        }
        let effects = region.machine.apply(entry, shared.engine.as_ref(), batch)?;
        region.shard.note_leases(shared.clock.now(), &effects.leases);
        region.directory_changed |= effects.directory_changed;
        region.events.extend(effects.events);
        // Every node answers its own clients when it has applied their commands itself: so a client
        // finds what it wrote on the node that told it, also without asking for a quorum.
        if let Some(tag) = effects.session.filter(|tag| tag.client == shared.incarnation.0) {
            let applied = Applied { outcome: effects.outcome, term: committed.term };
            region.outcomes.push((tag.sequence, applied));
        }
    }
    Ok(())
}

/// Lets the world see what was applied and written.
fn publish(shared: &Arc<Shared>, mut region: Touched, done: &mut [Vec<(RegionId, Index)>]) {
    region.machine.written();
    let directory = region.directory_changed.then(|| region.machine.directory().cloned()).flatten();
    let revision = region.machine.revision();
    let wants_scavenging = region.machine.wants_scavenging();
    drop(region.machine);
    let id = region.shard.record.id;
    if revision > region.revision_before {
        shared.hub.publish(id, revision, &region.events);
    }
    region.shard.publish(region.last);
    region.shard.complete(region.outcomes);
    if let Some(directory) = directory {
        lifecycle::directory_changed(shared, directory);
    }
    if wants_scavenging {
        ask_scavenge(shared, &region.shard);
    }
    let poller = usize::try_from(id.get()).unwrap_or(0) % done.len();
    done[poller].push((id, region.last));
}

/// Has the next step of physical compaction done, if it is not queued already.
pub(crate) fn ask_scavenge(shared: &Shared, shard: &Shard) {
    if !shard.scavenging.swap(true, Ordering::Relaxed) {
        shared.applier(shard.record.id).push(ToApplier::Scavenge(shard.record.id));
    }
}

/// One bounded step of dropping what a compaction made unreachable.
fn scavenge(shared: &Arc<Shared>, region: RegionId) -> Result<(), String> {
    let Some(shard) = shared.shard(region) else { return Ok(()) };
    // Cleared first: a compaction that is applied from here on asks again.
    shard.scavenging.store(false, Ordering::Relaxed);
    let mut batch = Batch::default();
    let mut machine = shard.machine.write();
    let more = machine
        .scavenge(shared.engine.as_ref(), &mut batch, SCAVENGE_RECORDS)
        .map_err(|error| error.to_string())?;
    machine.finish(&mut batch);
    shared.engine.write(batch).map_err(|error| error.to_string())?;
    machine.written();
    drop(machine);
    if more {
        ask_scavenge(shared, &shard);
    }
    Ok(())
}
