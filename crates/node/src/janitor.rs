//! What has to be done from time to time: ending leases, cutting the log, telling idle watches how
//! far they are, and making this node known to the cluster.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use state::command::{Command, Envelope};
use state::directory::{Directory, NodeRecord};
use types::{Index, LeaseId, RegionId};

use crate::forward;
use crate::leadership::propose_housekeeping;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;

/// Between two looks at the leases: how late an expiry may be.
const LEASE_INTERVAL: Duration = Duration::from_millis(100);
/// Between two looks at the logs.
const LOG_INTERVAL: Duration = Duration::from_millis(500);
/// Leases ended with one command.
const EXPIRE_AT_ONCE: usize = 128;
/// After which an expiry that was not carried out is proposed again.
const EXPIRE_AGAIN: Duration = Duration::from_secs(3);

/// Ends leases whose time is up on the regions this node leads.
pub(crate) async fn expire_leases(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(LEASE_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = shared.clock.now();
        shared.hub.tick(now);
        for shard in shared.shards().values().filter(|shard| shard.leadership().here) {
            let ids = shard.leases.lock().expired(now, EXPIRE_AT_ONCE);
            if !ids.is_empty() {
                expire(&shared, shard, ids);
            }
        }
    }
}

fn expire(shared: &Arc<Shared>, shard: &Arc<Shard>, ids: Vec<LeaseId>) {
    tracing::debug!(region = %shard.record.id, count = ids.len(), "leases expire");
    let command = Command::LeaseExpire { ids: ids.clone() };
    let envelope = Envelope { epoch: shard.record.epoch, session: None, command };
    propose_housekeeping(shared, shard.record.id, &envelope);
    let shard = Arc::clone(shard);
    tokio::spawn(async move {
        // If the command was lost the leases are due once more; if it was carried out, the clock
        // does not know them any longer.
        tokio::time::sleep(EXPIRE_AGAIN).await;
        shard.leases.lock().retry(ids);
    });
}

/// Cuts logs whose entries are applied and durable without them.
pub(crate) async fn cut_logs(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(LOG_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let due: Vec<(Arc<Shard>, Index)> = shared
            .shards()
            .values()
            .filter_map(|shard| Some((Arc::clone(shard), due_for_cut(&shared, shard)?)))
            .collect();
        if due.is_empty() {
            continue;
        }
        let persisting = Arc::clone(&shared);
        let result = tokio::task::spawn_blocking(move || persisting.engine.persist()).await;
        match result {
            Ok(Ok(())) => {
                for (shard, to) in due {
                    cut(&shared, &shard, to);
                }
            }
            Ok(Err(error)) => {
                shared.fail(format!("the engine could not be made durable: {error}"));
                return;
            }
            Err(_) => return,
        }
    }
}

/// Up to where a region's log may go, judged by what was applied before the engine is synced.
fn due_for_cut(shared: &Shared, shard: &Shard) -> Option<Index> {
    let applied = shard.applied().get();
    let first = shard.log_first.load(Ordering::Relaxed);
    let keep = shared.config.log_keep_entries;
    let held = (applied + 1).saturating_sub(first);
    // In large pieces: the engine has to be synced for each.
    (held > 3 * keep).then(|| Index(applied - keep))
}

fn cut(shared: &Shared, shard: &Shard, to: Index) {
    let region = shard.record.id;
    let Ok(entries) = shared.wal.entries(region, to, to.next(), 1) else { return };
    let Some(entry) = entries.first() else { return };
    shard.log_first.store(to.get() + 1, Ordering::Relaxed);
    tracing::debug!(%region, %to, "cutting the log");
    shared.poller(region).push(ToPoller::Compact { region, to, term: entry.term });
}

/// Waits for the cluster's identity, keeps it, and tells the cluster this node's own.
pub(crate) async fn register(shared: Arc<Shared>) {
    let mut directory = shared.watch_directory();
    let known = directory.wait_for(|directory| directory.cluster.is_some()).await;
    let Some(cluster) = known.ok().and_then(|directory| directory.cluster) else { return };
    if let Err(error) = shared.identity.set_cluster(cluster) {
        shared.fail(format!("the cluster's identity could not be kept: {error}"));
        return;
    }
    let record = NodeRecord {
        id: shared.node(),
        identity: shared.identity.identity(),
        name: shared.config.name.clone(),
        peer_address: shared.config.advertise_peer.clone(),
        client_address: shared.config.advertise_client.clone(),
    };
    let is_known = |directory: &Arc<Directory>| directory.nodes.get(&record.id) == Some(&record);
    while !is_known(&shared.directory()) {
        let Some(meta) = shared.shard(RegionId::META) else { return };
        let command = Command::RegisterNode(record.clone());
        match forward::propose(&shared, &meta, command).await {
            Ok(applied) => {
                if let Err(fault) = applied.outcome.result {
                    shared.fail(format!("the cluster does not take this node: {fault}"));
                    return;
                }
                drop(tokio::time::timeout(LOG_INTERVAL, directory.wait_for(is_known)).await);
            }
            Err(fault) => tracing::debug!(%fault, "this node is not registered yet"),
        }
    }
}

/// Keeps the links in step with the directory.
pub(crate) async fn follow_members(shared: Arc<Shared>) {
    let mut directory = shared.watch_directory();
    loop {
        let peers: Vec<_> = {
            let directory = directory.borrow_and_update();
            directory.nodes.values().map(|node| (node.id, node.peer_address.clone())).collect()
        };
        if let Some(net) = shared.net.get()
            && !peers.is_empty()
        {
            net.set_peers(peers);
        }
        if directory.changed().await.is_err() {
            return;
        }
    }
}
