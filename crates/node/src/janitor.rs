//! What has to be done from time to time: ending leases, cutting the log, telling idle watches how
//! far they are, and making this node known to the cluster.

use std::sync::Arc;
use std::time::Duration;

use state::command::{Command, Envelope};
use state::directory::{Directory, NodeRecord, Part, Phase};
use storage::wal::RegionStatus;
use types::{Code, Index, LeaseId, RegionId};

use crate::failure::Failure;
use crate::leadership::propose_housekeeping;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::{applier, forward, levels, registry, snapshots};

/// Between two looks at the leases: how late an expiry may be.
const LEASE_INTERVAL: Duration = Duration::from_millis(100);
/// Between two looks at the logs.
const LOG_INTERVAL: Duration = Duration::from_millis(500);
/// Bytes of a region's log that are worth a cut, however little room there is for each.
const MIN_REGION_BYTES: u64 = 64 << 10;
/// Leases ended with one command.
const EXPIRE_AT_ONCE: usize = 128;
/// How long a frozen state waits to be sent.
const EXPORT_AGE: Duration = Duration::from_secs(30);
/// Looks at the logs between two looks at what waits like that.
const EXPORTS_EVERY: u32 = 10;
/// How long to wait before this node makes itself known once more.
const REGISTER_AGAIN: Duration = Duration::from_millis(500);

/// Ends leases whose time is up on the regions this node leads.
pub(crate) async fn expire_leases(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(LEASE_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = shared.clock.now();
        shared.hub.tick(now);
        applier::relieve(&shared);
        for shard in &shared.deadlines.regions() {
            let ids = shard.leases.lock().expired(now, EXPIRE_AT_ONCE);
            if !ids.is_empty() {
                expire(&shared, shard, ids);
            }
            if let Some(share) = &shard.registry {
                registry::expire(&shared, shard, share, now);
            }
        }
    }
}

fn expire(shared: &Arc<Shared>, shard: &Arc<Shard>, ids: Vec<LeaseId>) {
    tracing::debug!(region = %shard.record.id, count = ids.len(), "leases expire");
    let command = Command::LeaseExpire { ids: ids.clone() };
    let envelope = Envelope { epoch: shard.record.epoch, session: None, command };
    let fate = propose_housekeeping(shared, shard.record.id, &envelope);
    let shard = Arc::clone(shard);
    tokio::spawn(async move {
        // Only when it is certain that the command is not in the log any more: a lease that could
        // be renewed meanwhile would still die by it. With leadership the deadlines are gone anyway.
        if let Ok(code) = fate.await
            && code != Code::LeaderChanged
        {
            shard.leases.lock().retry(ids);
        }
    });
}

/// Cuts logs whose entries are applied and durable without them.
pub(crate) async fn cut_logs(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(LOG_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut waits_since, mut looks) = (None, 0_u32);
    loop {
        interval.tick().await;
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(EXPORTS_EVERY) {
            for shard in shared.shards().values() {
                snapshots::forget_old(&shared, shard, EXPORT_AGE);
            }
        }
        // What an engine in memory holds is never durable: its log is all there is.
        if shared.replays {
            continue;
        }
        let (due, patience) = due_for_cut(&shared);
        let looking = Arc::clone(&shared);
        // It may read the disk.
        let looked = tokio::task::spawn_blocking(move || cut_durable(&looking, due)).await;
        match looked {
            Ok(Ok(false)) => waits_since = None,
            Ok(Ok(true)) => {
                let now = shared.clock.now();
                if now.since(*waits_since.get_or_insert(now)) >= patience {
                    shared.engine.flush_soon();
                    waits_since = None;
                }
            }
            Ok(Err(error)) => {
                shared.fail_disk("the engine's durable state cannot be read", &error);
                return;
            }
            Err(_) => return,
        }
    }
}

/// Cuts the logs that are due as far as the engine has made durable what came of them; answers
/// whether one of them waits for the engine.
fn cut_durable(shared: &Shared, due: Vec<(RegionId, Index)>) -> Result<bool, state::LoadError> {
    let mut waits = false;
    if due.is_empty() {
        return Ok(waits);
    }
    let durable = shared.engine.durable();
    for (region, to) in due {
        let applied = state::Applied::stored(region, &*durable)?.index;
        waits |= applied < to;
        cut(shared, region, to.min(applied));
    }
    Ok(waits)
}

/// Which logs may go, and up to where, judged by what is applied; and how long they may wait for the
/// engine.
fn due_for_cut(shared: &Shared) -> (Vec<(RegionId, Index)>, Duration) {
    let config = &shared.config;
    let regions = shared.wal.regions();
    let half = config.log_bytes / 2;
    let fair = half / (regions.len() as u64).max(1);
    let total: u64 = regions.iter().map(|status| status.bytes).sum();
    let (bytes, patience) = match total > half {
        true => (fair, Duration::ZERO),
        false => (config.log_region_bytes, config.log_flush_after),
    };
    let bytes = bytes.max(MIN_REGION_BYTES);
    let due = |status: &RegionStatus| {
        let first = status.log.first.get();
        // Most of many regions have little, and are not looked for.
        let all = (status.log.last.get() + 1).saturating_sub(first);
        if status.bytes <= bytes && all <= 3 * config.log_keep_entries {
            return None;
        }
        let applied = shared.shard(status.region)?.applied().get();
        let held = (applied + 1).saturating_sub(first);
        // In large pieces: each is an entry in the log, too.
        let to = if held > 3 * config.log_keep_entries {
            applied - config.log_keep_entries
        } else if status.bytes > bytes && held > 0 {
            first + held / 2
        } else {
            return None;
        };
        Some((status.region, Index(to.min(applied))))
    };
    (regions.iter().filter_map(due).collect(), patience)
}

fn cut(shared: &Shared, region: RegionId, to: Index) {
    if shared.wal.region(region).is_none_or(|log| to < log.first) {
        return;
    }
    // It may be gone meanwhile, by a snapshot.
    let Ok(term) = shared.wal.term(region, to) else { return };
    tracing::debug!(%region, %to, "cutting the log");
    shared.poller(region).push(ToPoller::Compact { region, to, term });
}

/// Waits for the cluster's identity, keeps it, and tells the cluster this node's own.
pub(crate) async fn register(shared: Arc<Shared>) {
    let mut directory = shared.watch_directory();
    let known = directory.wait_for(|directory| directory.cluster.is_some()).await;
    let Some(cluster) = known.ok().and_then(|directory| directory.cluster) else { return };
    let identity = Arc::clone(&shared.identity);
    match tokio::task::spawn_blocking(move || identity.set_cluster(cluster)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            return shared.fail_disk("the cluster's identity could not be kept", &error);
        }
        Err(_) => return,
    }
    let record = NodeRecord {
        id: shared.node(),
        identity: shared.identity.identity(),
        name: shared.config.name.clone(),
        peer_address: shared.config.advertise_peer.clone(),
        client_address: shared.config.advertise_client.clone(),
        part: Part::Voter,
        phase: Phase::Member,
        zone: shared.config.zone.clone(),
        is_draining: false,
    };
    let is_known = |directory: &Arc<Directory>| {
        directory.nodes.get(&record.id).is_some_and(|known| {
            // What it is to be is not its own to say.
            let (part, phase, is_draining) = (known.part, known.phase, known.is_draining);
            *known == NodeRecord { part, phase, is_draining, ..record.clone() }
        })
    };
    while !is_known(&shared.directory()) {
        let Some(meta) = shared.shard(RegionId::META) else { return };
        let command = Command::RegisterNode(Box::new(record.clone()));
        let answer = forward::propose(&shared, &meta, command).await;
        if let Err(fault) = answer.and_then(|applied| applied.outcome.result) {
            if matches!(fault.code, Code::MemberNotFound | Code::ClusterMismatch) {
                let reason = format!("the cluster does not take this node: {fault}");
                return shared.fail(Failure::refused(reason));
            }
            tracing::debug!(%fault, "this node is not registered yet");
        }
        drop(tokio::time::timeout(REGISTER_AGAIN, directory.wait_for(is_known)).await);
    }
    levels::tell(&shared).await;
}

/// Keeps the links in step with the directory.
pub(crate) async fn follow_members(shared: Arc<Shared>) {
    let mut directory = shared.watch_directory();
    loop {
        let peers: Vec<_> = {
            let directory = directory.borrow_and_update();
            let there = directory.nodes.values().filter(|node| node.phase != Phase::Joining);
            there.map(|node| (node.id, node.peer_address.clone())).collect()
        };
        if let Some(net) = shared.net.get()
            && !peers.is_empty()
        {
            net.set_peers(peers);
            // Who was let in before it was known that its data is gone has to leave.
            net.review();
        }
        if directory.changed().await.is_err() {
            return;
        }
    }
}
