//! Sharded keyspaces: which regions share a keyspace's keys, and which are going to be split.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use types::{Batch, Code, Epoch, Fault, KeyRange, KeyspaceId, NodeId, PeerId, RegionId, limits};

use super::DirectoryMachine;
use crate::directory::{KeyspaceRecord, Part, Phase, RegionRecord, Sharding, SplitPlan};
use crate::response::Response;
use crate::sharded::MACHINE;

type Answer = Result<(Response, bool), Fault>;

/// The same keys in one buffer of their own: they are kept for good, and what comes out of the log is part
/// of a whole frame.
fn together(keys: &[Bytes]) -> Vec<Bytes> {
    let mut buffer = BytesMut::with_capacity(keys.iter().map(Bytes::len).sum());
    keys.iter().for_each(|key| buffer.extend_from_slice(key));
    let mut buffer = buffer.freeze();
    keys.iter().map(|key| buffer.split_to(key.len())).collect()
}

impl DirectoryMachine {
    pub(super) fn create_sharded(
        &mut self,
        name: &str,
        split_at: &[Bytes],
        (replicas, in_memory): (u32, bool),
        batch: &mut Batch,
    ) -> Answer {
        crate::check::check_keyspace_name(name)?;
        self.must_be_free_for_keyspace(name)?;
        if !split_at.is_sorted_by(|a, b| a < b) || split_at.first().is_some_and(Bytes::is_empty) {
            return Err(Fault::new(Code::InvalidArgument, "split keys ascend, and none is empty"));
        }
        self.must_have_room_for(split_at.len() + 1)?;
        self.last_keyspace += 1;
        let keyspace = KeyspaceRecord {
            id: KeyspaceId(self.last_keyspace | if in_memory { KeyspaceId::IN_MEMORY } else { 0 }),
            name: name.to_owned(),
            region: RegionId(self.last_region + 1),
            machine: Some(MACHINE.to_owned()),
            replicas,
        };
        let mut counts = self.replicas_by_node();
        let split_at = together(split_at);
        let starts = std::iter::once(Bytes::new()).chain(split_at.iter().cloned());
        let ends = split_at.iter().cloned().map(Some).chain([None]);
        for (start, end) in starts.zip(ends) {
            self.last_region += 1;
            let home = self.home_of_few(replicas, &mut counts);
            let placed = if replicas == 0 { BTreeSet::new() } else { home.clone() };
            let record = RegionRecord::born(RegionId(self.last_region), keyspace.id, home);
            self.put_region(record.owning(KeyRange { start, end }, placed), batch);
        }
        self.put_keyspace(&keyspace, batch);
        self.put_cluster(batch);
        self.must_be_tiled(keyspace.id);
        Ok((Response::Keyspace(keyspace), true))
    }

    /// Where a new region's replicas vote from the beginning, if it is to have so many (0: on all nodes): on
    /// the nodes with the fewest, and not on those that are to be rid of them, if there are enough others.
    fn home_of_few(&self, replicas: u32, counts: &mut BTreeMap<NodeId, u64>) -> BTreeSet<NodeId> {
        let mut homes = self.where_to_be_born();
        if replicas == 0 {
            return homes.into_iter().collect();
        }
        homes.sort_by_cached_key(|node| {
            let drains = self.directory.nodes.get(node).is_some_and(|node| node.is_draining);
            (drains, counts.get(node).copied(), *node)
        });
        homes.truncate(usize::try_from(replicas).unwrap_or(usize::MAX));
        for node in &homes {
            *counts.entry(*node).or_default() += 1;
        }
        homes.into_iter().collect()
    }

    /// How many replicas of regions of sharded keyspaces are on each node.
    fn replicas_by_node(&self) -> BTreeMap<NodeId, u64> {
        let mut counts = BTreeMap::new();
        let regions = self.directory.regions.values().filter(|it| it.sharding.is_some());
        for (_, node) in regions.flat_map(|region| &region.peers) {
            *counts.entry(*node).or_default() += 1;
        }
        counts
    }

    /// The wish where a region's replicas are to be. Nodes that leave or are to be rid of theirs may be kept,
    /// but not chosen.
    pub(super) fn place(
        &mut self,
        region: RegionId,
        from: &BTreeSet<NodeId>,
        to: &BTreeSet<NodeId>,
        batch: &mut Batch,
    ) -> Answer {
        let known = self.directory.regions.get(&region).ok_or(Code::RegionNotFound)?;
        let Some(sharding) = &known.sharding else {
            return Err(Fault::new(
                Code::Unsupported,
                "only regions of sharded keyspaces are placed",
            ));
        };
        if sharding.placed == *to {
            return Ok((Response::Done, false));
        }
        if sharding.placed != *from {
            return Err(Fault::new(
                Code::EpochMismatch,
                "the region was placed otherwise meanwhile",
            ));
        }
        let serves = |node: &NodeId| {
            let node = self.directory.nodes.get(node);
            node.is_some_and(|it| it.phase == Phase::Member && it.part == Part::Voter)
        };
        if let Some(node) = to.difference(from).find(|node| !serves(node)) {
            let detail = format!("node {node} is no member that votes");
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
        if !to.iter().any(serves) {
            let detail = "a region's replicas are on at least one member that votes and stays";
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
        let placed = to.clone();
        let mut record = known.clone();
        let sharding = Sharding { placed, ..*sharding.clone() };
        record.sharding = Some(Box::new(sharding));
        self.put_region(record, batch);
        Ok((Response::Done, true))
    }

    /// Hands out the number of the region that a split will make. There is one plan at a time, for one
    /// version of the region: so whatever version its leader tells of next, what happened is known.
    pub(super) fn plan_split(
        &mut self,
        region: RegionId,
        version: u64,
        at: &Bytes,
        batch: &mut Batch,
    ) -> Answer {
        let known = self.directory.regions.get(&region).ok_or(Code::RegionNotFound)?;
        let Some(sharding) = &known.sharding else {
            return Err(Fault::new(Code::Unsupported, "only sharded keyspaces are split"));
        };
        if let Some(plan) = &sharding.plan {
            return Ok((Response::Planned(plan.clone()), false));
        }
        if known.epoch.version != version {
            return Err(Code::EpochMismatch.into());
        }
        if !known.range.contains(at) || *at == known.range.start {
            return Err(Fault::new(Code::InvalidArgument, "the key lies not inside of the region"));
        }
        let sharding = *sharding.clone();
        let mut record = known.clone();
        self.must_have_room_for(1)?;
        self.last_region += 1;
        let at = Bytes::copy_from_slice(at);
        let plan = SplitPlan { at, child: RegionId(self.last_region) };
        record.sharding = Some(Box::new(Sharding { plan: Some(plan.clone()), ..sharding }));
        self.put_region(record, batch);
        self.put_cluster(batch);
        Ok((Response::Planned(plan), true))
    }

    /// The leader of a region tells of its next version: the split that was planned is made.
    pub(super) fn record_split(
        &mut self,
        known: &RegionRecord,
        epoch: Epoch,
        (peers, learners): (&[PeerId], &[PeerId]),
        batch: &mut Batch,
    ) -> Option<RegionRecord> {
        let sharding = known.sharding.as_ref()?;
        let plan = sharding.plan.clone()?;
        let ranges = (known.range.start.clone(), known.range.end.clone());
        let on = |peer: &PeerId| PeerId::on(peer.node(), 0);
        let child = RegionRecord {
            // Its own leader knows better, and has a higher one to tell.
            epoch: Epoch { version: epoch.version, conf_ver: 0 },
            peers: peers.iter().map(|peer| (on(peer), peer.node())).collect(),
            learners: learners.iter().map(on).collect(),
            // No first members: what it begins with is in its parent's log.
            ..RegionRecord::born(plan.child, known.keyspace, std::iter::empty::<NodeId>())
        };
        let range = KeyRange { start: plan.at.clone(), end: ranges.1 };
        self.put_region(child.owning(range, sharding.placed.clone()), batch);
        let mut parent = known.clone();
        parent.range = KeyRange { start: ranges.0, end: Some(plan.at) };
        parent.sharding = Some(Box::new(Sharding { plan: None, ..*sharding.clone() }));
        Some(parent)
    }

    pub(super) fn must_be_tiled(&self, keyspace: KeyspaceId) {
        let regions = self.directory.regions_of(keyspace);
        assert!(
            self.directory.is_tiled(keyspace),
            "the regions of keyspace {keyspace} leave gaps or overlap: {regions:?}"
        );
    }

    fn must_have_room_for(&self, regions: usize) -> Result<(), Fault> {
        if self.directory.regions.len() + regions <= limits::REGIONS {
            return Ok(());
        }
        let detail = format!("a cluster holds at most {} regions", limits::REGIONS);
        Err(Fault::new(Code::LimitReached, detail))
    }
}
