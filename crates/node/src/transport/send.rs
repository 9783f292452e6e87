use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use proto::peer::SnapshotChunk;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tonic::Request;
use types::{Code, Fault, NodeId};

use super::call;
use super::carrier::Chunks;
use super::core::Core;
use super::hello::{fault, fault_of};
use super::limits::READ_AHEAD;

/// Sends one snapshot on a connection of its own.
pub(super) async fn run(
    core: Arc<Core>,
    to: NodeId,
    chunks: Chunks,
    throttle: Option<NonZeroU64>,
) -> Result<(), Fault> {
    let _permit = core.snapshots_out.clone().try_acquire_owned().map_err(|_| {
        Fault::new(Code::TooManyRequests, "too many snapshots are being sent already")
    })?;
    let peer = core.peer(to)?;
    let (mut client, _) = call::greet(&core, to, &peer.address()).await?;
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let limit = core.limits.frame_bytes;
    let reader = spawn_blocking(move || read(chunks, limit, &sender));
    let mut request = Request::new(paced(receiver, throttle));
    core.hello().attach(request.metadata_mut());
    let sent = tokio::select! {
        biased;
        () = peer.removed() => return Err(Code::ShuttingDown.into()),
        sent = client.snapshot(request) => sent,
    };
    // The reader ends as soon as nobody takes its chunks.
    if let Ok(Err(why)) = reader.await {
        return Err(Fault::new(Code::Internal, format!("the snapshot could not be read: {why}")));
    }
    match sent {
        Ok(receipt) => match receipt.into_inner().refusal {
            Some(refusal) => Err(fault(refusal)),
            None => Ok(()),
        },
        Err(status) => Err(fault_of(&status)),
    }
}

/// Pulls the chunks, a few ahead of the network. The error is the chunks' own.
fn read(chunks: Chunks, limit: usize, sender: &mpsc::Sender<SnapshotChunk>) -> Result<(), String> {
    let mut total = 0;
    for chunk in chunks {
        let data = match chunk {
            Ok(data) if data.len() > limit => Err(format!("a chunk of {} bytes", data.len())),
            other => other,
        };
        let data = match data {
            Ok(data) => data,
            Err(why) => {
                let failure = format!("the sender could not read it: {why}");
                drop(sender.blocking_send(SnapshotChunk { failure, ..SnapshotChunk::default() }));
                return Err(why);
            }
        };
        total += data.len() as u64;
        if sender.blocking_send(SnapshotChunk { data, ..SnapshotChunk::default() }).is_err() {
            return Ok(());
        }
    }
    let last = SnapshotChunk { last: true, total, ..SnapshotChunk::default() };
    drop(sender.blocking_send(last));
    Ok(())
}

/// Lets chunks go so that after each the mean rate is at most `throttle` bytes a second.
fn paced(
    receiver: mpsc::Receiver<SnapshotChunk>,
    throttle: Option<NonZeroU64>,
) -> impl Stream<Item = SnapshotChunk> + Send + 'static {
    let start = Instant::now();
    unfold((receiver, 0_u64), move |(mut receiver, sent)| async move {
        let chunk = receiver.recv().await?;
        if let Some(rate) = throttle {
            let micros = u128::from(sent) * 1_000_000 / u128::from(rate.get());
            let due = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
            if let Some(at) = start.checked_add(due) {
                sleep_until(at).await;
            }
        }
        let sent = sent.saturating_add(chunk.data.len() as u64);
        Some((chunk, (receiver, sent)))
    })
}
