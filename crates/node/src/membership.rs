//! Regions follow the directory: whoever leads one takes it step by step to the replicas it is to have, and
//! tells the directory of those it has. What the next step is, `region::next_step` decides.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use state::Machine;
use state::command::Command;
use state::directory::RegionRecord;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use types::{Fault, NodeId, RegionId};

use crate::failure::Failure;
use crate::flight::Event;
use crate::forward;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::sharded;
use crate::shared::Shared;

/// Until the next look at regions that are not as they are to be, if nothing happens before.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// So that what changes together is looked at together.
const TOGETHER: Duration = Duration::from_millis(5);
/// Regions whose replicas are told to the directory at once.
const REPORTS: usize = 32;
/// How long one of that may take; it is told again at the next look.
const REPORT: Duration = Duration::from_secs(2);

/// Runs as long as the node: looks whenever the directory, a leader or a region's replicas changed, and
/// every now and then while something is left to do.
pub(crate) async fn drive(shared: Arc<Shared>) {
    let mut directory = shared.watch_directory();
    loop {
        let is_busy = look(&shared).await;
        tokio::select! {
            changed = directory.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = shared.live.regroup.notified() => {}
            () = sleep(LOOK_AGAIN), if is_busy => {}
        }
        sleep(TOGETHER).await;
    }
}

/// Has a step taken in each region led here that needs one; answers whether there are such.
async fn look(shared: &Arc<Shared>) -> bool {
    let directory = shared.directory();
    if directory.cluster.is_none() {
        return false;
    }
    sharded::drive_out(shared);
    let meta = Arc::new(directory.wanted(RegionId::META));
    let others = Arc::new(directory.wanted(RegionId::DEFAULT));
    let (mut is_busy, mut untold) = (false, Vec::new());
    for (region, shard) in shared.shards().iter().filter(|(_, shard)| shard.leadership().here) {
        let group = shard.group();
        let record = directory.regions.get(region);
        let placed = record.filter(|record| record.placed().is_some());
        let wanted = match placed {
            Some(record) => Arc::new(directory.wanted(record.id)),
            None if *region == RegionId::META => Arc::clone(&meta),
            None => Arc::clone(&others),
        };
        // The child's replicas are its parent's at the split: until that is done they stay as they are.
        let is_planned = |record: &RegionRecord| {
            record.sharding.as_ref().is_some_and(|sharding| sharding.plan.is_some())
        };
        let is_free = !record.is_some_and(is_planned);
        let told = record.map(|record| record.epoch);
        // A directory that has not heard of these replicas may be older than the wish that led to them,
        // and would have them taken back.
        if told == Some(group.epoch) && !region::is_settled(&group.conf, &wanted) {
            is_busy = true;
            if !is_free {
                continue;
            }
            let (region, from) = (*region, group.conf.clone());
            // A node that is removed does not come back under its number; one that lost a replica may.
            let generation = match shard.is_sharded {
                true => u32::try_from(group.epoch.conf_ver).unwrap_or(u32::MAX),
                false => 0,
            };
            let step = ToPoller::Reconcile { region, from, wanted, generation };
            shared.poller(region).push(step);
        }
        if told.is_some_and(|told| told < group.epoch) {
            is_busy = true;
            let some_go = record.is_some_and(|record| record.loses_some(&group.conf));
            untold.push((Arc::clone(shard), some_go));
        }
    }
    let told = stream::iter(untold);
    told.for_each_concurrent(REPORTS, |(shard, some_go)| tell(shared, shard, some_go)).await;
    is_busy
}

/// Tells the directory what a region's replicas are. Where some are none any more, their nodes drop them
/// as soon as they hear it: so only once that can do no harm.
async fn tell(shared: &Arc<Shared>, shard: Arc<Shard>, some_go: bool) {
    let Some(meta) = shared.shard(RegionId::META) else { return };
    let group = shard.group();
    if some_go {
        let (reply, is_known) = oneshot::channel();
        let region = shard.record.id;
        shared.poller(region).push(ToPoller::IsMembershipKnown { region, reply });
        if !is_known.await.unwrap_or(false) {
            return;
        }
    }
    let mut peers = group.conf.voters.clone();
    peers.extend(&group.conf.learners);
    peers.extend(group.conf.voters_outgoing.iter().filter(|it| !group.conf.voters.contains(it)));
    let command = Command::RecordPeers {
        region: shard.record.id,
        epoch: group.epoch,
        peers,
        learners: group.conf.learners.clone(),
    };
    if let Ok(Err(fault)) = timeout(REPORT, forward::propose(shared, &meta, command)).await {
        tracing::debug!(region = %shard.record.id, %fault, "the directory was not told");
    }
}

/// A region's replicas are others from here on; called on its applier, once the engine has it.
pub(crate) fn peers_changed(shared: &Arc<Shared>, shard: &Arc<Shard>, machine: &Machine) {
    shard.note_group(&shared.groups, machine);
    let group = shard.group();
    let region = shard.record.id;
    let learners: Vec<NodeId> = group.conf.learners.iter().map(|peer| peer.node()).collect();
    tracing::debug!(%region, voters = ?group.voters, ?learners, "a region's replicas changed");
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.get()).collect();
    let voting: Vec<NodeId> = group.voting().collect();
    let (nodes, learning) = (numbers(&voting), numbers(&learners));
    let event = Event::Replicas { region: region.get(), nodes, learners: learning };
    shared.flight.note(event);
    shared.live.regroup.notify_one();
}

/// The cluster has removed this node, for good, as a member says: it stops, and is not to start again. That
/// the meta region has no replica here is not enough: the others may not know that yet, and then its vote is
/// what they wait for.
pub(crate) fn told_dismissed(shared: &Arc<Shared>, fault: &Fault) {
    let own = Arc::clone(shared);
    let why = fault.to_string();
    shared.runtime.spawn_blocking(move || {
        if own.has_ended() {
            return;
        }
        if let Err(error) = own.identity.set_removed() {
            tracing::error!(%error, "that this node was removed could not be kept");
        }
        own.fail(Failure::refused(format!(
            "node {} was removed from the cluster ({why}). Its data directory {} is of no use any more: \
             to have this server in the cluster again, add it as a new member and start it with an \
             empty one",
            own.node(),
            own.config.data_dir.display()
        )));
    });
}
