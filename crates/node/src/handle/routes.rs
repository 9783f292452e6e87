//! Where the keys of a keyspace are, for clients that go there by themselves.

use std::collections::BTreeSet;

use types::{Code, Fault, KeyRange, KeyspaceId, NodeId, RegionId, Term};

use super::Handle;

/// A region that owns some of the keys that were asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegionRoute {
    /// Which.
    pub region: RegionId,
    /// The version of its epoch: goes up with every split.
    pub version: u64,
    /// The keys it owns of those asked for, and no others: borders are keys of users.
    pub range: KeyRange,
    /// Who leads it, if that is known here.
    pub leader: Option<NodeId>,
    /// In which term.
    pub term: Term,
    /// Where its replicas live.
    pub nodes: Vec<NodeId>,
}

impl Handle {
    /// The regions of a keyspace that own the keys of `range`, in their order, at most `most`, as this node
    /// knows them: by what it applied itself, and by the directory, whichever is newer. An ordered keyspace
    /// has one. Where this node knows of no owner the answer ends.
    ///
    /// # Errors
    /// `KeyspaceNotFound`.
    pub fn routes(
        &self,
        keyspace: KeyspaceId,
        range: &KeyRange,
        most: usize,
    ) -> Result<Vec<RegionRoute>, Fault> {
        let directory = self.shared.directory();
        if !directory.keyspaces.contains_key(&keyspace) {
            return Err(Code::KeyspaceNotFound.into());
        }
        let mut known: Vec<_> = directory.regions_of(keyspace);
        known.retain(|record| record.range.overlaps(range));
        let ground = self.shared.sharding.ground.read();
        let mut routes: Vec<RegionRoute> = Vec::new();
        let mut rest = range.clone();
        while routes.len() < most && !rest.is_empty() {
            let told = known.iter().find(|record| record.range.contains(&rest.start));
            let told = told.map(|it| (it.id, it.epoch.version, it.range.clone()));
            let own = ground.owner(keyspace, &rest.start);
            let own = own.map(|it| (it.region, it.version, it.range.clone()));
            let Some(owner) = own.into_iter().chain(told).max_by_key(|(_, version, _)| *version)
            else {
                break;
            };
            let (region, version, owned) = owner;
            let shard = self.shared.shard(region);
            let leader = match &shard {
                Some(shard) => shard.leadership().leader,
                None => self.shared.sharding.leader_of(region),
            };
            let nodes: BTreeSet<_> = match (directory.regions.get(&region), &shard) {
                (Some(record), _) => record.peers.iter().map(|(_, node)| *node).collect(),
                // One that was split off just now.
                (None, Some(shard)) => shard.group().nodes().collect(),
                (None, None) => BTreeSet::new(),
            };
            let led = shard.as_ref().map(|shard| shard.leadership());
            routes.push(RegionRoute {
                region,
                version,
                range: rest.shared_with(&owned),
                leader,
                term: led.map_or(Term(0), |led| led.term),
                nodes: nodes.into_iter().collect(),
            });
            match owned.end {
                Some(end) => rest.start = end,
                None => break,
            }
        }
        Ok(routes)
    }
}
