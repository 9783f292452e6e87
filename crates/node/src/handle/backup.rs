//! What this node has of a cluster, or of a keyspace, as of one moment: streams for a backup.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use state::beginning::{Progression, changes};
use state::directory::{Directory, KeyspaceRecord};
use state::{Applied, sharded};
use storage::engine::Snapshot;
use storage::snapshot::{self, CHUNK_BYTES, SnapshotChunks};
use tokio::sync::OwnedSemaphorePermit;
use types::{
    Code, Fault, Index, KeyRange, KeyspaceId, NodeId, ReadFailure, Reader, RegionId, Revision,
};

use super::Handle;
use super::frozen::FROZEN;
use crate::answer::Consistency;
use crate::backup::{
    self, Bases, KeyspaceSection, KeyspaceSince, Listing, Marks, Section, ShareSection, Stayed,
};
use crate::shard::Shard;
use crate::shared::Shared;
use crate::{forward, read};

/// Regions that are asked at once how far they are.
const AT_ONCE: usize = 64;
/// Ranges that may be asked for.
const RANGES: usize = 65_536;

/// What is to be backed up.
#[derive(Clone, Debug)]
pub enum BackupOf {
    /// The directory, and every keyspace as far as this node has it.
    Cluster,
    /// One keyspace, as far as this node has it.
    Keyspace(KeyspaceId),
    /// Keys of sharded keyspaces, as far as this node has them: what others did not have.
    Shares(Vec<(KeyspaceId, KeyRange)>),
}

/// Everything asked for that this node held at one moment, with all that was acknowledged before it was
/// asked for. Answers chunk after chunk. While it lives the engine drops nothing of it.
///
/// Reading blocks: it belongs on a thread for that.
pub struct Backup {
    shared: Arc<Shared>,
    view: Arc<dyn Snapshot>,
    open: Option<SnapshotChunks>,
    next: Streams,
    _permit: OwnedSemaphorePermit,
}

impl Handle {
    /// Freezes what this node has of it, as soon as its copy has all that was acknowledged before. Of what an
    /// earlier backup has, only what came since.
    ///
    /// # Errors
    /// `ClusterMismatch` and `FutureRevision` for an earlier backup of something else; `KeyspaceNotFound`;
    /// `TooManyRequests` when too many are made already, or a snapshot is being put in place here; what a
    /// read that waits for a quorum may answer.
    pub async fn backup(&self, of: BackupOf, since: Option<Bases>) -> Result<Backup, Fault> {
        if let BackupOf::Shares(ranges) = &of
            && ranges.len() > RANGES
        {
            let detail = format!("at most {RANGES} ranges are asked for at once");
            return Err(Fault::new(Code::LimitReached, detail));
        }
        if let Some(since) = &since {
            self.must_be_of(since)?;
        }
        let permit = Arc::clone(&self.shared.frozen).acquire_owned();
        let permit = tokio::time::timeout(forward::REQUEST_TIMEOUT, permit).await;
        let detail = format!("{FROZEN} hashes, snapshots or backups are being made already");
        let permit = permit.map_err(|_| Fault::new(Code::TooManyRequests, detail))?;
        let permit = permit.map_err(|_| Code::ShuttingDown)?;
        if matches!(of, BackupOf::Cluster)
            && let Some(meta) = self.shared.shard(RegionId::META)
        {
            // All keyspaces that were acknowledged are known here after this, and their regions looked for.
            self.confirm(&meta).await?;
        }
        let shards = self.shared.shards();
        let wanted: Vec<_> = shards.values().filter(|shard| wants(&of, shard)).cloned().collect();
        if let BackupOf::Keyspace(keyspace) = of
            && !self.shared.directory().keyspaces.contains_key(&keyspace)
        {
            return Err(Code::KeyspaceNotFound.into());
        }
        let confirming = wanted.iter().cloned().map(|shard| {
            let handle = self.clone();
            async move { handle.confirm(&shard).await }
        });
        let confirming: Vec<_> = confirming.collect();
        let confirmed = stream::iter(confirming).buffer_unordered(AT_ONCE);
        let confirmed: Vec<_> = confirmed.collect().await;
        confirmed.into_iter().collect::<Result<(), Fault>>()?;
        let view: Arc<dyn Snapshot> = self.shared.engine.snapshot().into();
        // One that left meanwhile may be there in part. Whoever asks looks for it elsewhere.
        let stays = |shard: &&Arc<Shard>| {
            let now = self.shared.shard(shard.record.id);
            now.is_some_and(|now| Arc::ptr_eq(&now, shard))
        };
        let wanted: Vec<_> = wanted.iter().filter(stays).cloned().collect();
        let (shared, reader) = (Arc::clone(&self.shared), Arc::clone(&view));
        let plan =
            tokio::task::spawn_blocking(move || plan(&shared, &reader, (&of, since), &wanted))
                .await;
        let next = plan.map_err(|error| Fault::new(Code::Internal, error.to_string()))??;
        let shared = Arc::clone(&self.shared);
        Ok(Backup { shared, view, open: None, next, _permit: permit })
    }

    /// Backups of another cluster say nothing of this one, whatever their revisions are.
    fn must_be_of(&self, since: &Bases) -> Result<(), Fault> {
        let (own, cluster) = (self.shared.directory().cluster, &since.cluster);
        let own = own.map(|own| own.to_string()).unwrap_or_default();
        if own != *cluster {
            let detail =
                format!("the earlier backup is of the cluster {cluster}, and this one is {own}");
            return Err(Fault::new(Code::ClusterMismatch, detail));
        }
        if self.marks().is_disjoint(&since.nodes) {
            let detail = "this cluster was restored (or all its nodes replaced) since the earlier \
                          backup was taken: take a full one";
            return Err(Fault::new(Code::ClusterMismatch, detail));
        }
        Ok(())
    }

    /// Which nodes this cluster has, each with its data directory. This one is among them even before the
    /// directory has met it.
    #[must_use]
    pub fn marks(&self) -> Marks {
        let mut marks = backup::known(&self.shared.directory());
        marks.insert(backup::mark(self.shared.node(), self.shared.identity.identity()));
        marks
    }

    async fn confirm(&self, shard: &Shard) -> Result<(), Fault> {
        shard.broken()?;
        match read::confirm(&self.shared, shard, Consistency::Linearizable).await {
            // It left meanwhile: somebody else has it.
            Err(fault) if shard.is_sharded && fault.code == Code::RegionNotFound => Ok(()),
            confirmed => confirmed.map(drop),
        }
    }
}

/// Whether a region is asked for.
fn wants(of: &BackupOf, shard: &Shard) -> bool {
    let keyspace = shard.record.keyspace;
    match of {
        BackupOf::Cluster => true,
        BackupOf::Keyspace(wanted) => *wanted == keyspace && shard.record.id != RegionId::META,
        BackupOf::Shares(wanted) => {
            shard.is_sharded && wanted.iter().any(|(of, _)| *of == keyspace)
        }
    }
}

type Streams = VecDeque<Planned>;

/// A stream that is to be sent.
struct Planned {
    section: Section,
    ranges: Vec<(Bytes, Bytes)>,
    /// What of it the earlier backup has, if that is to be listed.
    stayed: Option<Stayed>,
}

impl Planned {
    fn all(section: Section, range: (Bytes, Bytes)) -> Self {
        Self { section, ranges: vec![range], stayed: None }
    }
}

/// Which streams there are, by what the view says.
fn plan(
    shared: &Shared,
    view: &Arc<dyn Snapshot>,
    (of, since): (&BackupOf, Option<Bases>),
    shards: &[Arc<Shard>],
) -> Result<Streams, Fault> {
    let since = since.unwrap_or_default();
    let failed = |error: state::LoadError| Fault::new(Code::Corrupt, error.to_string());
    let pending = snapshot::pending_installs(view.as_ref());
    let pending = pending.map_err(|error| Fault::new(Code::Corrupt, error.to_string()))?;
    if !pending.is_empty() {
        let detail = "a snapshot is being put in place on this node: ask again, or another node";
        return Err(Fault::new(Code::TooManyRequests, detail));
    }
    // The one of the view goes with the regions of the view; one keyspace goes without it.
    let directory = match of {
        BackupOf::Cluster => state::beginning::directory(view.as_ref()).map_err(failed)?,
        _ => Directory::clone(&shared.directory()),
    };
    let mut streams = Streams::new();
    if matches!(of, BackupOf::Cluster) {
        let cluster = directory.cluster.map(|cluster| cluster.to_string()).unwrap_or_default();
        let section = crate::backup::DirectorySection { cluster };
        let range = state::keys::region_range(RegionId::META);
        streams.push_back(Planned::all(Section::Directory(section), range));
    }
    let ordered = directory.keyspaces.values().filter(|keyspace| !keyspace.is_sharded());
    for keyspace in ordered.filter(|keyspace| whole(of, keyspace.id)) {
        let region = keyspace.region;
        if shards.iter().all(|shard| shard.record.id != region) {
            // The view has it, but whether it has all that was acknowledged there was not asked.
            let detail = format!("the keyspace {:?} was just made: ask again", keyspace.name);
            return Err(Fault::new(Code::TooManyRequests, detail));
        }
        let progress = progress(shared.node(), &directory, keyspace, view.as_ref())?;
        let section = KeyspaceSection {
            keyspace: keyspace.id.get(),
            name: keyspace.name.clone(),
            region: region.get(),
            machine: keyspace.machine.clone(),
            revision: progress.revision.get(),
            compacted: progress.compacted.get(),
            since: None,
        };
        streams.push_back(match since.ordered(keyspace.id) {
            None => Planned::all(Section::Keyspace(section), state::keys::region_range(region)),
            Some(then) => came_since(section, then, &progress)?,
        });
    }
    for shard in shards.iter().filter(|shard| shard.is_sharded) {
        let (region, id) = (shard.record.id, shard.record.keyspace);
        let Some(keyspace) = directory.keyspaces.get(&id) else { continue };
        let stored = Applied::sharded(region, view.as_ref()).map_err(failed)?;
        // Without a state it has no keys.
        let Some((_, shape)) = stored else { continue };
        let revision = Progression::stored(region, view.as_ref()).map_err(failed)?.revision;
        for range in asked(of, id, &shape) {
            let mut section = ShareSection::new(id, &keyspace.name, &range, revision.get());
            let (then, stayed) = since.sharded(id, &range.start, revision)?.unzip();
            section.since = then.map(Revision::get);
            let ranges = vec![state::keys::data_range(id, &range)];
            streams.push_back(Planned { section: Section::Share(section), ranges, stayed });
        }
    }
    Ok(streams)
}

/// What came to an ordered keyspace since. Where a compaction went further, versions that came since may be
/// gone, tombstones among them, and those before may be, too: then those that are still there are listed.
fn came_since(
    mut section: KeyspaceSection,
    then: Revision,
    progress: &Progression,
) -> Result<Planned, Fault> {
    backup::must_be_behind(then, progress.revision)?;
    let listed = progress.compacted > then;
    section.since = Some(KeyspaceSince { revision: then.get(), listed });
    let from = if listed { Revision(0) } else { then };
    let ranges = changes::ranges_above(RegionId(section.region), from);
    let stayed = listed.then(|| backup::versions_up_to(then));
    Ok(Planned { section: Section::Keyspace(section), ranges, stayed })
}

/// Whether an ordered keyspace is asked for.
fn whole(of: &BackupOf, keyspace: KeyspaceId) -> bool {
    match of {
        BackupOf::Cluster => true,
        BackupOf::Keyspace(wanted) => *wanted == keyspace,
        BackupOf::Shares(_) => false,
    }
}

/// How far an ordered keyspace is in the view.
fn progress(
    node: NodeId,
    directory: &Directory,
    keyspace: &KeyspaceRecord,
    view: &dyn Snapshot,
) -> Result<Progression, Fault> {
    let region = keyspace.region;
    let progress = Progression::stored(region, view);
    let progress = progress.map_err(|error| Fault::new(Code::Corrupt, error.to_string()))?;
    // One that was made after the backup began, and is born here, has nothing yet.
    let record = directory.regions.get(&region);
    let is_born =
        record.is_some_and(|it| it.peer_on(node).is_some_and(|peer| it.first.contains(&peer)));
    if progress.index == Index(0) && !is_born {
        let detail =
            format!("this node has not received the keyspace {:?} yet: ask another", keyspace.name);
        return Err(Fault::new(Code::RegionNotFound, detail));
    }
    Ok(progress)
}

/// Which keys of a region are asked for.
fn asked(of: &BackupOf, keyspace: KeyspaceId, shape: &sharded::Shape) -> Vec<KeyRange> {
    let BackupOf::Shares(ranges) = of else { return vec![shape.range.clone()] };
    let ranges = ranges.iter().filter(|(of, _)| *of == keyspace);
    let shared = ranges.map(|(_, range)| range.shared_with(&shape.range));
    shared.filter(|range| !range.is_empty()).collect()
}

/// A view that several streams read.
struct OneView(Arc<dyn Snapshot>);

impl Reader for OneView {
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

impl Backup {
    fn step(&mut self) -> Result<Option<Bytes>, Fault> {
        let failed = |error: &dyn std::fmt::Display| Fault::new(Code::Corrupt, error.to_string());
        if self.shared.has_ended() {
            return Err(Code::ShuttingDown.into());
        }
        loop {
            if let Some(open) = &mut self.open {
                if let Some(chunk) = open.next() {
                    return chunk.map(Some).map_err(|error| match self.shared.has_ended() {
                        true => Code::ShuttingDown.into(),
                        false => failed(&error),
                    });
                }
                self.open = None;
            }
            let Some(Planned { section, ranges, stayed }) = self.next.pop_front() else {
                return Ok(None);
            };
            let header = section.encode().map_err(|error| failed(&error))?;
            let view = Arc::clone(&self.view);
            let view: Box<dyn Snapshot> = match stayed {
                Some(stayed) => {
                    let shared = Arc::clone(&self.shared);
                    let stayed = backup::unless(move || shared.has_ended(), stayed);
                    Box::new(Listing::new(view, stayed))
                }
                None => Box::new(OneView(view)),
            };
            let chunks = snapshot::export_ranges(view, &ranges, header.into(), CHUNK_BYTES);
            self.open = Some(chunks);
        }
    }
}

impl Iterator for Backup {
    type Item = Result<Bytes, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.next.clear();
            self.open = None;
        }
        step.transpose()
    }
}
