//! Keyspaces whose keys are spread over any number of regions.

use std::time::Duration;

use bytes::Bytes;
use state::command::{Command, level};
use state::directory::{Directory, KeyspaceRecord};
use state::response::Response;
use types::{Code, Fault, KeyspaceId, RegionId};

use super::Handle;
use super::commands::APPEAR;
use crate::answer::{Answer, Header};
use crate::applier::Applied;
use crate::{forward, levels, sharded};

/// How long a split may take that somebody asked for: its leader walks through the region first.
const SPLIT: Duration = Duration::from_secs(20);

impl Handle {
    /// Makes a sharded keyspace and waits until this node knows it and has its regions. It begins with one
    /// region, and one more for each key of `split_at`, which ascend. Each has so many `replicas`, as soon as
    /// there are so many nodes; 0 for one on every node.
    ///
    /// # Errors
    /// `KeyspaceExists`, `InvalidArgument`, `LimitReached`, `Unsupported` where the engine keeps nothing, and
    /// as [`Self::propose`].
    pub async fn create_sharded_keyspace(
        &self,
        name: &str,
        split_at: Vec<Bytes>,
        replicas: u32,
    ) -> Result<KeyspaceRecord, Fault> {
        self.make_sharded_keyspace(name, split_at, (replicas, false)).await
    }

    /// The same, with all of its records in memory on every node that has them: a read never looks into
    /// tables, which have them for the next start only.
    ///
    /// # Errors
    /// As [`Self::create_sharded_keyspace`]; `Unsupported` until every member knows such keyspaces.
    pub async fn create_memory_keyspace(
        &self,
        name: &str,
        split_at: Vec<Bytes>,
        replicas: u32,
    ) -> Result<KeyspaceRecord, Fault> {
        levels::settle(&self.shared, level::MEMORY_KEYSPACES).await;
        levels::must_be_used(&self.shared, level::MEMORY_KEYSPACES)?;
        self.make_sharded_keyspace(name, split_at, (replicas, true)).await
    }

    async fn make_sharded_keyspace(
        &self,
        name: &str,
        split_at: Vec<Bytes>,
        (replicas, in_memory): (u32, bool),
    ) -> Result<KeyspaceRecord, Fault> {
        if self.shared.replays {
            let detail = "sharded keyspaces need an engine that keeps its state";
            return Err(Fault::new(Code::Unsupported, detail));
        }
        let count = split_at.len() + 1;
        let command =
            Command::CreateSharded { name: name.to_owned(), split_at, replicas, in_memory };
        state::check(&command)?;
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        let applied = forward::propose(&self.shared, &meta, command).await?;
        let Response::Keyspace(record) = applied.outcome.result? else {
            return Err(Fault::new(Code::Internal, "a keyspace was asked for"));
        };
        let mut directory = self.shared.watch_directory();
        let knows =
            |directory: &std::sync::Arc<Directory>| directory.regions_of(record.id).len() >= count;
        let appears = async {
            drop(directory.wait_for(knows).await);
            self.ready(record.id).await;
        };
        drop(tokio::time::timeout(APPEAR, appears).await);
        Ok(record)
    }

    /// Has the region split that owns `at`, which is the first key of the new one; answers the new region,
    /// once the directory knows it.
    ///
    /// # Errors
    /// `Unsupported` for a keyspace that is not sharded; `InvalidArgument` where a region begins with `at`;
    /// `TooManyRequests` while another split of the region is under way; `Timeout` when it is planned and not
    /// done yet: it will be, as soon as the region has a leader.
    pub async fn split(&self, keyspace: KeyspaceId, at: Bytes) -> Result<RegionId, Fault> {
        let mut directory = self.shared.watch_directory();
        let known = self.shared.directory();
        if !known.keyspaces.contains_key(&keyspace) {
            return Err(Code::KeyspaceNotFound.into());
        }
        if !self.shared.is_sharded(keyspace) {
            return Err(Fault::new(Code::Unsupported, "only sharded keyspaces are split"));
        }
        let owner = known.regions_of(keyspace).into_iter().find(|it| it.range.contains(&at));
        let owner = owner.ok_or(Code::RegionNotFound)?;
        let (region, version) = (owner.id, owner.epoch.version);
        let command = Command::PlanSplit { region, version, at: at.clone() };
        state::check(&command)?;
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        let applied = forward::propose(&self.shared, &meta, command).await?;
        let Response::Planned(plan) = applied.outcome.result? else {
            return Err(Fault::new(Code::Internal, "a split was asked for"));
        };
        if plan.at != at {
            let detail = format!("region {region} is being split at {:?}", plan.at);
            return Err(Fault::new(Code::TooManyRequests, detail));
        }
        let is_made =
            |directory: &std::sync::Arc<Directory>| directory.regions.contains_key(&plan.child);
        match tokio::time::timeout(SPLIT, directory.wait_for(is_made)).await {
            Ok(Ok(_)) => Ok(plan.child),
            _ => Err(Fault::new(Code::Timeout, "the split is planned, and not done yet")),
        }
    }

    pub(super) async fn propose_sharded(
        &self,
        keyspace: KeyspaceId,
        command: Command,
    ) -> Result<Answer<Response>, Fault> {
        let applied = sharded::propose(&self.shared, keyspace, command).await?;
        self.answer_sharded(applied)
    }

    pub(super) fn answer_sharded(&self, applied: Applied) -> Result<Answer<Response>, Fault> {
        let header = Header {
            cluster: self.shared.directory().cluster.unwrap_or_default(),
            member: self.shared.node(),
            revision: applied.outcome.revision,
            term: applied.term,
            age: None,
        };
        Ok(Answer { header, body: applied.outcome.result? })
    }
}
