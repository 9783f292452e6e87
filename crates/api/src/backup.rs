//! A backup on its way to a client, chunk by chunk.

use std::time::Duration;

use futures::stream::BoxStream;
use node::backup::{Base, Bases};
use node::{Backup, BackupOf, Handle};
use proto::hiraeth::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use types::{Fault, KeyRange, KeyspaceId, Revision};

use crate::error;

/// Chunks that wait to be sent: a quarter of a MiB each, mostly.
const WAITING: usize = 4;
/// For how long a client may take nothing at all: what is frozen for it costs disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of the longest request: keys at which an earlier backup's parts begin, and those of ranges.
pub(crate) const REQUEST_BYTES: usize = 16 << 20;

/// Chunks of a backup.
pub(crate) type BackupStream = BoxStream<'static, Result<pb::BackupResponse, Status>>;

/// What is asked for.
pub(crate) fn of(handle: &Handle, request: &pb::BackupRequest) -> Result<BackupOf, Fault> {
    if !request.ranges.is_empty() {
        let ranges = request.ranges.iter().map(|it| {
            let range = KeyRange { start: it.start.clone(), end: it.end.clone() };
            (KeyspaceId(it.keyspace), range)
        });
        return Ok(BackupOf::Shares(ranges.collect()));
    }
    match request.keyspace.as_str() {
        "" => Ok(BackupOf::Cluster),
        name => handle.keyspace(Some(name)).map(BackupOf::Keyspace),
    }
}

/// The earlier backup that is named.
pub(crate) fn since(request: &pb::BackupRequest) -> Result<Option<Bases>, Fault> {
    let Some(since) = &request.since else { return Ok(None) };
    let bases = since.bases.iter().map(|it| Base {
        keyspace: KeyspaceId(it.keyspace),
        start: it.start.clone(),
        revision: Revision(it.revision),
    });
    let nodes = since.nodes.iter().cloned().collect();
    Bases::new(since.cluster.clone(), nodes, bases.collect()).map(Some)
}

/// Sends it, from a thread of its own.
pub(crate) fn stream(backup: Backup) -> BackupStream {
    let (sender, receiver) = mpsc::channel(WAITING);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut backup = backup;
        while let Some(chunk) = backup.next() {
            let is_last = chunk.is_err();
            let message = chunk.map(|chunk| pb::BackupResponse { chunk });
            let message = message.map_err(|fault| error::status(&fault));
            let sending = tokio::time::timeout(PATIENCE, sender.send(message));
            match runtime.block_on(sending) {
                Ok(Ok(())) if !is_last => {}
                Ok(_) => return,
                Err(_) => {
                    // Let go of it before the client is told, which may take a while.
                    drop(backup);
                    tracing::warn!("a backup was given up: its client does not take it");
                    let slow =
                        Status::deadline_exceeded("hiraeth: the backup was not taken in time");
                    drop(runtime.block_on(tokio::time::timeout(PATIENCE, sender.send(Err(slow)))));
                    return;
                }
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}
