//! Regions come to be: from the disk at a start, from the meta region's directory later.

use std::sync::Arc;

use state::Machine;
use state::directory::{Directory, RegionRecord};
use storage::wal::RegionLog;
use types::{ConfState, Index, PeerId, RegionId};

use crate::lease::LeaseClock;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::{RegionLogReader, Shared};
use crate::{Error, snapshots};

/// The meta region as every node of the initial cluster makes it.
pub(crate) fn initial_meta_record(shared: &Shared) -> RegionRecord {
    RegionRecord {
        id: RegionId::META,
        keyspace: types::KeyspaceId(0),
        range: types::KeyRange::all(),
        epoch: types::Epoch { version: 1, conf_ver: 1 },
        peers: shared
            .initial
            .peers()
            .into_iter()
            .map(|(node, _)| (PeerId(node.get()), node))
            .collect(),
    }
}

/// The meta region as this node's disk knows it. What the command line says counts only while the
/// disk knows nothing.
pub(crate) fn stored_meta_record(shared: &Shared) -> Result<RegionRecord, Error> {
    let region = RegionId::META;
    let machine = Machine::load(region, shared.engine.as_ref())
        .map_err(|error| Error::Load { region, reason: error.to_string() })?;
    let stored = machine.directory().and_then(|directory| directory.regions.get(&region));
    Ok(stored.cloned().unwrap_or_else(|| initial_meta_record(shared)))
}

/// The meta region's applier saw the directory change.
pub(crate) fn directory_changed(shared: &Arc<Shared>, directory: Directory) {
    let records: Vec<RegionRecord> = directory.regions.values().cloned().collect();
    shared.set_directory(directory);
    for record in records {
        if shared.shard(record.id).is_none() && lives_here(shared, &record) {
            let region = record.id;
            // A region that was never here has no log; one that has a log was started from it.
            if let Err(error) = start_region(shared, record, None) {
                shared.fail(format!("region {region} could not be started: {error}"));
                return;
            }
        }
    }
}

/// Whether the region has a replica on this node.
pub(crate) fn lives_here(shared: &Shared, record: &RegionRecord) -> bool {
    record.peers.iter().any(|(_, node)| *node == shared.node())
}

/// Loads a region's state and starts its replica.
pub(crate) fn start_region(
    shared: &Arc<Shared>,
    record: RegionRecord,
    log: Option<&RegionLog>,
) -> Result<(), Error> {
    let region = record.id;
    let node = shared.node();
    let peer = record.peers.iter().find(|(_, at)| *at == node).map(|(peer, _)| *peer);
    let peer = peer.ok_or_else(|| Error::NotMember { region, node })?;
    let mut machine = load_machine(shared, region, log)?;
    if machine.applied().conf_state.voters.is_empty() {
        let voters = record.peers.iter().map(|(peer, _)| *peer).collect();
        machine.set_initial(ConfState { voters, ..ConfState::default() }, record.epoch);
    }
    let start = consensus_start(&machine, log, region)?;
    let leases = LeaseClock::new(shared.config.lease_limits);
    if region == RegionId::META
        && let Some(directory) = machine.directory()
    {
        shared.set_directory(directory.clone());
    }
    let shard = Shard::new(record.clone(), machine, leases, start.first);
    shared.add_shard(Arc::new(shard));
    let config = shared.config.consensus(region, peer, shared.incarnation);
    let log = Box::new(RegionLogReader { region, wal: shared.wal.clone() });
    let start = region::PeerStart { record, config, start, log };
    shared.poller(region).push(ToPoller::Create(Box::new(start)));
    Ok(())
}

/// The state as the engine has it; a snapshot that was received but not installed whole is installed
/// first.
fn load_machine(
    shared: &Arc<Shared>,
    region: RegionId,
    log: Option<&RegionLog>,
) -> Result<Machine, Error> {
    if let Some(log) = log {
        snapshots::finish_install(shared, region, log)?;
    }
    Machine::load(region, shared.engine.as_ref())
        .map_err(|error| Error::Load { region, reason: error.to_string() })
}

fn consensus_start(
    machine: &Machine,
    log: Option<&RegionLog>,
    region: RegionId,
) -> Result<consensus::Start, Error> {
    let applied = machine.applied();
    let start = match log {
        None => consensus::Start {
            hard_state: types::HardState::default(),
            conf_state: applied.conf_state.clone(),
            first: applied.index.next(),
            prev_term: applied.term,
            last: applied.index,
            last_term: applied.term,
            applied: applied.index,
            fresh: true,
        },
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
