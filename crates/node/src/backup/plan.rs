//! The cluster that begins with a backup: the same on every one of its nodes.

use std::collections::{BTreeMap, BTreeSet};

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};
use state::directory::{Directory, NodeRecord, Part, Phase, RegionRecord};
use types::{ClusterId, KeyRange, KeyspaceId, NodeId, RegionId};

use super::contents::Contents;
use super::error::Error;
use crate::identity::InitialCluster;

/// What the new cluster is.
pub(super) struct Plan {
    pub(super) cluster: ClusterId,
    nodes: Vec<NodeRecord>,
    /// The regions of sharded keyspaces, one for each share, by keyspace and first key.
    pub(super) shares: BTreeMap<(KeyspaceId, bytes::Bytes), RegionRecord>,
}

impl Plan {
    pub(super) fn of(
        contents: &Contents,
        initial: &InitialCluster,
        token: &str,
    ) -> Result<Self, Error> {
        let Some(old) = &contents.directory else {
            let name = contents.keyspaces.first().map(|it| it.name.clone()).unwrap_or_default();
            return Err(Error::OneKeyspace(name));
        };
        let names = initial.members().iter().map(|(name, _)| name.clone());
        let nodes = names.zip(initial.peers()).map(|(name, (id, peer_address))| NodeRecord {
            id,
            // Taken from the first that comes with the cluster's number.
            identity: 0,
            name,
            peer_address,
            client_address: String::new(),
            part: Part::Voter,
            phase: Phase::Member,
            zone: String::new(),
            is_draining: false,
        });
        let nodes: Vec<_> = nodes.collect();
        let mut plan = Self {
            cluster: cluster(&contents.end.hash, initial, token),
            nodes,
            shares: BTreeMap::new(),
        };
        plan.spread(contents, old)?;
        Ok(plan)
    }

    /// Gives each share a region, on the nodes that have the fewest.
    fn spread(&mut self, contents: &Contents, old: &Directory) -> Result<(), Error> {
        let mut last = old.regions.keys().map(|region| region.get()).max().unwrap_or(0);
        let mut counts: BTreeMap<NodeId, u64> =
            self.nodes.iter().map(|node| (node.id, 0)).collect();
        for keyspace in contents.keyspaces.iter().filter(|it| it.region.is_none()) {
            let replicas = old.keyspaces.get(&keyspace.id).map_or(0, |it| it.replicas);
            for range in keyspace.shares.iter().map(|share| &share.range) {
                let next = last.checked_add(1);
                last = next.ok_or_else(|| Error::Contents("regions with numbers".to_owned()))?;
                let home = home(&mut counts, replicas);
                let placed = if replicas == 0 { BTreeSet::new() } else { home.clone() };
                let record = RegionRecord::born(RegionId(last), keyspace.id, home);
                let record = record.owning(range.clone(), placed);
                self.shares.insert((keyspace.id, range.start.clone()), record);
            }
        }
        Ok(())
    }

    /// Makes the old directory the new cluster's.
    pub(super) fn change(&self, directory: &mut Directory) {
        let ids = || self.nodes.iter().map(|node| node.id);
        directory.cluster = Some(self.cluster);
        directory.removed.clear();
        directory.nodes = self.nodes.iter().map(|node| (node.id, node.clone())).collect();
        let mut regions = vec![RegionRecord::born(RegionId::META, KeyspaceId(0), ids())];
        for keyspace in directory.keyspaces.values_mut() {
            if !keyspace.is_sharded() {
                regions.push(RegionRecord::born(keyspace.region, keyspace.id, ids()));
                continue;
            }
            if let Some(first) = self.shares.get(&(keyspace.id, KeyRange::all().start)) {
                keyspace.region = first.id;
            }
        }
        regions.extend(self.shares.values().cloned());
        directory.regions = regions.into_iter().collect();
    }
}

/// The nodes a region's replicas are to be on, so many of them; 0 for all.
fn home(counts: &mut BTreeMap<NodeId, u64>, replicas: u32) -> BTreeSet<NodeId> {
    let mut nodes: Vec<NodeId> = counts.keys().copied().collect();
    nodes.sort_by_cached_key(|node| (counts.get(node).copied(), *node));
    if replicas > 0 {
        nodes.truncate(usize::try_from(replicas).unwrap_or(usize::MAX));
    }
    for node in &nodes {
        *counts.entry(*node).or_default() += 1;
    }
    nodes.into_iter().collect()
}

/// The number of the cluster that begins with this backup on these nodes: it is nobody else's, and every
/// node finds it by itself.
fn cluster(hash: &str, initial: &InitialCluster, token: &str) -> ClusterId {
    let mut digest = Blake2b::<U16>::new();
    let nodes = format!("{:032x}", initial.hash());
    for word in ["hiraeth restore", hash, &nodes, token] {
        digest.update((word.len() as u64).to_be_bytes());
        digest.update(word);
    }
    ClusterId(u128::from_be_bytes(digest.finalize().into()))
}
