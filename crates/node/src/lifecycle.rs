//! Regions come to be: from the disk at a start, from the meta region's directory later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use state::directory::{Directory, RegionRecord};
use state::registry::MACHINE;
use state::sharded::{self, Shape, Split};
use state::{Applied, Machine};
use storage::wal::RegionLog;
use types::{Batch, ConfState, Epoch, Index, KeyRange, KeyspaceId, NodeId, PeerId, RegionId};

use crate::applier::ask_scavenge;
use crate::lease::LeaseClock;
use crate::machines::Loaded;
use crate::poller::ToPoller;
use crate::registry::checker;
use crate::shard::Shard;
use crate::shared::{RegionLogReader, Shared};
use crate::{Error, machines, writer};

/// The shape of a region before the first entry of its log.
const FIRST: Epoch = Epoch { version: 1, conf_ver: 1 };

/// The meta region as a node knows it that knows nothing yet: alike on every node of the initial cluster;
/// with nothing but a place for it on one that joins later.
pub(crate) fn first_meta_record(shared: &Shared) -> RegionRecord {
    if shared.identity.has_joined() {
        let own = RegionRecord::born(RegionId::META, KeyspaceId(0), [shared.node()]);
        return RegionRecord { first: Vec::new(), ..own };
    }
    let nodes = shared.initial.peers().into_iter().map(|(node, _)| node);
    RegionRecord::born(RegionId::META, KeyspaceId(0), nodes)
}

/// Starts the regions that are on this node's disk, the meta region last: as soon as it runs, its
/// applier starts the regions it learns of.
pub(crate) fn start_stored(shared: &Arc<Shared>) -> Result<(), Error> {
    if shared.wal.region(RegionId::META).is_none() {
        return Ok(());
    }
    let meta = machines::load(shared, RegionId::META, None, None)?;
    let directory = meta.machine.directory().cloned().unwrap_or_default();
    directory.admits(&shared.config.name, shared.config.level).map_err(Error::Refused)?;
    start_sharded(shared, &directory)?;
    for record in directory.regions.values().filter(|record| record.sharding.is_none()) {
        // The directory is told late of a replica that is here: its log is older than the word.
        let may_live_here = lives_here(shared, record) || shared.wal.region(record.id).is_some();
        if record.id != RegionId::META && may_live_here {
            start_region(shared, record.clone(), kind_of(&directory, record))?;
        }
    }
    start_region(shared, stored_meta_record(shared, &directory)?, None)
}

/// Starts what this node has of regions of sharded keyspaces; then those that have nothing, whose keys must
/// be nobody's.
fn start_sharded(shared: &Arc<Shared>, directory: &Directory) -> Result<(), Error> {
    let leaving = crate::sharded::finish_farewells(shared)?;
    let mut stored = BTreeMap::new();
    // Neither the directory nor a log need know of one that was split off when the power went.
    let regions = Applied::regions(shared.engine.as_ref());
    let regions = regions
        .map_err(|error| Error::Load { region: RegionId::META, reason: error.to_string() })?;
    for region in regions.into_iter().filter(|region| !leaving.contains(region)) {
        let state = Applied::sharded(region, shared.engine.as_ref());
        let state = state.map_err(|error| Error::Load { region, reason: error.to_string() })?;
        if let Some((applied, shape)) = state {
            // The directory may not have heard of it, or of what it is by now.
            let record = directory.regions.get(&region).cloned();
            let is_told = record.as_ref().is_some_and(|record| record.knows(applied.epoch));
            let record = record.unwrap_or_else(|| split_record(region, &applied, &shape));
            stored.insert(region, (record, is_told, applied, shape));
        }
    }
    let mut strangers = Vec::new();
    for (region, (record, is_told, applied, shape)) in stored {
        let conf = &applied.conf_state;
        let is_here = peer_in(conf, shared.node()).is_some() || lives_here(shared, &record);
        // A directory that has not heard that a replica left may still say where it was: if it went before,
        // one would begin in its place, under its number and without what it promised.
        let stays = !is_told && shared.wal.region(region).is_some_and(|it| it.generation.is_some());
        if !is_here && !stays {
            strangers.push((region, shape));
        } else if shared.sharding.ground.write().begin(region) {
            start_region(shared, record, Some(sharded::MACHINE.to_owned()))?;
        }
    }
    for (region, shape) in strangers {
        // Only what is nobody's by now goes with it.
        let is_free = shared.sharding.ground.read().is_free(region, shape.keyspace, &shape.range);
        crate::sharded::leave_unstarted(shared, region, is_free.then_some(shape));
    }
    crate::sharded::leave_forgotten(shared, directory)
        .map_err(|(region, error)| Error::Load { region, reason: error.to_string() })?;
    for record in directory.regions.values().filter(|record| record.sharding.is_some()) {
        begin_sharded(shared, directory, record)?;
    }
    Ok(())
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

fn begin_sharded(
    shared: &Arc<Shared>,
    directory: &Directory,
    record: &RegionRecord,
) -> Result<(), Error> {
    let region = record.id;
    if shared.shard(region).is_some() || !lives_here(shared, record) {
        return Ok(());
    }
    let may = crate::sharded::may_begin(shared, record);
    if may.map_err(|error| Error::Load { region, reason: error.to_string() })? {
        start_region(shared, record.clone(), kind_of(directory, record))?;
    }
    Ok(())
}

/// The meta region as this node's disk knows it. What the command line says counts only while the
/// disk knows nothing.
fn stored_meta_record(shared: &Shared, directory: &Directory) -> Result<RegionRecord, Error> {
    if let Some(stored) = directory.regions.get(&RegionId::META) {
        return Ok(stored.clone());
    }
    // The engine lost what it was told last, and the log tells it again; but who the first members
    // were is in neither. A node that joined later waits for its first snapshot.
    if !shared.identity.has_joined() && shared.initial.hash() != shared.identity.bootstrap() {
        return Err(Error::InitialCluster);
    }
    Ok(first_meta_record(shared))
}

/// The meta region's applier saw the directory change.
pub(crate) fn directory_changed(shared: &Arc<Shared>, directory: Directory) {
    begin_known(shared, &directory);
    // It changes rarely, and a start that finds it has less to learn from the log.
    shared.engine.flush_soon();
    // Told last: whoever sees a keyspace in it finds its region here.
    shared.set_directory(directory);
}

/// Starts the regions that are to have a replica here and have none.
pub(crate) fn begin_known(shared: &Arc<Shared>, directory: &Directory) {
    let _beginning = shared.sharding.beginning.lock();
    if let Err((region, error)) = crate::sharded::leave_forgotten(shared, directory) {
        return shared.fail_disk(&format!("region {region} could not be looked up"), &error);
    }
    for record in directory.regions.values() {
        if record.sharding.is_some() {
            if let Err(error) = begin_sharded(shared, directory, record) {
                let region = record.id;
                shared.fail_disk(&format!("region {region} could not be started"), &error);
                return;
            }
        } else if shared.shard(record.id).is_none() && lives_here(shared, record) {
            let region = record.id;
            // It may have a log: a power cut takes the end of what the engine had, and with it the
            // directory's word of this region, but not the log.
            let kind = kind_of(directory, record);
            if let Err(error) = start_region(shared, record.clone(), kind) {
                shared.fail_disk(&format!("region {region} could not be started"), &error);
                return;
            }
        }
    }
}

/// Whether the region has a replica on this node, as the directory knows it.
pub(crate) fn lives_here(shared: &Shared, record: &RegionRecord) -> bool {
    record.peer_on(shared.node()).is_some()
}

/// This node's replica of a region: what the region's own state says counts more than the directory. `None`
/// where both know of none, as for one that was removed; in a sharded keyspace it is what its log was of
/// then, until the directory knows that it left.
fn own_peer(
    shared: &Shared,
    record: &RegionRecord,
    machine: &Machine,
    log: Option<&RegionLog>,
) -> Option<PeerId> {
    let node = shared.node();
    let before = || log.filter(|_| machine.is_sharded())?.generation;
    peer_in(&machine.applied().conf_state, node)
        .or_else(|| record.peer_on(node))
        .or_else(|| before().map(|generation| PeerId::on(node, generation)))
}

pub(crate) fn peer_in(conf: &ConfState, node: NodeId) -> Option<PeerId> {
    let mut known = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
    known.find(|peer| peer.node() == node).copied()
}

/// What kind of machine carries out a region's commands, if it is one of others.
fn kind_of(directory: &Directory, record: &RegionRecord) -> Option<String> {
    directory.keyspaces.get(&record.keyspace)?.machine.clone()
}

/// Loads a region's state and starts its replica. One whose machine this node cannot run is set
/// aside, as it is.
pub(crate) fn start_region(
    shared: &Arc<Shared>,
    record: RegionRecord,
    kind: Option<String>,
) -> Result<(), Error> {
    let region = record.id;
    let log = shared.wal.region(region);
    let log = log.as_ref();
    // One that came back is none of the first.
    let is_first = record.peer_on(shared.node()).is_some_and(|peer| record.first.contains(&peer));
    let birth = record.sharding.as_ref().filter(|_| is_first).map(|it| it.birth.clone());
    let fresh = birth.map(|birth| Shape::new(record.keyspace, birth));
    let Loaded { mut machine, unusable } = machines::load(shared, region, kind.as_deref(), fresh)?;
    let leases = LeaseClock::new(shared.config.lease_limits);
    let settings = shared.config.registry;
    if let Some(reason) = unusable {
        tracing::error!(%region, %reason, "a region is set aside: it does not serve on this node");
        let own = (leases, settings);
        let shard = Arc::new(Shard::new(&record, kind, machine, own, &shared.groups));
        shard.set_broken(reason);
        shared.add_shard(shard);
        return Ok(());
    }
    let Some(peer) = own_peer(shared, &record, &machine, log) else {
        tracing::info!(%region, "the region has no replica on this node any more");
        return Ok(());
    };
    let born = machine.shape().map_or(Index(1), |shape| shape.born);
    if log.is_none() && machine.applied().index > born {
        return Err(Error::LogGone { region, applied: machine.applied().index });
    }
    // One that came later is in no first configuration: it begins with nothing, and gets a snapshot.
    if machine.applied().conf_state.voters.is_empty() && record.first.contains(&peer) {
        let configuration = ConfState { voters: record.first.clone(), ..ConfState::default() };
        bootstrap(shared, &mut machine, configuration, FIRST)?;
    }
    let start = consensus_start(&machine, log, region)?;
    let campaign = stands_at_once(shared, &record, peer, &start);
    run(shared, record, (kind, machine), (peer, start), campaign);
    Ok(())
}

/// Starts the replica of a region that was split off here.
pub(crate) fn start_child(
    shared: &Arc<Shared>,
    split: &Split,
    machine: Machine,
    campaign: bool,
) -> Result<(), Error> {
    let region = split.child;
    let Some(shape) = machine.shape().cloned() else { return Ok(()) };
    let record = split_record(region, machine.applied(), &shape);
    // It has a log already where its parent's is applied again after a crash.
    let log = shared.wal.region(region);
    let Some(peer) = own_peer(shared, &record, &machine, log.as_ref()) else { return Ok(()) };
    let start = consensus_start(&machine, log.as_ref(), region)?;
    let campaign = start.fresh
        && (campaign && start.conf_state.voters.contains(&peer)
            || start.conf_state.voters == [peer]);
    run(shared, record, (Some(sharded::MACHINE.to_owned()), machine), (peer, start), campaign);
    Ok(())
}

/// Lets a region run that was loaded, or made.
fn run(
    shared: &Arc<Shared>,
    record: RegionRecord,
    (kind, machine): (Option<String>, Machine),
    (peer, start): (PeerId, consensus::Start),
    campaign: bool,
) {
    let region = record.id;
    let (leases, settings) = (LeaseClock::new(shared.config.lease_limits), shared.config.registry);
    if shared.wal.region(region).is_none() {
        let at = (start.last, start.last_term);
        shared.writer.push(writer::beginning((region, peer), start.hard_state, at));
    }
    if region == RegionId::META
        && let Some(directory) = machine.directory()
    {
        shared.auth.learn(shared.clock.now(), &directory.auth);
        shared.set_directory(directory.clone());
    }
    let wants_scavenging = machine.wants_scavenging();
    let is_sharded = kind.as_deref() == Some(sharded::MACHINE);
    if kind.as_deref().is_some_and(|kind| kind != MACHINE) && !is_sharded {
        shared.applier(region).set_foreign();
    }
    let tags = is_sharded.then(|| shared.sharding.tags(record.keyspace));
    let own = (leases, settings);
    let shard = Shard::new(&record, kind, machine, own, &shared.groups).with_peer(peer);
    let shard = Arc::new(match tags {
        Some(tags) => shard.sharing(tags),
        None => shard,
    });
    if is_sharded {
        let machine = shard.machine.read();
        let share = machine.shape().map(|shape| shape.range.clone());
        // Without a state it has no keys.
        let share =
            share.unwrap_or_else(|| KeyRange { end: Some(Bytes::new()), ..KeyRange::all() });
        shared.hub.begin_share(region, machine.revision(), share);
    }
    shared.add_shard(Arc::clone(&shard));
    if let Some(share) = &shard.registry {
        if let Some(registry) = shard.machine.read().registry() {
            share.checker.begin(registry.timers());
        }
        shared.runtime.spawn(checker::run(Arc::clone(shared), Arc::clone(&shard)));
    }
    if wants_scavenging {
        ask_scavenge(shared, &shard);
    }
    let config = shared.config.consensus(region, peer, shared.incarnation);
    let log = Box::new(RegionLogReader { region, wal: Arc::clone(&shared.wal) });
    let start = region::PeerStart { region, config, start, log };
    shared.poller(region).push(ToPoller::Create(Box::new(start), campaign));
    // From here on requests are sent to it: its poller must know of it before.
    crate::sharded::hold(shared, &shard.machine.read());
}

/// The first members' common beginning, as if a snapshot of it had been installed: the first
/// configuration is in no entry of the log.
fn bootstrap(
    shared: &Shared,
    machine: &mut Machine,
    configuration: ConfState,
    epoch: Epoch,
) -> Result<(), Error> {
    let start = consensus::Start::bootstrap(configuration.clone());
    machine.apply_conf(start.applied, start.last_term, configuration, epoch);
    let mut batch = Batch::default();
    machine.finish(&mut batch);
    shared.engine.write(batch)?;
    // Not needed for safety: without it, a start after a crash needs the first members' names again.
    shared.engine.flush_soon();
    machine.written();
    Ok(())
}

/// Whether this node need not wait whether somebody else leads: where it is alone, and where
/// everybody starts from nothing and one is expected to go first.
fn stands_at_once(
    shared: &Shared,
    record: &RegionRecord,
    peer: PeerId,
    start: &consensus::Start,
) -> bool {
    let voters = &start.conf_state.voters;
    if !voters.contains(&peer) {
        return false;
    }
    if voters.len() == 1 {
        return true;
    }
    let first = match shared.shard(RegionId::META) {
        Some(meta) if record.id != RegionId::META => meta.leadership().here,
        _ => voters.iter().map(|peer| peer.node()).min() == Some(shared.node()),
    };
    start.fresh && first
}

fn consensus_start(
    machine: &Machine,
    log: Option<&RegionLog>,
    region: RegionId,
) -> Result<consensus::Start, Error> {
    let applied = machine.applied();
    let start = match log {
        None if applied.index == Index(0) => consensus::Start::default(),
        None if applied.index > Index(1) => {
            let at = (applied.index, applied.term);
            consensus::Start::split_off(at, applied.conf_state.clone())
        }
        None => consensus::Start::bootstrap(applied.conf_state.clone()),
        Some(log) => consensus::Start {
            hard_state: log.hard_state.unwrap_or_default(),
            conf_state: applied.conf_state.clone(),
            first: log.first,
            prev_term: log.prev_term,
            last: log.last,
            last_term: log.last_term,
            applied: applied.index,
            fresh: false,
        },
    };
    let before_first = Index(start.first.get().saturating_sub(1));
    if applied.index < before_first || applied.index > start.last {
        return Err(Error::Torn {
            region,
            applied: applied.index,
            first: start.first,
            last: start.last,
        });
    }
    Ok(start)
}
