//! What `node::applier` does: machine, one engine batch for many entries, then answers and readers.

use region::{Committed, Install};
use state::Machine;
use state::command::Envelope;
use state::registry::Changes;
use state::response::{Event as Change, Outcome};
use state::sharded::{Shape, Split, farewell};
use storage::engine::Engine;
use types::{Batch, Code, EntryKind, Index, RegionId, Revision, Term};

use super::placed::peer_in;
use super::poller::ToPoller;
use super::shards::home;
use super::{Running, lifecycle, registry};
use crate::event::{Answer, Asked, Event, Reading};
use crate::mutant::Mutant;
use crate::sky::Sky;

pub(crate) enum ToApplier {
    Committed(Committed<Asked>),
    Install(Install),
    Export(RegionId),
    Scavenge(RegionId),
    /// Nothing of the region's replica is under way any more.
    Farewell(RegionId),
    /// Its log is gone.
    Clear(RegionId),
    /// This node leads the region, in this term.
    Lead(RegionId, Term),
}

const ROUND_ENTRIES: usize = 64;
const SCAVENGE_RECORDS: usize = 16;

struct Touched {
    region: RegionId,
    last: Index,
    directory_changed: bool,
    events: Vec<Change>,
    /// What is another way now in a registry.
    registry: Vec<Changes>,
    /// Regions that were split off.
    born: Vec<(Split, Option<Box<Machine>>)>,
    /// Those of them that have no replica here, as their parents were to go, and what they own.
    strangers: Vec<(RegionId, Shape)>,
}

impl Running {
    pub(super) fn push_apply(&mut self, sky: &mut Sky, task: ToApplier) {
        self.to_apply.push_back(task);
        if !self.apply_due {
            self.apply_due = true;
            let delay = if sky.now < self.slow_applier_until {
                sky.between(5_000, 120_000)
            } else {
                sky.between(10, 900)
            };
            sky.after(delay, Event::Apply { node: self.at, life: self.life });
        }
    }

    pub(crate) fn apply(&mut self, sky: &mut Sky) {
        self.apply_due = false;
        let mut round = Vec::new();
        let mut entries = 0;
        for task in std::mem::take(&mut self.to_apply) {
            if let ToApplier::Committed(committed) = task {
                entries += committed.entries.len();
                round.push(committed);
                if entries < ROUND_ENTRIES {
                    continue;
                }
                entries = 0;
                self.apply_round(sky, std::mem::take(&mut round));
            } else {
                self.apply_round(sky, std::mem::take(&mut round));
                self.rare(sky, task);
            }
            if self.failed.is_some() {
                return;
            }
        }
        self.apply_round(sky, round);
    }

    fn rare(&mut self, sky: &mut Sky, task: ToApplier) {
        match task {
            ToApplier::Committed(_) => {}
            ToApplier::Install(install) => self.install(sky, &install),
            ToApplier::Export(region) => self.export(sky, region),
            ToApplier::Scavenge(region) => self.scavenge(sky, region),
            ToApplier::Farewell(region) => self.note_farewell(sky, region),
            ToApplier::Clear(region) => self.clear(sky, region),
            ToApplier::Lead(region, term) => self.lead(sky, region, term),
        }
    }

    /// Leadership began: every lease starts over with its full time.
    fn lead(&mut self, sky: &mut Sky, region: RegionId, term: Term) {
        let now = self.clock(sky);
        let Some(shard) = self.shards.get_mut(&region) else { return };
        if shard.leadership.here && shard.leadership.term == term {
            let leases: Vec<_> = shard.machine.leases().collect();
            shard.leases.lead(now, leases.into_iter());
            shard.lead_registry(sky, now);
        }
        if region == RegionId::META && self.directory.cluster.is_none() {
            lifecycle::initialize(self, sky);
        }
    }

    fn apply_round(&mut self, sky: &mut Sky, round: Vec<Committed<Asked>>) {
        if round.is_empty() || self.failed.is_some() {
            return;
        }
        let mut batch = Batch::default();
        let mut touched: Vec<Touched> = Vec::new();
        let mut answers = Vec::new();
        for committed in round {
            let region = committed.region;
            let Some(shard) = self.shards.get(&region) else { continue };
            let last = shard.machine.applied().index;
            if !touched.iter().any(|it| it.region == region) {
                touched.push(Touched {
                    region,
                    last,
                    directory_changed: false,
                    events: Vec::new(),
                    registry: Vec::new(),
                    born: Vec::new(),
                    strangers: Vec::new(),
                });
            }
            let Some(at) = touched.iter().position(|it| it.region == region) else { continue };
            self.apply_committed(sky, &mut touched[at], committed, &mut batch, &mut answers);
        }
        for it in &touched {
            if let Some(shard) = self.shard(it.region) {
                shard.machine.finish(&mut batch);
            }
        }
        if sky.mutant == Some(Mutant::ForgetIndexes) {
            registry::forget_indexes(&mut batch);
        }
        let engine = self.engine.clone();
        if let Err(error) = engine.write(batch) {
            self.broke(sky, "engine", format!("the engine could not be written: {error}"));
            return;
        }
        let mut done = Vec::new();
        for mut it in touched {
            let born = std::mem::take(&mut it.born);
            self.publish(sky, &it);
            if !born.is_empty() {
                self.split_off(sky, it.region, born, std::mem::take(&mut it.strangers));
            }
            done.push((it.region, it.last));
        }
        for (asked, outcome) in answers {
            self.reply(sky, asked, Ok(Answer::Written(outcome)));
        }
        self.tell(sky, ToPoller::Applied(done));
    }

    fn apply_committed(
        &mut self,
        sky: &mut Sky,
        touched: &mut Touched,
        committed: Committed<Asked>,
        batch: &mut Batch,
        answers: &mut Vec<(Asked, Outcome)>,
    ) {
        let now = self.clock(sky);
        let (region, node) = (committed.region, self.node);
        let engine = self.engine.clone();
        let awaited = &mut self.awaited;
        let Some(shard) = self.shards.get_mut(&region) else { return };
        let mut waiting = committed.waiting.into_iter().peekable();
        let mut configurations = committed.configurations.into_iter();
        for entry in &committed.entries {
            if entry.index <= touched.last {
                continue;
            }
            assert_eq!(entry.index, touched.last.next(), "region {region}: a gap before an entry");
            touched.last = entry.index;
            sky.counts.entries_applied += 1;
            if entry.kind == EntryKind::ConfChange {
                if let Some((_, configuration)) = configurations.find(|(at, _)| *at == entry.index)
                {
                    shard.machine.change_peers(entry.index, entry.term, configuration);
                }
                continue;
            }
            let before = shard.machine.revision();
            let logged = entry;
            let unchecked;
            let entry = match sky.mutant {
                Some(Mutant::EpochUnchecked) => {
                    unchecked = with_epoch(entry, shard.record.epoch);
                    &unchecked
                }
                Some(Mutant::RoutesUnchecked) => {
                    shard.machine.trust_routes();
                    unchecked = with_epoch(entry, shard.machine.applied().epoch);
                    &unchecked
                }
                Some(Mutant::ExpireAnyway) => {
                    unchecked = registry::with_newest(entry, &shard.machine);
                    &unchecked
                }
                Some(Mutant::ExpireWhereLed) if !shard.leadership.here => {
                    unchecked = registry::without_expiries(entry);
                    &unchecked
                }
                _ => entry,
            };
            let effects = match shard.machine.apply(entry, engine.as_ref(), batch) {
                Ok(effects) => effects,
                Err(error) => {
                    sky.fail("engine reads", format!("node {node} region {region}: {error}"));
                    return;
                }
            };
            for change in &effects.leases {
                match *change {
                    state::LeaseChange::Granted { id, ttl_seconds } => {
                        shard.leases.granted(now, id, ttl_seconds);
                    }
                    state::LeaseChange::Revoked { id } => shard.leases.revoked(id),
                }
            }
            shard.note_registry(sky, now, &effects.registry);
            if let Some(split) = &effects.split {
                let mut child = shard.machine.take_child();
                if self.log.region(split.child).is_some() || !self.ground.begin(split.child) {
                    child = None;
                }
                let is_stranger = |child: &Machine| {
                    peer_in(&child.applied().conf_state, node).is_none()
                        && sky.mutant != Some(Mutant::KeepStrangers)
                };
                let stranger = child.take_if(|child| is_stranger(child));
                if let Some(child) = &mut child {
                    child.finish(batch);
                }
                if let Some(shape) = stranger.as_ref().and_then(|it| it.shape().cloned()) {
                    farewell::note(split.child, Some(&shape), batch);
                    touched.strangers.push((split.child, shape));
                }
                touched.born.push((split.as_ref().clone(), child));
            }
            touched.directory_changed |= effects.directory_changed;
            observe(sky, (node, &shard.machine), region, logged, &effects, before);
            if !shard.machine.is_sharded() {
                touched.events.extend(effects.events.iter().cloned());
            }
            touched.registry.push(effects.registry);
            if shard.machine.is_sharded() && is_astray(&effects.outcome) {
                // It is asked for again, wherever its key is by then.
                continue;
            }
            let home = home(&shard.machine, region);
            let asked_here =
                effects.session.and_then(|tag| awaited.remove(&(home, tag.client, tag.sequence)));
            let proposed_here = waiting.next_if(|(index, _)| *index == entry.index);
            let mut outcome = effects.outcome;
            if sky.mutant == Some(Mutant::GrantAnyway) {
                registry::grant(&mut outcome);
            }
            if let Some(asked) = asked_here {
                answers.push((asked, outcome));
            } else if let Some((_, asked)) = proposed_here
                && effects.session.is_none()
            {
                // Only what carries no number, as the mutant has it, is answered by its proposer.
                answers.push((asked, outcome));
            }
        }
    }

    fn publish(&mut self, sky: &mut Sky, touched: &Touched) {
        let Some(shard) = self.shards.get_mut(&touched.region) else { return };
        shard.machine.written();
        self.history.note(touched.region, &shard.machine);
        self.hub.publish(touched.region, shard.machine.revision(), &touched.events);
        if let Some(registry) = &shard.registry {
            registry.waits.ring(&touched.registry);
        }
        let directory =
            touched.directory_changed.then(|| shard.machine.directory().cloned()).flatten();
        let wants_scavenging = shard.machine.wants_scavenging() && !shard.scavenging;
        shard.scavenging |= wants_scavenging;
        sky.note(self.node, "applied", [touched.region.get(), touched.last.get(), 0, 0]);
        self.release_readers(sky, touched.region, touched.last);
        if let Some(directory) = directory {
            self.directory_changed(sky, directory);
        }
        if wants_scavenging {
            self.push_apply(sky, ToApplier::Scavenge(touched.region));
        }
    }

    /// Serves the reads that waited for `index`.
    pub(super) fn release_readers(&mut self, sky: &mut Sky, region: RegionId, index: Index) {
        let Some(shard) = self.shard(region) else { return };
        let later = shard.readers.split_off(&(index.get() + 1));
        let ready = std::mem::replace(&mut shard.readers, later);
        for reading in ready.into_values().flatten() {
            self.serve(sky, region, &reading);
        }
    }

    pub(super) fn when_applied(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        index: Index,
        reading: Reading,
    ) {
        let Some(shard) = self.shard(region) else { return };
        if shard.machine.applied().index < index {
            shard.readers.entry(index.get()).or_default().push(reading);
        } else {
            self.serve(sky, region, &reading);
        }
    }

    fn scavenge(&mut self, sky: &mut Sky, region: RegionId) {
        let engine = self.engine.clone();
        let Some(shard) = self.shards.get_mut(&region) else { return };
        shard.scavenging = false;
        let more = match shard.machine.scavenge(engine.as_ref(), SCAVENGE_RECORDS) {
            Ok(more) => more,
            Err(error) => {
                sky.fail("engine reads", format!("scavenging region {region}: {error}"));
                return;
            }
        };
        if more {
            shard.scavenging = true;
            self.push_apply(sky, ToApplier::Scavenge(region));
        }
    }

    /// What `node::compaction::sweep` does from time to time, but not only when it is worth it.
    pub(super) fn sweep_regions(&mut self, sky: &mut Sky) {
        let regions: Vec<RegionId> = self.shards.keys().copied().collect();
        for region in regions {
            self.sweep_region(sky, region);
        }
    }

    fn sweep_region(&mut self, sky: &mut Sky, region: RegionId) {
        let engine = self.engine.clone();
        let Some(shard) = self.shards.get_mut(&region) else { return };
        let Some(up_to) = shard.machine.wants_sweep(true) else { return };
        let durable = match Machine::compacted_in(region, &*engine.durable()) {
            Ok(durable) => durable,
            Err(error) => {
                self.broke(sky, "engine", format!("the durable state cannot be read: {error}"));
                return;
            }
        };
        if durable < up_to && sky.mutant != Some(Mutant::SweepBeforeDurable) {
            return;
        }
        if let Some(sweep) = shard.machine.take_sweep(up_to) {
            let (start, end) = sweep.range();
            if let Err(error) = engine.sweep(&start, &end, &sweep) {
                self.broke(sky, "engine", format!("the engine could not be swept: {error}"));
                return;
            }
            shard.machine.swept(&sweep);
            sky.counts.sweeps += 1;
        }
        let mut batch = Batch::default();
        shard.machine.finish(&mut batch);
        if let Err(error) = engine.write(batch) {
            self.broke(sky, "engine", format!("the engine could not be written: {error}"));
            return;
        }
        shard.machine.written();
    }
}

fn is_astray(outcome: &Outcome) -> bool {
    matches!(&outcome.result, Err(fault) if fault.code == Code::EpochMismatch)
}

/// The entry as one that was routed by today's map.
fn with_epoch(entry: &types::Entry, epoch: types::Epoch) -> types::Entry {
    let data = match Envelope::decode(entry.data.clone()) {
        Ok(envelope) => Envelope { epoch, ..envelope }.encode(),
        Err(_) => entry.data.clone(),
    };
    types::Entry { data, ..entry.clone() }
}

/// Shows what was applied to the oracles.
fn observe(
    sky: &mut Sky,
    (node, machine): (types::NodeId, &Machine),
    region: RegionId,
    entry: &types::Entry,
    effects: &state::Effects,
    before: Revision,
) {
    let after = machine.revision();
    let verdict = sky.oracles.log.applied(node, region, entry);
    let fresh = matches!(verdict, Ok(true));
    sky.judge("committed entries never change", verdict.map(drop));
    sky.counts.entries_committed += u64::from(fresh);
    let verdict = sky.oracles.machines.applied(node, region, entry.index, effects, after);
    sky.judge("state machine safety", verdict);
    let events: &[Change] = &effects.events;
    let verdict = sky.oracles.revisions.applied(region, entry.index, effects, (before, after));
    sky.judge("revisions", verdict);
    let place = (home(machine, region), region, entry.index);
    if let Some(registry) = machine.registry() {
        let is_repeated = sky.oracles.once.is_repeated(place, effects);
        let entry = (entry, is_repeated);
        registry::observe(sky, (node, region), entry, registry, effects, (after, fresh));
    }
    if fresh {
        sky.oracles.events.applied(region, events);
        let verdict = sky.oracles.once.applied(place, effects);
        sky.judge("exactly once", verdict);
        for change in &effects.leases {
            observe_lease(sky, region, *change);
        }
    }
}

fn observe_lease(sky: &mut Sky, region: RegionId, change: state::LeaseChange) {
    let now = sky.now;
    match change {
        state::LeaseChange::Granted { id, ttl_seconds } => {
            sky.oracles.leases.alive(region, id, now, ttl_seconds);
        }
        state::LeaseChange::Revoked { id } => {
            sky.counts.leases_expired += 1;
            let verdict = sky.oracles.leases.expired(region, id, now);
            sky.judge("lease safety", verdict);
        }
    }
}
