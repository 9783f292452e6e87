//! A backup made of etcd's file.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use bytes::{BufMut as _, BytesMut};
use node::backup::{BackupWriter, Begin, DirectorySection, KeyspaceSection, Scope, Section};
use node::env::{OsRandom, Rng as _};
use node::state::auth::{Auth, Secret};
use node::state::beginning::{self, Progression, Versions};
use node::state::directory::{Directory, KeyspaceRecord, RegionRecord};
use node::storage::engine::{Engine as _, MemoryEngine};
use node::types::{Batch, Reader as _};
use types::{ClusterId, KeyspaceId, NodeId, RegionId, Revision};

use super::super::bolt::{Bolt, Error};
use super::auth;
use super::contents::{lease, position, version};

/// The keyspace the keys come into.
pub(super) const KEYSPACE: &str = "default";

/// What is worth knowing of what was converted.
pub(super) struct Told {
    auth: Auth,
}

impl Told {
    pub(super) fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        let Auth { users, roles, enabled, .. } = &self.auth;
        if !users.is_empty() {
            let (users, roles) = (users.len(), roles.len());
            let on = if *enabled { "on" } else { "off" };
            hints.push(format!("{users} users and {roles} roles, auth is {on}"));
        }
        hints
    }
}

/// How far etcd had come.
struct Reach {
    revision: Revision,
    compacted: Revision,
}

fn reach(bolt: &Bolt) -> Result<Reach, Error> {
    let mut reach = Reach { revision: Revision(1), compacted: Revision(0) };
    bolt.entries("key", &mut |key, _| {
        reach.revision = reach.revision.max(position(key)?.0.revision);
        Ok(())
    })?;
    bolt.entries("meta", &mut |name, value| {
        // What was to be compacted is so for clients, whether or not that came to its end.
        if name == b"scheduledCompactRev" || name == b"finishedCompactRev" {
            reach.compacted = reach.compacted.max(position(value)?.0.revision);
        }
        Ok(())
    })?;
    reach.revision = reach.revision.max(reach.compacted);
    Ok(reach)
}

/// Writes the backup.
pub(super) fn convert(bolt: &Bolt, out: BufWriter<File>) -> anyhow::Result<Told> {
    if !bolt.has("key")? {
        return Err(Error::NoBucket("key".to_owned()).into());
    }
    let reach = reach(bolt)?;
    let auth = auth::read(bolt, KeyspaceId::DEFAULT, key())?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let made_by = format!("hiraeth {}, from etcd", env!("CARGO_PKG_VERSION"));
    let mut writer = BackupWriter::begin(out, Begin::new(Scope::Cluster, at_ms, made_by))?;
    directory(&mut writer, &auth)?;
    keys(bolt, &reach, &mut writer)?;
    let (mut out, _) = writer.end()?;
    out.flush()?;
    out.get_ref().sync_all().context("what was converted is not durable")?;
    Ok(Told { auth })
}

/// What tokens are to be sealed with.
fn key() -> Secret {
    let mut key = BytesMut::with_capacity(32);
    for _ in 0..4 {
        key.put_u64(OsRandom.next_u64());
    }
    Secret(key.freeze())
}

fn directory(writer: &mut BackupWriter<BufWriter<File>>, auth: &Auth) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    beginning::rewrite_directory(&MemoryEngine::new(), &mut batch, |directory| {
        let (id, region) = (KeyspaceId::DEFAULT, RegionId::DEFAULT);
        let name = KEYSPACE.to_owned();
        let default = KeyspaceRecord { id, name, region, machine: None, replicas: 0 };
        let born = |region, keyspace| RegionRecord::born(region, keyspace, [NodeId(1)]);
        let meta = born(RegionId::META, KeyspaceId(0));
        *directory = Directory {
            // It begins with another one.
            cluster: Some(ClusterId(1)),
            keyspaces: [(id, default)].into(),
            regions: [meta, born(region, id)].into_iter().collect(),
            auth: auth.clone().into(),
            ..Directory::default()
        };
    })?;
    // In the order of their keys.
    let engine = MemoryEngine::new();
    engine.write(batch)?;
    let mut records = Vec::new();
    let (from, to) = node::state::keys::region_range(RegionId::META);
    engine.scan(&from, &to, &mut |key, value| {
        records.push((key, value));
        true
    })?;
    let section = DirectorySection { cluster: String::new() };
    writer.section(&Section::Directory(section), |put| {
        records.iter().try_for_each(|(key, value)| put(key, value))
    })?;
    Ok(())
}

fn keys(
    bolt: &Bolt,
    reach: &Reach,
    writer: &mut BackupWriter<BufWriter<File>>,
) -> anyhow::Result<()> {
    let region = RegionId::DEFAULT;
    let section = KeyspaceSection {
        keyspace: KeyspaceId::DEFAULT.get(),
        name: KEYSPACE.to_owned(),
        region: region.get(),
        machine: None,
        revision: reach.revision.get(),
        compacted: reach.compacted.get(),
        since: None,
    };
    let mut versions = Versions::default();
    let mut failed = None;
    let mut first = Batch::default();
    Progression::new(reach.revision, reach.compacted).begin(region, Vec::new(), None, &mut first);
    writer.section(&Section::Keyspace(section), |put| {
        for op in &first.ops {
            if let node::types::Op::Put(key, value) = op {
                put(key, value)?;
            }
        }
        let mut walk = |bucket: &str, see: See<'_>| {
            let walked = bolt.entries(bucket, &mut |key, value| {
                see(key, value).map_err(|stop| match stop {
                    Stop::Bolt(error) => error,
                    Stop::Backup(error) => {
                        let text = error.to_string();
                        failed = Some(error);
                        Error::Stopped(text)
                    }
                })
            });
            walked.map_err(|error| {
                failed.take().unwrap_or_else(|| {
                    node::backup::Error::Io(std::io::Error::other(error.to_string()))
                })
            })
        };
        walk("lease", &mut |_, value| {
            let (id, ttl) = lease(value)?;
            let (key, value) = beginning::lease(region, id, ttl);
            Ok(put(&key, &value)?)
        })?;
        walk("key", &mut |key, value| {
            let (key, value) = versions.record(region, &version(key, value)?);
            Ok(put(&key, &value)?)
        })
    })?;
    Ok(())
}

/// Is shown an entry of a bucket.
type See<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), Stop>;

/// Why a walk ends before its end.
enum Stop {
    Bolt(Error),
    Backup(node::backup::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Bolt(error)
    }
}

impl From<node::backup::Error> for Stop {
    fn from(error: node::backup::Error) -> Self {
        Self::Backup(error)
    }
}
