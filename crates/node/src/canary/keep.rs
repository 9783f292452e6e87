use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use state::request::RangeRequest;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use types::{Code, Fault, KeyRange, KeyspaceId, Revision};

use super::AGAIN_MS;
use super::running::Running;
use crate::answer::Consistency;
use crate::handle::{Handle, configurations_in};
use crate::shard::Leadership;
use crate::shared::Shared;
use crate::watch::{WatchControl, WatchCreate, WatchMessage, WatchMessages};

/// So long is slept then.
const AGAIN: Duration = Duration::from_millis(AGAIN_MS);
/// Until the clock on the wall is looked at again: it can be set, and nobody says so.
const CLOCK: Duration = Duration::from_secs(30);

/// Runs as long as the node.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let handle = Handle::new(Arc::clone(&shared));
    let mut directory = shared.watch_directory();
    loop {
        let mut keyspace = None;
        let there = directory.wait_for(|directory| {
            keyspace = configurations_in(directory);
            keyspace.is_some()
        });
        let is_there = there.await.is_ok();
        let Some(keyspace) = keyspace.filter(|_| is_there) else { return };
        let Ok(shard) = shared.keyspace_shard(keyspace) else {
            // It is in the directory before it is on this node.
            handle.ready(keyspace).await;
            sleep(AGAIN).await;
            continue;
        };
        let mut leadership = shard.watch_leadership();
        drop(shard);
        // An error is that the replica has gone; another one may come in its place.
        let leads = leadership.wait_for(|now| now.here).await.is_ok();
        if !leads {
            sleep(AGAIN).await;
            continue;
        }
        // Also when the watch has ended: that of a node that stops ends with this task.
        if let Err(fault) = lead(&handle, keyspace, &mut leadership).await {
            tracing::debug!(%fault, "canaries are looked at again");
            sleep(AGAIN).await;
        }
    }
}

/// Brings canaries to their ends for as long as this node leads.
async fn lead(
    handle: &Handle,
    keyspace: KeyspaceId,
    leadership: &mut watch::Receiver<Leadership>,
) -> Result<(), Fault> {
    let (mut running, mut watch) = begin(handle, keyspace).await?;
    loop {
        let next = running.settle(handle, keyspace).await;
        let until = next.map(|wait| Instant::now() + wait.min(CLOCK));
        tokio::select! {
            biased;
            () = lost(leadership) => return Ok(()),
            () = wait(until) => {}
            message = watch.1.next() => match message {
                None => return Err(Code::ShuttingDown.into()),
                Some(WatchMessage::Events { events, .. }) => {
                    events.iter().for_each(|event| running.take(event));
                }
                Some(WatchMessage::Canceled { fault: Some(fault), .. }) if fault.code == Code::Compacted => {
                    (running, watch) = begin(handle, keyspace).await?;
                }
                Some(WatchMessage::Canceled { fault, .. }) => {
                    return Err(fault.unwrap_or_else(|| Code::ShuttingDown.into()));
                }
                Some(WatchMessage::Created { .. } | WatchMessage::Progress { .. }) => {}
            },
        }
    }
}

async fn lost(leadership: &mut watch::Receiver<Leadership>) {
    drop(leadership.wait_for(|now| !now.here).await);
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// What is running, and all that happens from then on.
async fn begin(
    handle: &Handle,
    keyspace: KeyspaceId,
) -> Result<(Running, (WatchControl, WatchMessages)), Fault> {
    // Whatever is read, the answer says of which revision it is.
    let any = KeyRange::single(&Bytes::from_static(b"/"));
    let any = RangeRequest { range: any, count_only: true, ..RangeRequest::default() };
    let now = handle.range(keyspace, any, Consistency::Linearizable).await?.header.revision;
    let range = KeyRange::prefix(&Bytes::new());
    let (control, messages) = handle.watch(keyspace)?;
    let start = Revision(now.get() + 1);
    control.create(WatchCreate { range, start, ..WatchCreate::default() })?;
    // What is read now is that revision or a later one, of which the watch tells once more.
    Ok((Running::read(handle, keyspace).await?, (control, messages)))
}
