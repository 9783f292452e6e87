//! A data directory of a new cluster, made of a backup: as if every region had been born there, on all nodes
//! of the initial cluster alike, with what the backup has of it.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use env::{Disk, Rng};
use state::beginning::{self, Fate, Progression};
use state::sharded::Shape;
use storage::engine::Engine;
use storage::log::Log;
use storage::wal::Write;
use types::{
    Batch, ClusterId, HardState, Index, KeyspaceId, NodeId, PeerId, RegionId, Revision, Term,
};

use super::chain::Chain;
use super::contents::Contents;
use super::error::Error;
use super::header::Section;
use super::plan::Plan;
use super::reader::Visit;
use crate::config::NodeConfig;
use crate::identity::{DirectoryLock, Identity, InitialCluster};
use crate::node::{open_engine, open_log};

/// Bytes of records after which a batch is written.
const BATCH_BYTES: usize = 1 << 20;
/// Records after which one is.
const BATCH_RECORDS: usize = 4_096;
/// Regions whose logs are begun at once.
const LOGS_AT_ONCE: usize = 1_000;

/// What is to be made.
pub struct Target {
    /// The data directory; it must be empty, or not there.
    pub data_dir: PathBuf,
    /// The node's name.
    pub name: String,
    /// The nodes of the new cluster, this one among them.
    pub initial: InitialCluster,
    /// Makes the cluster another one than that of the same backup on the same nodes; the same on all nodes.
    pub token: String,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The new cluster.
    pub cluster: ClusterId,
    /// The node's number in it.
    pub node: NodeId,
    /// What it begins with.
    pub contents: Contents,
}

/// Makes the data directory of a node. Nothing is written before all of the backup was found to be whole.
///
/// # Errors
/// What is wrong with the backup or the directory; then nothing was changed. If the disk fails, what was
/// made is removed again.
pub fn restore(
    disk: &Arc<dyn Disk>,
    rng: &dyn Rng,
    target: &Target,
    backup: &Chain,
) -> Result<Restored, Error> {
    let contents = backup.contents()?;
    let plan = Plan::of(&contents, &target.initial, &target.token)?;
    let own = target.initial.node(&target.name).ok_or_else(|| {
        let names = target.initial.members().iter().map(|(name, _)| name.clone());
        let members = names.collect::<Vec<_>>().join(", ");
        crate::identity::Error::NotInitial { name: target.name.clone(), members }
    })?;
    let dir = &target.data_dir;
    must_be_free(disk.as_ref(), dir)?;
    let _lock = DirectoryLock::acquire(dir)?;
    // Another one may have been as far as this one.
    must_be_free(disk.as_ref(), dir)?;
    let made = fill(disk, rng, target, (&contents, &plan, own), backup).and_then(|()| {
        // Last: without it no node starts with the directory.
        Identity::restored(disk.as_ref(), dir, &target.initial, own, plan.cluster, rng)?;
        Ok(())
    });
    if let Err(error) = made {
        for part in ["state", "log"] {
            drop(std::fs::remove_dir_all(dir.join(part)));
        }
        return Err(error);
    }
    Ok(Restored { cluster: plan.cluster, node: own, contents })
}

fn must_be_free(disk: &dyn Disk, dir: &std::path::Path) -> Result<(), Error> {
    match crate::identity::occupant(disk, dir)? {
        Some(found) => Err(Error::Occupied { dir: dir.to_owned(), found }),
        None => Ok(()),
    }
}

fn fill(
    disk: &Arc<dyn Disk>,
    rng: &dyn Rng,
    target: &Target,
    (contents, plan, own): (&Contents, &Plan, NodeId),
    backup: &Chain,
) -> Result<(), Error> {
    let config = NodeConfig { data_dir: target.data_dir.clone(), ..NodeConfig::default() };
    let engine = open_engine(&config).map_err(of_node)?;
    let voters = target.initial.peers().into_iter().map(|(node, _)| PeerId::on(node, 0));
    let mut install = Install {
        engine: Arc::clone(&engine),
        plan,
        own,
        voters: voters.collect(),
        batch: Batch::default(),
        bytes: 0,
        open: Open::Nothing,
        regions: vec![RegionId::META],
        meta: storage::engine::MemoryEngine::new(),
    };
    let (_, end) = backup.visit(&mut install)?;
    if end != contents.end {
        return Err(Error::Contents("the same when it is read again".to_owned()));
    }
    let regions = install.finish()?;
    engine.persist()?;
    drop(engine);
    let mut log = open_log(&config, disk, rng).map_err(of_node)?;
    begin_logs(log.as_mut(), &regions)?;
    disk.sync_dir(&target.data_dir)?;
    Ok(())
}

fn of_node(error: crate::Error) -> Error {
    match error {
        crate::Error::Engine(error) => Error::Engine(error),
        crate::Error::Log(error) => Error::Log(error),
        error => Error::Contents(error.to_string()),
    }
}

/// The logs of regions as they are after their first position, in which nothing is.
fn begin_logs(log: &mut dyn Log, regions: &[RegionId]) -> Result<(), Error> {
    let (index, term) = (Index(1), Term(1));
    let hard_state = HardState { term, vote: None, commit: index };
    for some in regions.chunks(LOGS_AT_ONCE) {
        let begin = |region: &RegionId| Write {
            region: *region,
            hard_state: Some(hard_state),
            reset_to: Some((index, term)),
            ..Write::default()
        };
        let writes: Vec<_> = some.iter().map(begin).collect();
        log.append(&writes)?;
        log.sync()?;
    }
    log.settle()?;
    Ok(())
}

/// Puts a backup's records into an engine.
struct Install<'a> {
    engine: Arc<dyn Engine>,
    plan: &'a Plan,
    own: NodeId,
    /// The replicas of what is on every node.
    voters: Vec<PeerId>,
    batch: Batch,
    bytes: usize,
    open: Open,
    /// Those that this node has.
    regions: Vec<RegionId>,
    /// The old directory.
    meta: storage::engine::MemoryEngine,
}

enum Open {
    Nothing,
    Directory,
    Keyspace {
        region: RegionId,
        has_begun: bool,
    },
    Share {
        region: RegionId,
        voters: Vec<PeerId>,
        shape: Shape,
        revision: Revision,
    },
    /// One that is on other nodes.
    Elsewhere,
}

impl Install<'_> {
    fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), Error> {
        self.bytes += key.len() + value.len();
        self.batch.put(key, value);
        if self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH_RECORDS {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        Ok(self.engine.write(std::mem::take(&mut self.batch))?)
    }

    fn close(&mut self) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Share { region, voters, shape, revision } => {
                let progress = Progression::new(revision, Revision(0));
                progress.begin(region, voters, Some(&shape), &mut self.batch);
            }
            // It had just been made.
            Open::Keyspace { region, has_begun: false } => {
                let progress = Progression::new(Revision(1), Revision(0));
                progress.begin(region, self.voters.clone(), None, &mut self.batch);
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Vec<RegionId>, Error> {
        self.close();
        // In the old directory's place, which is not in this engine.
        let changed = beginning::rewrite_directory(&self.meta, &mut self.batch, |directory| {
            self.plan.change(directory);
        });
        changed?;
        let progress = Progression::new(Revision(1), Revision(0));
        let voters = self.voters.clone();
        progress.begin(RegionId::META, voters, None, &mut self.batch);
        self.write()?;
        Ok(self.regions)
    }

    fn open_share(&mut self, id: KeyspaceId, share: &super::ShareSection) -> Result<Open, Error> {
        let range = share.range()?;
        let Some(record) = self.plan.shares.get(&(id, range.start.clone())) else {
            return Err(Error::Contents(format!("a share of {:?}", share.name)));
        };
        let voters: Vec<_> = record.peers.iter().map(|(peer, _)| *peer).collect();
        if record.peer_on(self.own).is_none() {
            return Ok(Open::Elsewhere);
        }
        self.regions.push(record.id);
        let (region, shape) = (record.id, Shape::new(id, range));
        Ok(Open::Share { region, voters, shape, revision: Revision(share.revision) })
    }
}

impl Visit for Install<'_> {
    fn section(&mut self, section: &Section, _: u64) -> Result<(), Error> {
        self.close();
        self.open = match section {
            Section::Directory(_) => Open::Directory,
            Section::Keyspace(keyspace) => {
                self.regions.push(keyspace.region());
                Open::Keyspace { region: keyspace.region(), has_begun: false }
            }
            Section::Share(share) => self.open_share(share.keyspace(), share)?,
            Section::Begin(_) | Section::End(_) => Open::Nothing,
        };
        Ok(())
    }

    fn record(&mut self, key: Bytes, value: Bytes) -> Result<(), Error> {
        match &mut self.open {
            Open::Directory => {
                let mut batch = Batch::default();
                batch.put(key, value);
                Ok(self.meta.write(batch)?)
            }
            Open::Keyspace { region, has_begun } => match beginning::fate(*region, &key) {
                Some(Fate::Kept) => self.put(key, value),
                Some(Fate::Applied) => {
                    *has_begun = true;
                    let progress = Progression::decode(value)?;
                    progress.begin(*region, self.voters.clone(), None, &mut self.batch);
                    Ok(())
                }
                Some(Fate::Left) => Ok(()),
                None => Err(Error::Contents(format!("the record {key:?} where it is"))),
            },
            Open::Share { shape, .. } => {
                shape.keys += 1;
                shape.bytes += (key.len() + value.len()) as u64;
                self.put(key, value)
            }
            Open::Elsewhere | Open::Nothing => Ok(()),
        }
    }
}
