//! What `node::membership`, `node::sharded::place` and `node::sharded::farewell` do: regions get the replicas
//! they are to have, one safe step after the other, and leave the nodes where they are to have none.

use std::collections::BTreeSet;

use placement::{Limits, Move, NodeState, NodeView, RegionView, View};
use region::Plot;
use state::Applied;
use state::command::Command;
use state::directory::{Directory, Phase, RegionRecord};
use state::sharded::{Shape, farewell};
use storage::engine::Engine;
use types::{Batch, Code, ConfState, Index, KeyRange, NodeId, PeerId, Reader, RegionId};

use super::applier::ToApplier;
use super::poller::ToPoller;
use super::shards::ranges;
use super::writer::ToWriter;
use super::{Running, Shard};
use crate::mutant::Mutant;
use crate::sky::Sky;

pub(super) fn peer_in(conf: &ConfState, node: NodeId) -> Option<PeerId> {
    let mut known = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
    known.find(|peer| peer.node() == node).copied()
}

/// Whether the directory, which knows of later replicas than this node or of the same, has other ones here.
fn has_left(shard: &Shard, record: &RegionRecord) -> bool {
    record.knows(shard.machine.applied().epoch)
        && record.peers.iter().all(|(peer, _)| *peer != shard.peer)
}

impl Running {
    /// What a node does about places from time to time.
    pub(super) fn drive_places(&mut self, sky: &mut Sky) {
        self.drive_members(sky);
        if sky.settings.replicas > 0 {
            self.drive_out(sky);
        }
        self.reconcile_led(sky);
        if sky.settings.replicas == 0 {
            return;
        }
        let leads = self.shards.get(&RegionId::META).is_some_and(|meta| meta.leadership.here);
        if leads {
            if !sky.calm && sky.random.chance(12) {
                self.operate(sky);
            }
            for Move { region, nodes, .. } in self.moves_planned() {
                self.wish(sky, region, nodes);
            }
        }
    }

    fn wish(&mut self, sky: &mut Sky, region: RegionId, to: BTreeSet<NodeId>) {
        let placed = self.directory.regions.get(&region).and_then(RegionRecord::placed);
        let Some(from) = placed.cloned() else { return };
        let command = Command::Place { region, from, to };
        self.propose_by_itself(sky, RegionId::META, 1, command);
    }

    /// Somebody has a node drained, or filled again, or one region moved for no reason.
    fn operate(&mut self, sky: &mut Sky) {
        let nodes = sky.settings.nodes;
        let node = sky.random.below(nodes);
        let node = sky.roster.at(usize::try_from(node).unwrap_or(0));
        let known = self.directory.nodes.get(&node).filter(|it| it.phase == Phase::Member);
        let Some(known) = known else { return };
        if sky.random.chance(40) {
            let all = self.directory.nodes.values();
            let serving = all.filter(|it| !it.is_draining && it.phase == Phase::Member).count();
            let drained = nodes.saturating_sub(serving as u64);
            let drain = !known.is_draining;
            if !drain || nodes - drained > u64::from(sky.settings.replicas) {
                let command = Command::DrainNode { node, drain };
                self.propose_by_itself(sky, RegionId::META, 1, command);
            }
            return;
        }
        let all = self.directory.regions.values();
        let placed: Vec<_> = all.filter_map(|it| Some((it.id, it.placed()?.clone()))).collect();
        let at = usize::try_from(sky.random.below(placed.len().max(1) as u64)).unwrap_or(0);
        let Some((region, mut to)) = placed.get(at).cloned() else { return };
        // One comes, one goes, or both.
        let goes = sky.random.below(to.len() as u64);
        let goes = to.iter().nth(usize::try_from(goes).unwrap_or(0)).copied();
        let comes = !to.contains(&node) && sky.random.chance(80);
        // Of two replicas none may be lost for good.
        let least = if sky.atlas.disks_lie() { 3 } else { 2 };
        if let Some(goes) = goes
            && (comes && sky.random.chance(70) || to.len() > least)
        {
            to.remove(&goes);
        }
        if comes {
            to.insert(node);
        }
        self.wish(sky, region, to);
    }

    /// What the leader of the meta region would do next.
    pub(crate) fn moves_planned(&self) -> Vec<Move> {
        let directory = &self.directory;
        let nodes = directory.nodes.values().map(|node| {
            let state = match node.phase {
                Phase::Joining => NodeState::Joining,
                Phase::Member if !node.is_draining => NodeState::Serving,
                Phase::Leaving | Phase::Member => NodeState::Draining,
            };
            (node.id, NodeView { state, accepts: true, ..NodeView::default() })
        });
        let regions = directory.regions.values().filter_map(|record| {
            let keyspace = directory.keyspaces.get(&record.keyspace)?;
            let current = record.peers.iter().filter(|(peer, _)| record.votes(*peer));
            let view = RegionView {
                wanted: record.placed()?.clone(),
                current: current.map(|(_, node)| *node).collect(),
                replicas: usize::try_from(keyspace.replicas).unwrap_or(usize::MAX),
                bytes: 0,
                leader: None,
                load: 0,
            };
            Some((record.id, view))
        });
        let view = View { nodes: nodes.collect(), regions: regions.collect() };
        placement::plan(&view, &Limits::default())
    }

    fn drive_out(&mut self, sky: &mut Sky) {
        let sharded = self.shards.iter().filter(|(_, shard)| shard.machine.is_sharded());
        let gone = sharded.filter(|(region, shard)| {
            let record = self.directory.regions.get(region);
            record.is_some_and(|record| has_left(shard, record))
        });
        let gone: Vec<RegionId> = gone.map(|(region, _)| *region).collect();
        for region in gone {
            self.leave(sky, region);
        }
    }

    /// Ends a region's service here; what it has is removed step by step.
    fn leave(&mut self, sky: &mut Sky, region: RegionId) {
        let Some(shard) = self.shards.remove(&region) else { return };
        sky.note(self.node, "leaves", [region.get(), shard.peer.get(), 0, 0]);
        self.leaving.insert(region, shard.machine.shape().cloned());
        if sky.mutant == Some(Mutant::FreeBeforeGone) {
            self.ground.end(region);
        }
        for reading in shard.readers.into_values().flatten() {
            self.reply(sky, reading.asked, Err(Code::RegionNotFound));
        }
        self.tell(sky, ToPoller::Remove(region));
    }

    /// From here on the region is not started here any more until it is removed whole.
    pub(super) fn note_farewell(&mut self, sky: &mut Sky, region: RegionId) {
        let Some(shape) = self.leaving.get(&region) else { return };
        if sky.mutant != Some(Mutant::LeaveUnnoted) {
            let mut batch = Batch::default();
            farewell::note(region, shape.as_ref(), &mut batch);
            let noted = self.engine.write(batch).and_then(|()| self.engine.persist());
            if let Err(error) = noted {
                let reason = format!("that region {region} leaves could not be noted: {error}");
                return self.broke(sky, "engine", reason);
            }
        }
        self.to_write.push_back(ToWriter::Remove(region));
        self.start_writing(sky);
    }

    /// Its log is gone; now its records.
    pub(super) fn clear(&mut self, sky: &mut Sky, region: RegionId) {
        let Some(shape) = self.leaving.get(&region).cloned() else { return };
        self.sweep(region, Index(u64::MAX));
        if let Err(error) = self.clear_records(sky, region, shape.as_ref()) {
            let reason = format!("region {region}, which left, could not be removed: {error}");
            return self.broke(sky, "engine", reason);
        }
        sky.note(self.node, "is rid of", [region.get(), 0, 0, 0]);
        sky.counts.regions_left += 1;
        self.leaving.remove(&region);
        self.ground.end(region);
        let directory = self.directory.clone();
        if let Err(reason) = self.begin_known(sky, &directory) {
            self.broke(sky, "restart", format!("a region does not start: {reason}"));
        }
        self.start_writing(sky);
    }

    fn clear_records(
        &self,
        sky: &Sky,
        region: RegionId,
        shape: Option<&Shape>,
    ) -> Result<(), storage::engine::Error> {
        for (start, end) in ranges(region, shape) {
            self.engine.clear_range(&start, &end)?;
        }
        let mut batch = Batch::default();
        farewell::is_over(region, &mut batch);
        self.engine.write(batch)?;
        if sky.mutant == Some(Mutant::FarewellLasts) { Ok(()) } else { self.engine.persist() }
    }

    /// At a start, before any region is: goes on with those that were on their way out.
    pub(super) fn finish_farewells(&mut self, sky: &mut Sky) -> Result<(), String> {
        let pending = farewell::pending(self.engine.as_ref()).map_err(|error| error.to_string())?;
        for (region, shape) in pending {
            sky.counts.farewells_again += 1;
            self.keep_free(region, shape.as_ref());
            self.leaving.insert(region, shape);
            self.to_write.push_back(ToWriter::Remove(region));
        }
        Ok(())
    }

    /// At a start: a region leaves that is not started any more, for it says itself that it has no replica
    /// here.
    pub(super) fn leave_unstarted(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        shape: Option<&Shape>,
    ) {
        self.keep_free(region, shape);
        self.leaving.insert(region, shape.cloned());
        self.push_apply(sky, ToApplier::Farewell(region));
    }

    /// Has the logs go of replicas that left while this node was down, and whose states it has lost.
    pub(super) fn leave_forgotten(
        &mut self,
        sky: &mut Sky,
        directory: &Directory,
    ) -> Result<(), String> {
        for status in self.log.regions() {
            let region = status.region;
            let record = directory.regions.get(&region).filter(|it| it.sharding.is_some());
            let Some(record) = record else { continue };
            if self.shards.contains_key(&region) || self.leaving.contains_key(&region) {
                continue;
            }
            let state = Applied::sharded(region, self.engine.as_ref());
            let has_state = state.map_err(|error| error.to_string())?.is_some();
            let told = sky.mutant != Some(Mutant::ForgetGenerations);
            let generation = status.log.generation.filter(|_| told);
            if !has_state && record.is_other_than(self.node, status.log.first, generation) {
                sky.counts.logs_forgotten += 1;
                self.leave_unstarted(sky, region, None);
            }
        }
        Ok(())
    }

    /// Whether there is a log that begins after something, and nothing it could go on from.
    pub(super) fn misses_a_state(&self) -> bool {
        self.log.regions().iter().any(|status| {
            let region = status.region;
            let is_idle = !self.shards.contains_key(&region) && !self.leaving.contains_key(&region);
            let state = || Applied::sharded(region, self.engine.as_ref());
            is_idle && status.log.first > types::Index(1) && matches!(state(), Ok(None))
        })
    }

    /// It is begun by nobody, and its keys are nobody's, until it has ended.
    pub(super) fn keep_free(&mut self, region: RegionId, shape: Option<&Shape>) {
        let _ = self.ground.begin(region);
        if let Some(Shape { keyspace, range, .. }) = shape {
            let plot = Plot { region, version: 0, range: range.clone() };
            self.ground.hold(*keyspace, plot);
        }
    }

    /// What is left here though nobody owns it: every region was removed whole.
    pub(crate) fn leftovers(&self) -> Result<(), String> {
        if let Some(region) = self.leaving.keys().next() {
            return Err(format!("node {}: region {region} does not go", self.node));
        }
        let mut owned = Vec::new();
        for (region, shard) in self.shards.iter().filter(|(_, it)| it.machine.is_sharded()) {
            let Some(shape) = shard.machine.shape() else { continue };
            owned.extend(ranges(*region, Some(shape)));
        }
        for status in self.log.regions() {
            let region = status.region;
            // One that never got anything left a term at most.
            let is_bare = status.log.first == Index(1) && status.log.last == Index(0);
            if !is_bare && !self.shards.contains_key(&region) {
                return Err(format!("node {}: the log of region {region} is left", self.node));
            }
        }
        for record in self.directory.regions.values().filter(|it| it.sharding.is_some()) {
            let whole = Shape::new(record.keyspace, KeyRange::all());
            for (start, end) in ranges(record.id, Some(&whole)) {
                let mut stray = None;
                let read = self.engine.scan(&start, &end, &mut |key, _| {
                    let is_owned = owned.iter().any(|(from, to)| *from <= key && key < *to);
                    stray = (!is_owned).then_some(key);
                    stray.is_none()
                });
                read.map_err(|error| error.to_string())?;
                if let Some(key) = stray {
                    let (node, region) = (self.node, record.id);
                    return Err(format!("node {node}: {key:?} of region {region} is left"));
                }
            }
        }
        Ok(())
    }
}
