//! What `node::snapshots` does: freeze, stream, receive into a file, install, finish after a crash.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use consensus::{Message, SnapshotMeta};
use region::{Install, RegionMessage};
use state::sharded::Shape;
use state::{Applied, Machine};
use storage::engine::Engine;
use storage::snapshot::{self, PendingInstall, SnapshotFile, SnapshotWriter};
use types::{Batch, Index, NodeId, PeerId, RegionId};

use super::poller::ToPoller;
use super::shards::{ranges, shape_of};
use super::{Exported, Running, registry, snapshot_directory, snapshot_name};
use crate::mutant::Mutant;
use crate::sky::Sky;
use crate::transfer::Transfer;

/// Small, so that a small state still takes several.
const CHUNK_BYTES: usize = 4096;

fn path(region: RegionId, index: Index) -> PathBuf {
    snapshot_directory().join(snapshot_name(region, index))
}

impl Running {
    pub(super) fn export(&mut self, sky: &mut Sky, region: RegionId) {
        let view = self.engine.snapshot();
        let Some(shard) = self.shards.get_mut(&region) else { return };
        let applied = shard.machine.applied();
        let meta = SnapshotMeta {
            index: applied.index,
            term: applied.term,
            conf_state: applied.conf_state.clone(),
            data: shard.machine.shape().map(Shape::encode).unwrap_or_default(),
        };
        shard.exported = Some(Exported { meta: meta.clone(), view });
        sky.note(self.node, "froze", [region.get(), meta.index.get(), 0, 0]);
        self.tell(sky, ToPoller::SnapshotReady(region, meta));
    }

    pub(super) fn send_snapshot(&mut self, sky: &mut Sky, to: NodeId, message: RegionMessage) {
        let region = message.region;
        let peer = message.message.to();
        let announced = message.message.snapshot_meta().map(|meta| meta.index);
        let exported = self.shards.get_mut(&region).and_then(|shard| {
            shard.exported.take_if(|exported| Some(exported.meta.index) == announced)
        });
        let Some(exported) = exported else {
            self.tell(sky, ToPoller::SnapshotSent { region, to: peer, ok: false });
            return;
        };
        let mut header = BytesMut::new();
        header.put_u64(region.get());
        header.put_slice(&message.message.encode());
        let ranges = ranges(region, shape_of(&exported.meta).as_ref());
        let header = header.freeze();
        let chunks = snapshot::export_ranges(exported.view, &ranges, header, CHUNK_BYTES);
        match chunks.collect::<Result<_, _>>() {
            Ok(chunks) => {
                sky.counts.snapshots_sent += 1;
                let index = exported.meta.index.get();
                sky.note(self.node, "sends snapshot", [to.get(), region.get(), index, 0]);
                let sender = (self.node, self.life);
                Transfer::begin(sky, sender, to, (region, peer), chunks);
            }
            Err(error) => sky.fail("snapshot export", format!("region {region}: {error}")),
        }
    }

    pub(crate) fn snapshot_sent(&mut self, sky: &mut Sky, region: RegionId, to: PeerId, ok: bool) {
        self.tell(sky, ToPoller::SnapshotSent { region, to, ok });
    }

    /// Begins the file of a snapshot that comes in.
    pub(crate) fn receive(&mut self, sky: &mut Sky, from: NodeId) -> Option<SnapshotWriter> {
        let name = format!("incoming-{from}-{:016x}", sky.random.next());
        let directory = snapshot_directory();
        match SnapshotWriter::create(Arc::clone(&self.disk), directory, &name) {
            Ok(writer) => Some(writer),
            Err(error) => {
                self.broke(sky, "snapshots", format!("a snapshot cannot be received: {error}"));
                None
            }
        }
    }

    /// The last chunk came.
    pub(crate) fn received(
        &mut self,
        sky: &mut Sky,
        from: NodeId,
        writer: SnapshotWriter,
    ) -> Result<(), String> {
        let file = writer.finish().map_err(|error| error.to_string())?;
        let (region, message) = parse_header(file.header())?;
        let meta = message.snapshot_meta().ok_or("no snapshot message")?;
        if meta.data.is_empty()
            != self.shards.get(&region).is_none_or(|it| !it.machine.is_sharded())
        {
            file.remove().map_err(|error| error.to_string())?;
            return Err("the region is not here yet".to_owned());
        }
        if !self.claim(sky, &meta, region) {
            sky.counts.ground_taken += 1;
            file.remove().map_err(|error| error.to_string())?;
            return Err("another region owns some of its keys".to_owned());
        }
        let rename = self.disk.rename(file.path(), &path(region, meta.index));
        rename.map_err(|error| error.to_string())?;
        self.disk.sync_dir(snapshot_directory()).map_err(|error| error.to_string())?;
        sky.note(self.node, "received snapshot", [from.get(), region.get(), meta.index.get(), 0]);
        self.tell(sky, ToPoller::Message(from, RegionMessage { region, message }));
        crate::atlas::received_snapshot(sky, self.at, self.life);
        Ok(())
    }

    pub(super) fn install(&mut self, sky: &mut Sky, install: &Install) {
        let region = install.region;
        let Some(shard) = self.shards.get(&region) else { return };
        let applied = shard.machine.applied().index;
        if applied >= install.meta.index {
            self.tell(sky, ToPoller::Applied(vec![(region, applied)]));
            return;
        }
        let path = path(region, install.meta.index);
        let owned = shard.machine.shape().cloned().or_else(|| shape_of(&install.meta));
        let ranges = ranges(region, owned.as_ref());
        let place: (&dyn Engine, _, _) = (self.engine.as_ref(), region, &*ranges);
        let machine = match install_file(sky, &self.disk, place, &path) {
            Ok(machine) => machine,
            Err(error) => {
                let reason = format!("could not install a snapshot: {error}");
                self.broke(sky, "snapshots", reason);
                return;
            }
        };
        let index = machine.applied().index;
        if index != install.meta.index {
            let meta = install.meta.index;
            sky.fail("snapshots", format!("region {region}: {index} in a snapshot of {meta}"));
            return;
        }
        sky.counts.snapshots_installed += 1;
        sky.note(self.node, "installed snapshot", [region.get(), index.get(), 0, 0]);
        let verdict = sky.oracles.machines.installed(self.node, region, index, machine.revision());
        sky.judge("state machine safety", verdict);
        let directory = machine.directory().cloned();
        self.history.note(region, &machine);
        if sky.mutant != Some(Mutant::ForgetJump) {
            self.hub.jump(region, machine.revision());
        }
        registry::show(sky, self.node, region, &machine);
        if let Some(shard) = self.shards.get_mut(&region) {
            shard.machine = machine;
            shard.knows_since = sky.now;
            if sky.mutant != Some(Mutant::ForgetRings)
                && let Some(registry) = &shard.registry
            {
                registry.waits.ring_all();
            }
        }
        self.hold(sky, region);
        self.release_readers(sky, region, index);
        self.sweep(region, index);
        if region > RegionId::DEFAULT && sky.settings.sharded.is_some() {
            let directory = self.directory.clone();
            if let Err(reason) = self.begin_known(sky, &directory) {
                self.broke(sky, "restart", format!("a region does not start: {reason}"));
                return;
            }
            self.start_writing(sky);
        }
        if let Some(directory) = directory {
            self.directory_changed(sky, directory);
        }
        self.tell(sky, ToPoller::Applied(vec![(region, index)]));
    }

    /// At a start, before any region is loaded: installations that a crash interrupted are done
    /// again.
    pub(super) fn finish_installs(&mut self, sky: &mut Sky) -> Result<(), String> {
        let pending = snapshot::pending_installs(self.engine.as_ref());
        let pending = pending.map_err(|error| error.to_string())?;
        for status in self.log.regions() {
            let (region, log) = (status.region, status.log);
            let index = Index(log.first.get().saturating_sub(1));
            let path = path(region, index);
            if self.disk.exists(&path) {
                sky.counts.snapshots_again += 1;
                sky.note(self.node, "installs again", [region.get(), index.get(), 0, 0]);
                let Some(ranges) = self.unfinished((region, index), &path, &pending)? else {
                    continue;
                };
                install_file(sky, &self.disk, (self.engine.as_ref(), region, &ranges), &path)?;
            }
        }
        let pending = snapshot::pending_installs(self.engine.as_ref());
        match pending.map_err(|error| error.to_string())?.first() {
            None => Ok(()),
            Some(pending) => Err(format!("{pending:?} has no file")),
        }
    }

    /// What is left to be replaced by a snapshot; `None` if the engine has all of it and more.
    fn unfinished(
        &self,
        (region, index): (RegionId, Index),
        path: &Path,
        pending: &[PendingInstall],
    ) -> Result<Option<Vec<(Bytes, Bytes)>>, String> {
        let name = path.file_name().and_then(|name| name.to_str());
        let begun = pending.iter().filter(|pending| name == Some(pending.file.as_str()));
        let begun: Vec<_> = begun.map(|it| (it.start.clone(), it.end.clone())).collect();
        if !begun.is_empty() {
            return Ok(Some(begun));
        }
        let engine = self.engine.as_ref();
        let applied = Applied::stored(region, engine).map_err(|error| error.to_string())?;
        if applied.index >= index {
            return Ok(None);
        }
        let known = Applied::sharded(region, engine).map_err(|error| error.to_string())?;
        let shape = match known {
            Some((_, shape)) => Some(shape),
            None => {
                let file = SnapshotFile::open(Arc::clone(&self.disk), path);
                let file = file.map_err(|error| format!("opening {}: {error}", path.display()))?;
                parse_header(file.header())?.1.snapshot_meta().as_ref().and_then(shape_of)
            }
        };
        Ok(Some(ranges(region, shape.as_ref())))
    }

    /// Removes a region's received snapshots below `index`: the state is beyond them.
    pub(super) fn sweep(&self, region: RegionId, index: Index) {
        let Ok(paths) = self.disk.list(snapshot_directory()) else { return };
        for below in paths {
            let name = below.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let of = name.strip_prefix(&format!("region-{region}-"));
            let at = of.and_then(|rest| rest.strip_suffix(".snapshot")?.parse::<u64>().ok());
            if at.is_some_and(|at| at < index.get()) {
                drop(self.disk.remove(&below));
            }
        }
    }

    /// At a start, after every region was loaded: what is left over was never needed.
    pub(super) fn clean_snapshots(&mut self) -> std::io::Result<()> {
        let directory = snapshot_directory();
        self.disk.create_dir_all(directory)?;
        self.disk.sync_dir(Path::new("/data"))?;
        for path in self.disk.list(directory)? {
            self.disk.remove(&path)?;
        }
        self.disk.sync_dir(directory)
    }
}

fn install_file(
    sky: &Sky,
    disk: &Arc<dyn env::Disk>,
    (engine, region, ranges): (&dyn Engine, RegionId, &[(Bytes, Bytes)]),
    path: &Path,
) -> Result<Machine, String> {
    let file = SnapshotFile::open(Arc::clone(disk), path)
        .map_err(|error| format!("opening {}: {error}", path.display()))?;
    file.install_ranges(engine, ranges, Batch::default())
        .map_err(|error| format!("installing {}: {error}", path.display()))?;
    file.remove().map_err(|error| format!("removing: {error}"))?;
    registry::load(sky, region, engine).map_err(|error| format!("loading: {error}"))
}

fn parse_header(header: &Bytes) -> Result<(RegionId, Message), String> {
    let region = header.get(..8).and_then(|id| id.try_into().ok()).map(u64::from_be_bytes);
    let region = RegionId(region.ok_or("a snapshot header that is too short")?);
    let message = Message::decode(&header.slice(8..)).map_err(|error| error.to_string())?;
    Ok((region, message))
}
