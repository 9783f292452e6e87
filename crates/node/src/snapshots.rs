//! State sent whole to a replica that fell behind the log, and put in place there.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use consensus::{Message, SnapshotMeta};
use region::{Install, RegionMessage};
use state::Machine;
use storage::engine::Snapshot;
use storage::snapshot::{self, CHUNK_BYTES, SnapshotFile, SnapshotWriter};
use storage::wal::RegionLog;
use types::{Batch, Code, Fault, Index, NodeId, ReadFailure, Reader, RegionId};

use crate::Error;
use crate::poller::ToPoller;
use crate::shard::ExportedState;
use crate::shared::Shared;
use crate::transport::{SnapshotReceiver, SnapshotSink};

/// One frozen state, read by several senders.
struct SharedView(Arc<dyn Snapshot>);

impl Reader for SharedView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.0.get(key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        self.0.scan(start, end, visit)
    }
}

/// Where received snapshots are kept.
pub(crate) fn directory(shared: &Shared) -> PathBuf {
    shared.config.data_dir.join("snapshots")
}

fn file_name(region: RegionId, index: Index) -> String {
    format!("region-{region}-{index}.snapshot")
}

/// Freezes a region's applied state for a replica that needs it; called on its applier.
pub(crate) fn export(shared: &Arc<Shared>, region: RegionId) {
    let Some(shard) = shared.shard(region) else { return };
    let machine = shard.machine.read();
    let applied = machine.applied();
    let meta = SnapshotMeta {
        index: applied.index,
        term: applied.term,
        conf_state: applied.conf_state.clone(),
        data: Bytes::new(),
    };
    let view: Arc<dyn Snapshot> = Arc::from(shared.engine.snapshot());
    drop(machine);
    *shard.exported.lock() = Some(Arc::new(ExportedState { meta: meta.clone(), view }));
    shared.poller(region).push(ToPoller::SnapshotReady(region, meta));
}

/// Streams the frozen state that `message` announces, and the message with it.
pub(crate) fn send(shared: &Arc<Shared>, to: NodeId, message: RegionMessage) {
    let region = message.region;
    let peer = message.message.to();
    let announced = message.message.snapshot_meta().map(|meta| meta.index);
    let exported = shared.shard(region).and_then(|shard| shard.exported.lock().clone());
    let exported = exported.filter(|exported| Some(exported.meta.index) == announced);
    let (Some(exported), Some(transport)) = (exported, shared.net.get().cloned()) else {
        let ok = false;
        shared.poller(region).push(ToPoller::SnapshotSent { region, to: peer, ok });
        return;
    };
    let mut header = BytesMut::new();
    header.put_u64(region.get());
    header.put_slice(&message.message.encode());
    let (start, end) = state::keys::region_range(region);
    let view = Box::new(SharedView(Arc::clone(&exported.view)));
    let chunks = snapshot::export(view, &start, &end, header.freeze(), CHUNK_BYTES)
        .map(|chunk| chunk.map_err(|error| error.to_string()));
    tracing::info!(%region, %to, index = %exported.meta.index, "sending a snapshot");
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        let sent = transport.send_snapshot(to, Box::new(chunks), None).await;
        match &sent {
            Ok(()) => tracing::info!(%region, %to, "the snapshot arrived"),
            Err(fault) => tracing::warn!(%region, %to, %fault, "the snapshot did not arrive"),
        }
        let ok = sent.is_ok();
        shared.poller(region).push(ToPoller::SnapshotSent { region, to: peer, ok });
    });
}

/// Receives snapshots from the network into files.
pub(crate) struct Receiver(pub(crate) Arc<Shared>);

struct Sink {
    shared: Arc<Shared>,
    from: NodeId,
    name: String,
    writer: Option<SnapshotWriter>,
}

impl SnapshotReceiver for Receiver {
    fn begin(&self, from: NodeId) -> Result<Box<dyn SnapshotSink>, Fault> {
        let name = format!("incoming-{from}-{:016x}", self.0.rng.next_u64());
        let writer = SnapshotWriter::create(Arc::clone(&self.0.disk), &directory(&self.0), &name)
            .map_err(|error| Fault::new(Code::Unsupported, error.to_string()))?;
        Ok(Box::new(Sink { shared: Arc::clone(&self.0), from, name, writer: Some(writer) }))
    }
}

impl SnapshotSink for Sink {
    fn accept(&mut self, chunk: Bytes) -> Result<(), Fault> {
        let writer = self.writer.as_mut().ok_or(Code::Internal)?;
        writer.accept(&chunk).map_err(|error| Fault::new(Code::Corrupt, error.to_string()))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Fault> {
        let corrupt = |error: &dyn std::fmt::Display| Fault::new(Code::Corrupt, error.to_string());
        let writer = self.writer.take().ok_or(Code::Internal)?;
        let file = writer.finish().map_err(|error| corrupt(&error))?;
        let (region, message) = parse_header(file.header()).map_err(|text| corrupt(&text))?;
        let meta = message.snapshot_meta().ok_or_else(|| corrupt(&"no snapshot message"))?;
        let target = directory(&self.shared).join(file_name(region, meta.index));
        self.shared.disk.rename(file.path(), &target).map_err(|error| corrupt(&error))?;
        self.shared.disk.sync_dir(&directory(&self.shared)).map_err(|error| corrupt(&error))?;
        tracing::info!(%region, index = %meta.index, from = %self.from, "received a snapshot");
        let message = RegionMessage { region, message };
        self.shared.poller(region).push(ToPoller::Message(self.from, message));
        Ok(())
    }

    fn abort(mut self: Box<Self>) {
        if let Some(writer) = self.writer.take() {
            tracing::warn!(from = %self.from, name = %self.name, "a snapshot broke off");
            drop(writer.abort());
        }
    }
}

fn parse_header(header: &Bytes) -> Result<(RegionId, Message), String> {
    let region = header.get(..8).and_then(|id| id.try_into().ok()).map(u64::from_be_bytes);
    let region = RegionId(region.ok_or("a snapshot header that is too short")?);
    let message = Message::decode(&header.slice(8..)).map_err(|error| error.to_string())?;
    Ok((region, message))
}

/// Replaces a region's state by a received snapshot; the log was reset to it already.
pub(crate) fn install(shared: &Arc<Shared>, install: Install) -> Result<(), String> {
    let region = install.region;
    let Some(shard) = shared.shard(region) else { return Ok(()) };
    let mut machine = shard.machine.write();
    if machine.applied().index >= install.meta.index {
        return Ok(());
    }
    let path = directory(shared).join(file_name(region, install.meta.index));
    *machine = install_file(shared, region, &path).map_err(|error| error.to_string())?;
    let directory = machine.directory().cloned();
    let (index, revision) = (machine.applied().index, machine.revision());
    drop(machine);
    assert_eq!(index, install.meta.index, "region {region}: the snapshot holds another index");
    shared.hub.jump(region, revision);
    shard.publish(index);
    if let Some(directory) = directory {
        crate::lifecycle::directory_changed(shared, directory);
    }
    tracing::info!(%region, %index, "installed a snapshot");
    shared.poller(region).push(ToPoller::Applied(vec![(region, index)]));
    Ok(())
}

fn install_file(
    shared: &Shared,
    region: RegionId,
    path: &std::path::Path,
) -> Result<Machine, Error> {
    let broken = |reason: String| Error::Load { region, reason };
    let (start, end) = state::keys::region_range(region);
    let file = SnapshotFile::open(Arc::clone(&shared.disk), path)
        .map_err(|error| broken(error.to_string()))?;
    file.install(shared.engine.as_ref(), &start, &end, Batch::default())
        .map_err(|error| broken(error.to_string()))?;
    file.remove().map_err(|error| broken(error.to_string()))?;
    Machine::load(region, shared.engine.as_ref()).map_err(|error| broken(error.to_string()))
}

/// At a start: if the log was reset to a snapshot that the engine does not have whole, the file is
/// still there, and installing it is done again.
pub(crate) fn finish_install(
    shared: &Arc<Shared>,
    region: RegionId,
    log: &RegionLog,
) -> Result<(), Error> {
    let index = Index(log.first.get().saturating_sub(1));
    let path = directory(shared).join(file_name(region, index));
    if shared.disk.exists(&path) {
        tracing::info!(%region, %index, "finishing the installation of a snapshot");
        install_file(shared, region, &path)?;
    }
    Ok(())
}

/// At a start, after every region was loaded: whatever is left over was never needed.
pub(crate) fn clean(shared: &Shared) -> std::io::Result<()> {
    let directory = directory(shared);
    shared.disk.create_dir_all(&directory)?;
    // The directory's own name, too: a received snapshot must not go with it in a power cut, once
    // the log was reset to it. Also if it is there: whoever made it may have died before this line.
    shared.disk.sync_dir(&shared.config.data_dir)?;
    for path in shared.disk.list(&directory)? {
        shared.disk.remove(&path)?;
    }
    shared.disk.sync_dir(&directory)
}
