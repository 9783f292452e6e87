//! What `node::sharded` and its share of `node::lifecycle` and `node::snapshots` do: regions of a sharded
//! keyspace come to be, are split, and are told of.

use std::collections::BTreeSet;

use bytes::Bytes;
use consensus::SnapshotMeta;
use region::Plot;
use state::command::{Command, Envelope};
use state::directory::{Directory, RegionRecord};
use state::sharded::{Shape, Split, measure};
use state::{Applied, Machine};
use storage::engine::Engine;
use types::{Epoch, KeyRange, RegionId};

use super::placed::peer_in;
use super::poller::ToPoller;
use super::writer::ToWriter;
use super::{Leadership, Running};
use crate::event::{Asked, Body, Packet};
use crate::mutant::Mutant;
use crate::sky::Sky;

/// The first region of the one sharded keyspace there is: what oracles know all of it by.
pub(crate) const HOME: RegionId = RegionId(3);

/// What oracles know a region by where it does not matter who of a keyspace it is.
pub(crate) fn home(machine: &Machine, region: RegionId) -> RegionId {
    if machine.is_sharded() { HOME } else { region }
}

/// A region as a split made it, which is in no directory yet.
fn split_record(region: RegionId, applied: &Applied, shape: &Shape) -> RegionRecord {
    let conf = &applied.conf_state;
    let nodes = conf.voters.iter().chain(&conf.learners).map(|peer| peer.node());
    let record = RegionRecord::born(region, shape.keyspace, nodes)
        .owning(shape.range.clone(), BTreeSet::new());
    RegionRecord {
        epoch: applied.epoch,
        learners: conf.learners.clone(),
        first: Vec::new(),
        ..record
    }
}

pub(super) fn shape_of(meta: &SnapshotMeta) -> Option<Shape> {
    (!meta.data.is_empty()).then(|| Shape::decode(meta.data.clone()).ok()).flatten()
}

pub(super) fn ranges(region: RegionId, shape: Option<&Shape>) -> Vec<(Bytes, Bytes)> {
    state::keys::region_ranges(region, shape.map(|shape| (shape.keyspace, &shape.range)))
}

impl Running {
    /// What is here first; then what has nothing, where its keys are nobody's.
    pub(super) fn start_sharded(
        &mut self,
        sky: &mut Sky,
        directory: &Directory,
    ) -> Result<(), String> {
        self.finish_farewells(sky)?;
        let regions = Applied::regions(self.engine.as_ref()).map_err(|error| error.to_string())?;
        let mut strangers = Vec::new();
        for region in regions {
            if self.leaving.contains_key(&region) {
                continue;
            }
            let state = Applied::sharded(region, self.engine.as_ref());
            let Some((applied, shape)) = state.map_err(|error| error.to_string())? else {
                continue;
            };
            let record = directory.regions.get(&region).cloned();
            let is_told = record.as_ref().is_some_and(|record| record.knows(applied.epoch));
            let record = record.unwrap_or_else(|| split_record(region, &applied, &shape));
            let is_here = peer_in(&applied.conf_state, self.node).is_some()
                || record.peer_on(self.node).is_some();
            let has_log = self.log.region(region).is_some_and(|it| it.generation.is_some());
            let stays = !is_told && has_log && sky.mutant != Some(Mutant::LeaveUntold);
            if !is_here && !stays {
                strangers.push((region, shape));
            } else if self.ground.begin(region) {
                let log = self.log.region(region);
                self.start_region(sky, record, log.as_ref())?;
            }
        }
        for (region, shape) in strangers {
            let is_free = self.ground.is_free(region, shape.keyspace, &shape.range);
            self.leave_unstarted(sky, region, is_free.then_some(&shape));
        }
        self.begin_known(sky, directory)
    }

    pub(super) fn begin_known(
        &mut self,
        sky: &mut Sky,
        directory: &Directory,
    ) -> Result<(), String> {
        self.leave_forgotten(sky, directory)?;
        for record in directory.regions.values().filter(|it| it.sharding.is_some()) {
            if self.shards.contains_key(&record.id) || record.peer_on(self.node).is_none() {
                continue;
            }
            if self.may_begin(record)? {
                let log = self.log.region(record.id);
                self.start_region(sky, record.clone(), log.as_ref())?;
            }
        }
        Ok(())
    }

    fn may_begin(&mut self, record: &RegionRecord) -> Result<bool, String> {
        let state = Applied::sharded(record.id, self.engine.as_ref());
        let has_state = state.map_err(|error| error.to_string())?.is_some()
            || self.log.region(record.id).is_some();
        let is_first = record.first.iter().any(|peer| peer.node() == self.node);
        let may =
            has_state || is_first || self.ground.is_free(record.id, record.keyspace, &record.range);
        Ok(may && self.ground.begin(record.id))
    }

    /// What a region's state owns is its own from here on.
    pub(super) fn hold(&mut self, sky: &mut Sky, region: RegionId) {
        let Some(machine) = self.shards.get(&region).map(|shard| &shard.machine) else { return };
        let Some(shape) = machine.shape().cloned() else { return };
        let version = machine.applied().epoch.version;
        self.tell(sky, ToPoller::Reshaped(region, version));
        if sky.mutant == Some(Mutant::GroundUnchecked) {
            return;
        }
        self.ground.hold(shape.keyspace, Plot { region, version, range: shape.range });
    }

    /// A split is in the engine.
    pub(super) fn split_off(
        &mut self,
        sky: &mut Sky,
        parent: RegionId,
        born: Vec<(Split, Option<Box<Machine>>)>,
        strangers: Vec<(RegionId, Shape)>,
    ) {
        self.hold(sky, parent);
        for (region, shape) in &strangers {
            self.keep_free(*region, Some(shape));
        }
        if sky.mutant != Some(Mutant::BirthBeforeDurable)
            && let Err(error) = self.engine.persist()
        {
            self.broke(sky, "engine", format!("a split could not be made durable: {error}"));
            return;
        }
        for (region, shape) in strangers {
            sky.counts.strangers += 1;
            self.leaving.insert(region, Some(shape));
            self.to_write.push_back(ToWriter::Remove(region));
        }
        let campaign = self.shards.get(&parent).is_some_and(|shard| shard.leadership.here);
        for (split, machine) in born {
            sky.counts.splits += 1;
            sky.note(self.node, "split", [parent.get(), split.child.get(), split.version, 0]);
            let Some(machine) = machine else {
                sky.counts.splits_of_begun += 1;
                continue;
            };
            let Some(shape) = machine.shape().cloned() else { continue };
            let record = split_record(split.child, machine.applied(), &shape);
            if let Err(reason) = self.start_child(sky, record, *machine, campaign) {
                self.broke(sky, "restart", format!("{}: {reason}", split.child));
            }
        }
        let directory = self.directory.clone();
        if let Err(reason) = self.begin_known(sky, &directory) {
            self.broke(sky, "restart", reason);
        }
        self.start_writing(sky);
    }

    /// Whether a snapshot may take the place of a region's state.
    pub(super) fn claim(&mut self, sky: &Sky, meta: &SnapshotMeta, region: RegionId) -> bool {
        let Some(shape) = shape_of(meta) else { return true };
        if sky.mutant == Some(Mutant::GroundUnchecked) {
            return true;
        }
        if !self.ground.claim(region, shape.keyspace, &shape.range) {
            return false;
        }
        let durable = self.engine.durable();
        let others = self.ground.plots(shape.keyspace).map(|plot| plot.region);
        let is_durable = others.filter(|other| *other != region).all(|other| {
            let known = Applied::sharded(other, durable.as_ref());
            !matches!(known, Ok(Some((_, known))) if known.range.overlaps(&shape.range))
        });
        if !is_durable {
            self.engine.flush_soon();
        }
        is_durable
    }

    /// Where a client's request goes, by what this node knows; a command gets the version of the region.
    pub(super) fn routed(
        &self,
        sky: &mut Sky,
        region: RegionId,
        body: Body,
    ) -> Option<(RegionId, Body)> {
        if region != HOME || sky.settings.sharded.is_none() {
            return Some((region, body));
        }
        let range = match &body {
            Body::Read(request) | Body::LeaseRead(request) => request.range.clone(),
            Body::Write { data, .. } => {
                state::sharded::span(&Envelope::decode(data.clone()).ok()?.command)?
            }
            Body::Renew(_) | Body::Say(_) => return Some((region, body)),
        };
        let owner = self.shards.iter().find(|(_, shard)| {
            shard.machine.shape().is_some_and(|shape| shape.range.covers(&range))
        });
        let here = owner.map(|(region, shard)| (*region, shard.machine.applied().epoch.version));
        let (mut region, mut version) = here.or_else(|| {
            let known = self.directory.regions.values().filter(|it| it.sharding.is_some());
            let mut known = known.filter(|it| it.range.covers(&range));
            known.next().map(|record| (record.id, record.epoch.version))
        })?;
        // Some go by an old map: to another region, or as if this one had not been split.
        if !sky.calm && sky.random.chance(6) {
            if sky.random.chance(50) && version > 1 {
                version -= 1;
            } else {
                let sharded = self.shards.iter().filter(|(_, it)| it.machine.is_sharded());
                let sharded: Vec<_> = sharded.collect();
                let at = sky.random.below(sharded.len().max(1) as u64);
                if let Some((other, shard)) = sharded.get(usize::try_from(at).unwrap_or(0)) {
                    (region, version) = (**other, shard.machine.applied().epoch.version);
                }
            }
        }
        let body = match body {
            Body::Write { data, tag } => {
                let envelope = Envelope::decode(data).ok()?;
                let epoch = Epoch { version, conf_ver: 1 };
                Body::Write { data: Envelope { epoch, ..envelope }.encode(), tag }
            }
            other => other,
        };
        Some((region, body))
    }

    /// What a leader does about its regions from time to time.
    pub(super) fn drive_splits(&mut self, sky: &mut Sky) {
        let Some(most) = sky.settings.sharded else { return };
        let led = self
            .shards
            .iter()
            .filter(|(_, shard)| shard.leadership.here && shard.machine.is_sharded());
        let led: Vec<_> = led
            .filter_map(|(region, shard)| {
                let applied = shard.machine.applied();
                let (epoch, conf) = (applied.epoch, applied.conf_state.clone());
                Some((*region, epoch, conf, shard.machine.shape()?.clone()))
            })
            .collect();
        let count = self.directory.regions.values().filter(|it| it.sharding.is_some()).count();
        for (region, epoch, conf, shape) in led {
            let Some(record) = self.directory.regions.get(&region) else { continue };
            let plan = record.sharding.as_ref().and_then(|sharding| sharding.plan.clone());
            if record.epoch < epoch {
                self.record_peers(sky, region, epoch, conf);
            } else if let Some(plan) = plan {
                let range = KeyRange { start: plan.at.clone(), end: shape.range.end };
                let behind = measure(self.engine.as_ref(), shape.keyspace, &range, None);
                let behind = behind.unwrap_or_default();
                let (keys, bytes) = (behind.keys, behind.bytes);
                let command = Command::Split { at: plan.at, child: plan.child, keys, bytes };
                self.propose_by_itself(sky, region, epoch.version, command);
            } else if !sky.calm && count < most && sky.random.chance(25) {
                let slot = sky.random.below(10);
                let at = match sky.random.below(3) {
                    0 => format!("key-{slot}"),
                    1 => format!("key-{slot}-0"),
                    _ => format!("key-{slot}-5"),
                };
                let (at, version) = (Bytes::from(at), epoch.version);
                let command = Command::PlanSplit { region, version, at };
                self.propose_by_itself(sky, RegionId::META, 1, command);
            }
        }
    }

    pub(super) fn propose_by_itself(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        version: u64,
        command: Command,
    ) {
        let epoch = Epoch { version, conf_ver: 1 };
        let data = Envelope { epoch, session: None, command }.encode();
        let Some(shard) = self.shards.get(&region) else { return };
        let Leadership { leader, here, .. } = shard.leadership;
        if here {
            self.tell(sky, ToPoller::Propose { region, data, asked: Asked::Nobody });
        } else if let Some(leader) = leader {
            self.last_question += 1;
            let (asker, request) = (self.life, self.last_question);
            sky.send(self.node, leader, Packet::Propose { asker, request, region, data });
        }
    }
}
