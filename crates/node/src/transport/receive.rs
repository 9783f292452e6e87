use bytes::Bytes;
use proto::peer::SnapshotChunk;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tonic::Streaming;
use types::{Code, Fault, NodeId};

use super::call::words;
use super::carrier::SnapshotSink;
use super::core::Core;
use super::limits::READ_AHEAD;

/// What goes to the thread that owns the sink; a channel that closes without `Finish` aborts it.
enum Step {
    Chunk(Bytes),
    Finish,
}

/// Takes one snapshot: the network feeds a short queue, a thread that may block empties it into the
/// sink.
pub(super) async fn run(
    core: &Core,
    from: NodeId,
    incoming: Streaming<SnapshotChunk>,
) -> Result<(), Fault> {
    let permit = core.snapshots_in.clone().try_acquire_owned().map_err(|_| {
        Fault::new(Code::TooManyRequests, "too many snapshots are being taken already")
    })?;
    let (steps, receiver) = mpsc::channel(READ_AHEAD);
    let snapshots = core.driver()?.snapshots.clone();
    let worker: JoinHandle<Result<(), Fault>> = spawn_blocking(move || {
        let _permit = permit;
        consume(snapshots.begin(from)?, receiver)
    });
    let fed = feed(incoming, steps).await;
    let done = worker.await.unwrap_or_else(|_| Err(Fault::new(Code::Internal, "the sink failed")));
    // What the sink says comes first: feeding also fails when the sink has given up.
    match (done, fed) {
        (Err(fault), Ok(())) => Err(fault),
        (Err(fault), Err(None)) => Err(fault),
        (_, Err(Some(fault))) => Err(fault),
        (Ok(()), _) => Ok(()),
    }
}

/// Moves chunks to the sink's thread. The error is `None` when that thread has ended.
async fn feed(
    mut incoming: Streaming<SnapshotChunk>,
    steps: mpsc::Sender<Step>,
) -> Result<(), Option<Fault>> {
    let mut total = 0;
    loop {
        let chunk = match incoming.message().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => {
                return Err(Some(Fault::new(Code::InvalidArgument, "it ended in the middle")));
            }
            Err(status) => return Err(Some(Fault::new(Code::Timeout, words(&status)))),
        };
        if !chunk.failure.is_empty() {
            return Err(Some(Fault::new(Code::Internal, chunk.failure)));
        }
        total += chunk.data.len() as u64;
        if !chunk.data.is_empty() {
            steps.send(Step::Chunk(chunk.data)).await.map_err(|_| None)?;
        }
        if chunk.last {
            if chunk.total != total {
                let detail = format!("{total} bytes arrived, {} were sent", chunk.total);
                return Err(Some(Fault::new(Code::InvalidArgument, detail)));
            }
            return steps.send(Step::Finish).await.map_err(|_| None);
        }
    }
}

fn consume(mut sink: Box<dyn SnapshotSink>, mut steps: mpsc::Receiver<Step>) -> Result<(), Fault> {
    while let Some(step) = steps.blocking_recv() {
        match step {
            Step::Chunk(chunk) => {
                if let Err(fault) = sink.accept(chunk) {
                    sink.abort();
                    return Err(fault);
                }
            }
            Step::Finish => return sink.finish(),
        }
    }
    sink.abort();
    Err(Fault::new(Code::InvalidArgument, "it ended in the middle"))
}
