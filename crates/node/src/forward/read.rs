//! What a read waits for before this node's copy may answer.

use tokio::sync::oneshot;
use types::{Code, Fault};

use super::REQUEST_TIMEOUT;
use crate::poller::ToPoller;
use crate::shard::Shard;
use crate::shared::Shared;

/// Waits until this node's copy may answer as if it were the only one.
pub(crate) async fn read_barrier(shared: &Shared, shard: &Shard) -> Result<(), Fault> {
    shared.admit()?;
    let region = shard.record.id;
    let (since, leadership) = (shared.clock.now(), shard.leadership());
    let (reply, receiver) = oneshot::channel();
    shared.poller(region).push(ToPoller::Read { region, reply });
    let answer = tokio::select! {
        biased;
        answer = tokio::time::timeout(REQUEST_TIMEOUT, receiver) => answer,
        () = shared.ended() => return Err(Code::ShuttingDown.into()),
    };
    match answer {
        Ok(Ok(result)) => result?,
        Ok(Err(_)) => {
            shard.broken()?;
            return Err(Code::ShuttingDown.into());
        }
        Err(_) => return Err(Code::Timeout.into()),
    }
    if leadership.here && shard.leadership() == leadership {
        shard.note_confirmed(leadership.term, since);
    }
    Ok(())
}
