//! Regions come to be: from the disk at a start, from the meta region's directory later.

use std::sync::Arc;

use state::Machine;
use state::directory::{Directory, RegionRecord};
use state::registry::MACHINE;
use storage::wal::RegionLog;
use types::{Batch, ConfState, Epoch, Index, KeyspaceId, PeerId, RegionId};

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
    let meta = machines::load(shared, RegionId::META, None)?;
    let directory = meta.machine.directory().cloned().unwrap_or_default();
    for record in directory.regions.values() {
        // The directory is told late of a replica that is here: its log is older than the word.
        let may_live_here = lives_here(shared, record) || shared.wal.region(record.id).is_some();
        if record.id != RegionId::META && may_live_here {
            start_region(shared, record.clone(), kind_of(&directory, record))?;
        }
    }
    start_region(shared, stored_meta_record(shared, &directory)?, None)
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
    for record in directory.regions.values() {
        if shared.shard(record.id).is_none() && lives_here(shared, record) {
            let region = record.id;
            // It may have a log: a power cut takes the end of what the engine had, and with it the
            // directory's word of this region, but not the log.
            let kind = kind_of(&directory, record);
            if let Err(error) = start_region(shared, record.clone(), kind) {
                shared.fail_disk(&format!("region {region} could not be started"), &error);
                return;
            }
        }
    }
    // It changes rarely, and a start that finds it has less to learn from the log.
    shared.engine.flush_soon();
    // Told last: whoever sees a keyspace in it finds its region here.
    shared.set_directory(directory);
}

/// Whether the region has a replica on this node, as the directory knows it.
pub(crate) fn lives_here(shared: &Shared, record: &RegionRecord) -> bool {
    record.peer_on(shared.node()).is_some()
}

/// This node's replica of a region: what the region's own log says counts more than the directory. `None`
/// where both know of none, as for one that was removed.
fn own_peer(shared: &Shared, record: &RegionRecord, machine: &Machine) -> Option<PeerId> {
    let conf = &machine.applied().conf_state;
    let mut known = conf.voters.iter().chain(&conf.learners).chain(&conf.voters_outgoing);
    let own = known.find(|peer| peer.node() == shared.node()).copied();
    own.or_else(|| record.peer_on(shared.node()))
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
    let Loaded { mut machine, unusable } = machines::load(shared, region, kind.as_deref())?;
    let leases = LeaseClock::new(shared.config.lease_limits);
    let settings = shared.config.registry;
    if let Some(reason) = unusable {
        tracing::error!(%region, %reason, "a region is set aside: it does not serve on this node");
        let shard = Arc::new(Shard::new(record, kind, machine, leases, settings));
        shard.set_broken(reason);
        shared.add_shard(shard);
        return Ok(());
    }
    let Some(peer) = own_peer(shared, &record, &machine) else {
        tracing::info!(%region, "the region has no replica on this node any more");
        return Ok(());
    };
    if log.is_none() && machine.applied().index > Index(1) {
        return Err(Error::LogGone { region, applied: machine.applied().index });
    }
    // One that came later is in no first configuration: it begins with nothing, and gets a snapshot.
    if machine.applied().conf_state.voters.is_empty() && record.first.contains(&peer) {
        let configuration = ConfState { voters: record.first.clone(), ..ConfState::default() };
        bootstrap(shared, &mut machine, configuration, FIRST)?;
    }
    let start = consensus_start(&machine, log, region)?;
    if log.is_none() {
        let at = (start.last, start.last_term);
        shared.writer.push(writer::beginning(region, start.hard_state, at));
    }
    if region == RegionId::META
        && let Some(directory) = machine.directory()
    {
        shared.auth.learn(shared.clock.now(), &directory.auth);
        shared.set_directory(directory.clone());
    }
    let wants_scavenging = machine.wants_scavenging();
    if kind.as_deref().is_some_and(|kind| kind != MACHINE) {
        shared.applier(region).set_foreign();
    }
    let shard = Arc::new(Shard::new(record.clone(), kind, machine, leases, settings));
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
    let campaign = stands_at_once(shared, &record, peer, &start);
    let start = region::PeerStart { region, config, start, log };
    shared.poller(region).push(ToPoller::Create(Box::new(start), campaign));
    Ok(())
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
