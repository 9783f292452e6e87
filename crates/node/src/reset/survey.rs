//! What a node has of its cluster.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use state::Applied;
use state::beginning;
use state::directory::Directory;
use state::sharded::{Shape, farewell};
use storage::engine::Engine;
use storage::log::LogReader;
use storage::snapshot;
use types::{ClusterId, Index, KeyRange, KeyspaceId, NodeId, PeerId, RegionId};

use crate::Error;
use crate::backup::uncovered;
use crate::identity::Survivor;
use crate::snapshots;

/// More regions than the end of a log can still tell of.
const STILL_TOLD: u64 = 1 << 20;

/// What a node has, and what only others had.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// The cluster it is of.
    pub cluster: ClusterId,
    /// The other nodes, as `name (number)`.
    pub others: Vec<String>,
    /// The regions, by number; those with no replica here last.
    pub regions: Vec<RegionLeft>,
}

/// What a node has of a region.
#[derive(Clone, Debug)]
pub struct RegionLeft {
    /// Its number; where there is nothing of it, a new one.
    pub region: RegionId,
    /// The name of its keyspace; empty for the meta region.
    pub keyspace: String,
    /// Whether there is anything of it here.
    pub is_here: bool,
    /// Up to where the log is applied.
    pub applied: Index,
    /// Up to where it is known to be committed.
    pub committed: Index,
    /// The last entry.
    pub last: Index,
    /// Replicas it had.
    pub replicas: usize,
    pub(super) id: KeyspaceId,
    pub(super) peer: PeerId,
    /// The keys it owns, if it is one of a sharded keyspace.
    pub(super) shape: Option<Shape>,
}

impl RegionLeft {
    /// Entries of which it is not known whether they were acknowledged.
    #[must_use]
    pub fn unconfirmed(&self) -> u64 {
        self.last.get().saturating_sub(self.committed.max(self.applied).get())
    }
}

pub(super) fn look(
    dir: &Path,
    own: &Survivor,
    engine: &dyn Engine,
    log: &dyn LogReader,
) -> Result<Survey, Error> {
    let wrong = |what: String| Error::Reset { dir: dir.to_owned(), what };
    let load =
        |error: state::LoadError| Error::Load { region: RegionId::META, reason: error.to_string() };
    let is_pending = !snapshot::pending_installs(engine)?.is_empty()
        || !farewell::pending(engine).map_err(load)?.is_empty()
        || is_received(dir, engine, log)?;
    if is_pending {
        return Err(wrong(
            "a snapshot was being put in place, or a region was leaving: start the node once, which ends \
             that without the others, stop it, and try again"
                .to_owned(),
        ));
    }
    let directory = beginning::directory(engine).map_err(load)?;
    if directory.cluster.is_none() {
        return Err(wrong(
            "it never learned of its cluster, and has nothing to go on with".to_owned(),
        ));
    }
    let mut looker =
        Looker { own: own.node, directory: &directory, engine, log, found: BTreeMap::new() };
    looker.all()?;
    let mut regions: Vec<_> = looker.found.into_values().collect();
    if regions.first().is_none_or(|first| first.region != RegionId::META || !first.is_here) {
        return Err(wrong(
            "it has nothing of the meta region, which says what there is".to_owned(),
        ));
    }
    regions.extend(lost_shares(&directory, own.node, &regions));
    regions.sort_by_key(|left| (!left.is_here, left.region));
    let others = directory.nodes.values().filter(|node| node.id != own.node);
    Ok(Survey {
        node: own.node,
        name: own.name.clone(),
        cluster: own.cluster,
        others: others.map(|node| format!("{} ({})", node.name, node.id)).collect(),
        regions,
    })
}

/// Whether a log goes on after a snapshot that is there, and of which the state has nothing yet.
fn is_received(dir: &Path, engine: &dyn Engine, log: &dyn LogReader) -> Result<bool, Error> {
    for status in log.regions() {
        let (region, index) = (status.region, Index(status.log.first.get().saturating_sub(1)));
        if dir.join("snapshots").join(snapshots::file_name(region, index)).exists() {
            let applied = Applied::stored(region, engine);
            let applied =
                applied.map_err(|error| Error::Load { region, reason: error.to_string() })?;
            if applied.index < index {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

struct Looker<'a> {
    own: NodeId,
    directory: &'a Directory,
    engine: &'a dyn Engine,
    log: &'a dyn LogReader,
    found: BTreeMap<RegionId, RegionLeft>,
}

impl Looker<'_> {
    fn all(&mut self) -> Result<(), Error> {
        let logs = self.log.regions().into_iter().map(|status| status.region);
        let ordered = self.directory.regions.values().filter(|record| record.sharding.is_none());
        let states = Applied::regions(self.engine);
        let states = states
            .map_err(|error| Error::Load { region: RegionId::META, reason: error.to_string() })?;
        let mut all: Vec<RegionId> =
            ordered.map(|record| record.id).chain(logs).chain(states).collect();
        all.sort_unstable();
        all.dedup();
        for region in all {
            if let Some(left) = self.one(region)? {
                self.found.insert(region, left);
            }
        }
        Ok(())
    }

    fn one(&self, region: RegionId) -> Result<Option<RegionLeft>, Error> {
        let failed = |error: state::LoadError| Error::Load { region, reason: error.to_string() };
        let applied = Applied::stored(region, self.engine).map_err(failed)?;
        let shape = Applied::sharded(region, self.engine).map_err(failed)?.map(|(_, shape)| shape);
        let record = self.directory.regions.get(&region);
        let id = match (&shape, record) {
            (Some(shape), _) => shape.keyspace,
            (None, Some(record)) if record.sharding.is_none() => record.keyspace,
            // A log of a region that has no state here, or that is none any more.
            _ => return Ok(None),
        };
        let conf = &applied.conf_state;
        let known = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
        let own = known.clone().find(|peer| peer.node() == self.own).copied();
        // One that was about to leave has what others had from it, and they are lost.
        let is_here = applied.index > Index(0) && (own.is_some() || shape.is_some());
        let peer = own.or_else(|| record?.peer_on(self.own));
        let log = self.log.region(region);
        let hard = log.and_then(|log| log.hard_state).unwrap_or_default();
        let last = log.map_or(applied.index, |log| log.last.max(applied.index));
        Ok(Some(RegionLeft {
            region,
            keyspace: name(self.directory, id),
            is_here,
            applied: applied.index,
            committed: if is_here { hard.commit.max(applied.index) } else { Index(0) },
            last: if is_here { last } else { Index(0) },
            replicas: record.map_or(known.count(), |record| record.peers.len()),
            id,
            peer: peer.unwrap_or(PeerId::on(self.own, 0)),
            shape,
        }))
    }
}

fn name(directory: &Directory, id: KeyspaceId) -> String {
    directory.keyspaces.get(&id).map(|keyspace| keyspace.name.clone()).unwrap_or_default()
}

/// Keys of sharded keyspaces that no replica here owns: regions that begin anew.
fn lost_shares(directory: &Directory, own: NodeId, here: &[RegionLeft]) -> Vec<RegionLeft> {
    let known = directory.regions.keys().chain(here.iter().map(|left| &left.region));
    let last = known.map(|region| region.get()).max().unwrap_or(0);
    // Numbers that splits which are planned were given.
    let plans = directory.regions.values().filter_map(|it| it.sharding.as_ref()?.plan.as_ref());
    let last = plans.map(|plan| plan.child.get()).fold(last, u64::max);
    // Those that are given in what is still to be applied.
    let mut last = last.saturating_add(STILL_TOLD);
    let mut lost = Vec::new();
    for keyspace in directory.keyspaces.values().filter(|keyspace| keyspace.is_sharded()) {
        let owned: Vec<KeyRange> = here
            .iter()
            .filter(|left| left.id == keyspace.id)
            .filter_map(|left| left.shape.as_ref().map(|shape| shape.range.clone()))
            .collect();
        for range in uncovered(&KeyRange::all(), &owned) {
            last += 1;
            lost.push(RegionLeft {
                region: RegionId(last),
                keyspace: keyspace.name.clone(),
                is_here: false,
                applied: Index(0),
                committed: Index(0),
                last: Index(0),
                replicas: replicas(directory, keyspace.id, &range.start),
                id: keyspace.id,
                peer: PeerId::on(own, 0),
                shape: Some(Shape::new(keyspace.id, range)),
            });
        }
    }
    lost
}

/// Replicas that the region had which owned the key, as far as is known.
fn replicas(directory: &Directory, keyspace: KeyspaceId, key: &Bytes) -> usize {
    let regions = directory.regions_of(keyspace);
    let owner = regions.iter().find(|record| record.range.contains(key));
    owner.map_or(0, |record| record.peers.len())
}
