//! What a read waits for before this node's copy may answer as if it were the only one.

use tokio::sync::oneshot;
use tokio::time::Instant;
use types::{Code, Fault};

use crate::forward::{self, LOOK_AGAIN, REQUEST_TIMEOUT};
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;
use crate::waiter::ReadReply;

/// A quorum says how far the copy must be, and it gets there.
pub(crate) async fn by_round(shared: &Shared, shard: &Shard) -> Result<(), Fault> {
    round(shared, shard, false).await
}

async fn round(shared: &Shared, shard: &Shard, lease: bool) -> Result<(), Fault> {
    shared.admit()?;
    let region = shard.record.id;
    let since = shared.clock.now();
    let (reply, receiver) = ReadReply::task();
    shared.poller(region).push(ToPoller::Read { region, reply, lease });
    wait(shared, shard, receiver).await?;
    // Whatever was acknowledged before is in the copy.
    shard.note_current(since);
    Ok(())
}

/// This node leads and holds a lease, and its copy gets as far as it knows; else as [`by_round`],
/// by a round that makes a lease.
///
/// The order matters: the clock, the lease, and then how far is committed.
pub(crate) async fn by_lease(shared: &Shared, shard: &Shard) -> Result<(), Fault> {
    let (now, rules) = (shared.clock.now(), shared.config.clock_rules());
    let Some(left) = shard.lease_left(now, &rules) else {
        return round(shared, shard, true).await;
    };
    if left < rules.lease() / 2 {
        renew(shared, shard);
    }
    if shard.is_caught_up() {
        return Ok(());
    }
    let (reply, receiver) = ReadReply::task();
    shard.when_caught_up(reply);
    wait(shared, shard, receiver).await
}

/// Has a round renew the lease before it ends, so that reads do not have to wait for one.
fn renew(shared: &Shared, shard: &Shard) {
    if !shard.begins_renewal() {
        return;
    }
    if shared.admit().is_err() {
        shard.ends_renewal();
    } else {
        let region = shard.record.id;
        let (reply, _) = ReadReply::task();
        shared.poller(region).push(ToPoller::Read { region, reply, lease: true });
    }
}

async fn wait(
    shared: &Shared,
    shard: &Shard,
    mut receiver: oneshot::Receiver<Result<(), Code>>,
) -> Result<(), Fault> {
    let deadline = Instant::now() + REQUEST_TIMEOUT;
    loop {
        match forward::patiently(shared, LOOK_AGAIN, &mut receiver).await {
            Ok(Ok(result)) => return result.map_err(|code| forward::explain(shared, shard, code)),
            Ok(Err(_)) => {
                shard.broken()?;
                return Err(Code::ShuttingDown.into());
            }
            Err(fault) if fault.code != Code::Timeout => return Err(fault),
            Err(_) => {}
        }
        if let Some(lost) = shared.quorum_lost(shard) {
            return Err(lost);
        }
        if Instant::now() >= deadline {
            return Err(forward::explain(shared, shard, Code::Timeout));
        }
    }
}
