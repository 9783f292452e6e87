//! Whoever leads a region has it split: when it has grown too large, and when the directory says so. Whoever
//! is asked for too much of a region plans a split that helps, wherever it is led. A plan stands in the
//! directory until it is carried out, so it survives whoever made it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use state::command::Command;
use state::directory::{Directory, SplitPlan};
use state::sharded::Shape;
use tokio::time::{Instant, sleep, timeout};
use types::{Code, Fault, RegionId};

use super::measure;
use crate::forward;
use crate::shard::Shard;
use crate::shared::Shared;

/// Until the next look at sizes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// So that what changes together is looked at together.
const TOGETHER: Duration = Duration::from_millis(5);
/// Regions that are worked on at once: each is walked through.
const AT_ONCE: usize = 2;
/// How long a proposal may take; it is made again later.
const STEP: Duration = Duration::from_secs(5);
/// Until a region is looked at again that could not be split.
const PATIENCE: Duration = Duration::from_secs(10);

/// What there is to do about a region.
enum Work {
    /// It is too large.
    Plan { shape: Shape, version: u64 },
    /// It is asked for too much.
    Share { at: Bytes, version: u64 },
    /// The directory says where.
    Split { shape: Shape, version: u64, plan: SplitPlan },
}

/// A region that is to get a plan, or is to be split at this version.
type Matter = (RegionId, Option<u64>);

impl Work {
    const fn matter(&self, region: RegionId) -> Matter {
        match self {
            Self::Plan { .. } | Self::Share { .. } => (region, None),
            Self::Split { version, .. } => (region, Some(*version)),
        }
    }
}

/// Runs as long as the node.
pub(crate) async fn drive(shared: Arc<Shared>) {
    let mut directory = shared.watch_directory();
    let mut not_before: BTreeMap<Matter, Instant> = BTreeMap::new();
    loop {
        let seen = Arc::clone(&directory.borrow_and_update());
        let now = Instant::now();
        not_before.retain(|_, until| *until > now);
        let due: Vec<_> = due(&shared, &seen)
            .filter(|(shard, work)| !not_before.contains_key(&work.matter(shard.record.id)))
            .collect();
        let failed = stream::iter(due)
            .map(|(shard, work)| step(&shared, shard, work))
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready);
        let failed = failed.collect::<Vec<_>>().await;
        let patience = |matter: &Matter| if matter.1.is_some() { LOOK_AGAIN } else { PATIENCE };
        not_before.extend(failed.into_iter().map(|matter| (matter, now + patience(&matter))));
        tokio::select! {
            changed = directory.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = sleep(LOOK_AGAIN) => {}
        }
        sleep(TOGETHER).await;
    }
}

fn due(shared: &Shared, directory: &Directory) -> impl Iterator<Item = (Arc<Shard>, Work)> {
    let limits = (shared.config.split_bytes, shared.config.split_keys);
    let shards = shared.shards();
    let busy = shards
        .values()
        .filter(|shard| shard.is_sharded && (shard.leadership().here || shard.heat.is_lasting()));
    let due = busy.filter_map(|shard| {
        let is_led = shard.leadership().here;
        let record = directory.regions.get(&shard.record.id)?;
        let (version, shape) = {
            let machine = shard.machine.read();
            (machine.applied().epoch.version, machine.shape()?.clone())
        };
        // Until the directory has heard of the last split it plans no other.
        if record.epoch.version != version {
            return None;
        }
        shard.heat.fit(version, &shape.range, shared.config.split_load);
        let plan = record.sharding.as_ref()?.plan.clone();
        let work = match plan {
            Some(plan) if is_led => Work::Split { shape, version, plan },
            Some(_) => return None,
            None if is_led && (shape.bytes > limits.0 || shape.keys > limits.1) => {
                Work::Plan { shape, version }
            }
            None if shard.heat.is_lasting() => {
                Work::Share { at: shard.heat.split_at(&shape.range)?, version }
            }
            None => return None,
        };
        Some((Arc::clone(shard), work))
    });
    due.collect::<Vec<_>>().into_iter()
}

/// Answers what it was about if it did not get on.
async fn step(shared: &Arc<Shared>, shard: Arc<Shard>, work: Work) -> Option<Matter> {
    let region = shard.record.id;
    let matter = work.matter(region);
    let done = match work {
        Work::Plan { shape, version } => plan(shared, region, &shape, version).await,
        Work::Share { at, version } => {
            tracing::info!(%region, at = %at.escape_ascii(), "asked for too much: it is to be split");
            plan_at(shared, region, version, at).await
        }
        Work::Split { shape, version, plan } => {
            split(shared, &shard, &shape, version, plan).await.map(|()| true)
        }
    };
    match done {
        Ok(true) => return None,
        Ok(false) => {}
        Err(fault) => tracing::debug!(%region, %fault, "the region was not split"),
    }
    Some(matter)
}

/// Answers whether there is a key to split at.
async fn plan(
    shared: &Arc<Shared>,
    region: RegionId,
    shape: &Shape,
    version: u64,
) -> Result<bool, Fault> {
    let Some(at) = measure::middle(shared, shape).await? else { return Ok(false) };
    plan_at(shared, region, version, at).await
}

async fn plan_at(
    shared: &Arc<Shared>,
    region: RegionId,
    version: u64,
    at: Bytes,
) -> Result<bool, Fault> {
    let Some(meta) = shared.shard(RegionId::META) else { return Ok(false) };
    let command = Command::PlanSplit { region, version, at };
    let applied = in_time(forward::propose(shared, &meta, command)).await?;
    applied.outcome.result.map(|_| true)
}

async fn split(
    shared: &Arc<Shared>,
    shard: &Arc<Shard>,
    shape: &Shape,
    version: u64,
    plan: SplitPlan,
) -> Result<(), Fault> {
    let behind = measure::behind(shared, shape, &plan.at).await?;
    let SplitPlan { at, child } = plan;
    let command = Command::Split { at, child, keys: behind.keys, bytes: behind.bytes };
    let applied = in_time(forward::propose_at(shared, shard, version, command)).await?;
    applied.outcome.result.map(drop)
}

/// The walk through a region takes as long as it takes; what comes of it is answered soon, or not.
async fn in_time<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(STEP, work).await.unwrap_or_else(|_| Err(Code::Timeout.into()))
}
