//! State sent whole to a replica that fell behind the log, and put in place there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use consensus::{Message, SnapshotMeta};
use region::{Install, RegionMessage};
use state::sharded::Shape;
use storage::snapshot::{self, CHUNK_BYTES, PendingInstall, SnapshotFile, SnapshotWriter};
use types::{Batch, Code, Fault, Index, NodeId, RegionId};

use crate::Error;
use crate::applier::{self, ask_scavenge};
use crate::flight::Event;
use crate::frame::RaftItem;
use crate::machines::{self, Loaded};
use crate::poller::ToPoller;
use crate::shard::{ExportedState, Shard};
use crate::sharded;
use crate::shared::Shared;
use crate::transport::{SnapshotReceiver, SnapshotSink};

/// How long a region that comes or goes lets the engine merge first, where that is behind. Each makes tables
/// of its own, and a node that many came to or left at once had all its regions wait until those were merged.
pub(crate) const LET_MERGE: Duration = Duration::from_secs(3);

/// Snapshots that may wait to be put in place, or be, when one more is received. Each takes an applier for as
/// long as the disk does, and its replica counts already: on a busy disk they took all appliers there are.
const INSTALLS: usize = 2;

/// There while a snapshot waits to be put in place, or is.
pub(crate) struct Installing(Arc<AtomicUsize>);

impl Installing {
    pub(crate) fn new(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(all))
    }
}

impl Drop for Installing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where received snapshots are kept.
pub(crate) fn directory(shared: &Shared) -> PathBuf {
    shared.config.data_dir.join("snapshots")
}

/// The name of the snapshot that a region's log goes on after.
pub(crate) fn file_name(region: RegionId, index: Index) -> String {
    format!("region-{region}-{index}.snapshot")
}

fn parse_name(path: &Path) -> Option<(RegionId, Index)> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_prefix("region-")?.strip_suffix(".snapshot")?;
    let (region, index) = name.split_once('-')?;
    Some((RegionId(region.parse().ok()?), Index(index.parse().ok()?)))
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
        data: machine.shape().map(Shape::encode).unwrap_or_default(),
    };
    let view = shared.engine.snapshot();
    drop(machine);
    let at = shared.clock.now();
    *shard.exported.lock() = Some(Box::new(ExportedState { meta: meta.clone(), view, at }));
    shared.poller(region).push(ToPoller::SnapshotReady(region, meta));
}

/// Streams the frozen state that `message` announces, and the message with it.
pub(crate) fn send(shared: &Arc<Shared>, to: NodeId, message: RegionMessage) {
    let region = message.region;
    let peer = message.message.to();
    let announced = message.message.snapshot_meta().map(|meta| meta.index);
    let exported = shared.shard(region).and_then(|shard| {
        shard.exported.lock().take_if(|exported| Some(exported.meta.index) == announced)
    });
    let (Some(exported), Some(transport)) = (exported, shared.net.get().cloned()) else {
        let ok = false;
        shared.poller(region).push(ToPoller::SnapshotSent { region, to: peer, ok });
        return;
    };
    let mut header = BytesMut::new();
    header.put_u64(region.get());
    header.put_slice(&message.message.encode());
    let index = exported.meta.index;
    let shape = shape_of(&exported.meta).ok().flatten();
    let ranges = ranges(region, shape.as_ref());
    let chunks = snapshot::export_ranges(exported.view, &ranges, header.freeze(), CHUNK_BYTES)
        .map(|chunk| chunk.map_err(|error| error.to_string()));
    tracing::info!(%region, %to, %index, "sending a snapshot");
    let shared = Arc::clone(shared);
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        let sent = transport.send_snapshot(to, Box::new(chunks), None).await;
        match &sent {
            Ok(()) => {
                tracing::info!(%region, %to, "the snapshot arrived");
                shared.meters.snapshots_sent.add(1);
                let (region, to, index) = (region.get(), to.get(), index.get());
                shared.flight.note(Event::SnapshotSent { region, to, index });
            }
            Err(fault) => {
                if let Some(unsaid) = shared.say("snapshot") {
                    tracing::warn!(%region, %to, %fault, unsaid, "a snapshot did not arrive");
                }
                shared.meters.snapshots_failed.add(1);
                let (region, to, reason) = (region.get(), to.get(), fault.to_string());
                shared.flight.note(Event::SnapshotFailed { region, to, reason });
            }
        }
        let ok = sent.is_ok();
        shared.poller(region).push(ToPoller::SnapshotSent { region, to: peer, ok });
    });
}

/// What a region of a sharded keyspace owns in a snapshot; `None` for one of another kind.
fn shape_of(meta: &SnapshotMeta) -> Result<Option<Shape>, String> {
    if meta.data.is_empty() {
        return Ok(None);
    }
    Shape::decode(meta.data.clone()).map(Some).map_err(|error| error.to_string())
}

/// Where a region's records are.
fn ranges(region: RegionId, shape: Option<&Shape>) -> Vec<(Bytes, Bytes)> {
    state::keys::region_ranges(region, shape.map(|shape| (shape.keyspace, &shape.range)))
}

/// Lets go of a frozen state that nobody sent within `limit`: whoever needs one asks again.
pub(crate) fn forget_old(shared: &Shared, shard: &Shard, limit: Duration) {
    let now = shared.clock.now();
    drop(shard.exported.lock().take_if(|exported| now.since(exported.at) > limit));
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
        if self.0.installs.load(Ordering::Relaxed) >= INSTALLS {
            let detail = "too many snapshots are being put in place already";
            return Err(Fault::new(Code::TooManyRequests, detail));
        }
        // Here and not where it is put in place: once it is received, the replica counts.
        self.0.engine.let_merge(LET_MERGE);
        let name = format!("incoming-{from}-{:016x}", self.0.rng.next_u64());
        let writer = SnapshotWriter::create(Arc::clone(&self.0.disk), &directory(&self.0), &name)
            .map_err(|error| Fault::new(Code::NoSpace, error.to_string()))?;
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
        let shard = self.shared.shard(region);
        let applied = shard.as_ref().map(|shard| shard.applied());
        if applied.is_none_or(|applied| applied >= meta.index) {
            // Not created here yet, or overtaken by the log meanwhile.
            file.remove().map_err(|error| corrupt(&error))?;
            return if shard.is_some() { Ok(()) } else { Err(Code::RegionNotFound.into()) };
        }
        let shape = shape_of(&meta).map_err(|text| corrupt(&text))?;
        if shard.as_ref().is_some_and(|shard| shard.is_sharded) != shape.is_some() {
            return Err(corrupt(&"a snapshot of another kind of region"));
        }
        if let Some(shape) = &shape
            && let Err(fault) = sharded::claim(&self.shared, region, shape)
        {
            file.remove().map_err(|error| corrupt(&error))?;
            return Err(fault);
        }
        let target = directory(&self.shared).join(file_name(region, meta.index));
        self.shared.disk.rename(file.path(), &target).map_err(|error| corrupt(&error))?;
        self.shared.disk.sync_dir(&directory(&self.shared)).map_err(|error| corrupt(&error))?;
        sweep(&self.shared, region, applied.unwrap_or_default());
        tracing::info!(%region, index = %meta.index, from = %self.from, "received a snapshot");
        let message = RegionMessage { region, message };
        let item = RaftItem { message, bytes: 0, is_current: true };
        self.shared.poller(region).push(ToPoller::Message(self.from, item));
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
        let done = vec![(region, machine.applied().index)];
        shared.poller(region).push(ToPoller::Applied(done));
        return Ok(());
    }
    let replacing = shard.sweeping.replace();
    let path = directory(shared).join(file_name(region, install.meta.index));
    // What it owned and the snapshot does not goes with the rest: it is another region's, which is not here
    // yet.
    let shape = match machine.shape() {
        Some(shape) => Some(shape.clone()),
        None => shape_of(&install.meta)?,
    };
    install_file(shared, region, &path, &ranges(region, shape.as_ref()))
        .map_err(|error| error.to_string())?;
    let loaded = machines::load(shared, region, shard.kind(), None);
    let Loaded { machine: installed, unusable } = loaded.map_err(|error| error.to_string())?;
    *machine = installed;
    drop(replacing);
    if let Some(reason) = unusable {
        applier::set_aside(shared, &shard, &mut machine, reason);
        return Ok(());
    }
    shard.note_revisions(&machine);
    shard.note_scavenged(&machine);
    crate::membership::peers_changed(shared, &shard, &machine);
    sharded::hold(shared, &machine);
    let share = machine.shape().map(|shape| shape.range.clone());
    let directory = machine.directory().cloned();
    let (index, revision) = (machine.applied().index, machine.revision());
    if let (Some(share), Some(registry)) = (&shard.registry, machine.registry()) {
        share.checker.begin(registry.timers());
    }
    if machine.wants_scavenging() {
        ask_scavenge(shared, &shard);
    }
    drop(machine);
    assert_eq!(index, install.meta.index, "region {region}: the snapshot holds another index");
    match share {
        Some(share) => shared.hub.install_share(region, revision, share),
        None => shared.hub.jump(region, revision),
    }
    if let Some(directory) = &directory
        && shared.auth.learn(shared.clock.now(), &directory.auth)
    {
        crate::liveness::tell_known(shared);
    }
    shard.publish(index);
    if let Some(registry) = &shard.registry {
        registry.waits.ring_all();
    }
    sweep(shared, region, Index(index.get() - 1));
    if let Some(directory) = directory {
        crate::lifecycle::directory_changed(shared, directory);
    } else if shard.is_sharded {
        // What it gave up may be the ground that another one waits for.
        crate::lifecycle::begin_known(shared, &shared.directory());
    }
    tracing::info!(%region, %index, "installed a snapshot");
    shared.meters.snapshots_installed.add(1);
    shared.flight.note(Event::SnapshotInstalled { region: region.get(), index: index.get() });
    shared.poller(region).push(ToPoller::Applied(vec![(region, index)]));
    Ok(())
}

fn install_file(
    shared: &Shared,
    region: RegionId,
    path: &Path,
    ranges: &[(Bytes, Bytes)],
) -> Result<(), Error> {
    let broken = |reason: String| Error::Load { region, reason };
    let file = SnapshotFile::open(Arc::clone(&shared.disk), path)
        .map_err(|error| broken(unusable(path, &error)))?;
    file.install_ranges(shared.engine.as_ref(), ranges, Batch::default())
        .map_err(|error| broken(unusable(path, &error)))?;
    if !shared.replays {
        file.remove().map_err(|error| broken(error.to_string()))?;
    }
    Ok(())
}

/// What is wrong with a snapshot that was received whole, and what to do.
fn unusable(path: &Path, error: &snapshot::Error) -> String {
    format!(
        "the snapshot file {} cannot be used: {error}. Do not delete it: the log begins after it. Start the \
         node again; if it stays, check the disk, remove the member, and add it again with an empty \
         directory",
        path.display()
    )
}

/// Removes a region's received snapshots up to `index`: the state is beyond them. What cannot be
/// removed goes at the next start.
fn sweep(shared: &Shared, region: RegionId, index: Index) {
    let Ok(paths) = shared.disk.list(&directory(shared)) else { return };
    for path in paths {
        let old = parse_name(&path).is_some_and(|(of, at)| of == region && at <= index);
        if old && !is_kept(shared, &path) {
            drop(shared.disk.remove(&path));
        }
    }
}

/// The region has left this node.
pub(crate) fn forget(shared: &Shared, region: RegionId) {
    sweep(shared, region, Index(u64::MAX));
}

/// An engine in memory needs the snapshot its log begins after at every start.
fn is_kept(shared: &Shared, path: &Path) -> bool {
    shared.replays
        && parse_name(path).is_some_and(|(region, index)| {
            shared.wal.region(region).is_some_and(|log| log.first == index.next())
        })
}

/// At a start, before any region is loaded: where the log was reset to a snapshot that the engine
/// does not have whole, the file is still there, and installing it is done again.
pub(crate) fn finish_installs(shared: &Shared) -> Result<(), Error> {
    let pending = snapshot::pending_installs(shared.engine.as_ref())?;
    for status in shared.wal.regions() {
        let (region, index) = (status.region, Index(status.log.first.get().saturating_sub(1)));
        let path = directory(shared).join(file_name(region, index));
        if shared.disk.exists(&path) {
            let Some(ranges) = unfinished(shared, (region, index), &path, &pending)? else {
                continue;
            };
            tracing::info!(%region, %index, "finishing the installation of a snapshot");
            install_file(shared, region, &path, &ranges)?;
        }
    }
    match snapshot::pending_installs(shared.engine.as_ref())?.into_iter().next() {
        None => Ok(()),
        Some(pending) => Err(Error::HalfInstalled { start: pending.start, file: pending.file }),
    }
}

/// What is left to be replaced by a snapshot; `None` if the engine has all of it and more.
fn unfinished(
    shared: &Shared,
    (region, index): (RegionId, Index),
    path: &Path,
    pending: &[PendingInstall],
) -> Result<Option<Vec<(Bytes, Bytes)>>, Error> {
    let broken = |reason: String| Error::Load { region, reason };
    let name = path.file_name().and_then(|name| name.to_str());
    let begun = pending.iter().filter(|pending| name == Some(pending.file.as_str()));
    let begun: Vec<_> = begun.map(|it| (it.start.clone(), it.end.clone())).collect();
    if !begun.is_empty() {
        return Ok(Some(begun));
    }
    let engine = shared.engine.as_ref();
    let applied = state::Applied::stored(region, engine).map_err(|it| broken(it.to_string()))?;
    if applied.index >= index {
        // Again, it would take the place of what came after it: of other regions, too, if it was split.
        return Ok(None);
    }
    let known = state::Applied::sharded(region, engine).map_err(|it| broken(it.to_string()))?;
    let shape = match known {
        Some((_, shape)) => Some(shape),
        None => {
            let file = SnapshotFile::open(Arc::clone(&shared.disk), path);
            let file = file.map_err(|error| broken(unusable(path, &error)))?;
            let (_, message) = parse_header(file.header()).map_err(broken)?;
            let meta = message.snapshot_meta();
            let meta = meta.ok_or_else(|| broken("no snapshot message".to_owned()))?;
            shape_of(&meta).map_err(broken)?
        }
    };
    Ok(Some(ranges(region, shape.as_ref())))
}

/// At a start, after every region was loaded: whatever is left over was never needed.
pub(crate) fn clean(shared: &Shared) -> std::io::Result<()> {
    let directory = directory(shared);
    shared.disk.create_dir_all(&directory)?;
    // The directory's own name, too: a received snapshot must not go with it in a power cut, once
    // the log was reset to it. Also if it is there: whoever made it may have died before this line.
    shared.disk.sync_dir(&shared.config.data_dir)?;
    for path in shared.disk.list(&directory)? {
        if !is_kept(shared, &path) {
            shared.disk.remove(&path)?;
        }
    }
    shared.disk.sync_dir(&directory)
}
