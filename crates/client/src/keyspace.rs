use bytes::Bytes;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::keyspaces_client::KeyspacesClient;

use crate::call::Repeat;
use crate::{Client, Error};

impl Client {
    /// Makes an ordered keyspace.
    ///
    /// # Errors
    /// The name is taken, empty or too long; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn create_keyspace(&self, name: impl Into<String>) -> Result<pb::Keyspace, Error> {
        let message = pb::CreateKeyspaceRequest { name: name.into(), ..Default::default() };
        self.make_keyspace(message).await
    }

    /// Makes a sharded keyspace, whose keys are spread over regions that split as they grow; with `split_at`,
    /// keys in ascending order, it has several from the beginning. Each has so many `replicas` as soon as
    /// there are so many servers: `None` for 3, 0 for one on every server.
    ///
    /// # Errors
    /// As [`Self::create_keyspace`]; split keys that do not ascend.
    pub async fn create_sharded_keyspace(
        &self,
        name: impl Into<String>,
        split_at: Vec<Bytes>,
        replicas: Option<u32>,
    ) -> Result<pb::Keyspace, Error> {
        self.make_sharded(name.into(), split_at, replicas, false).await
    }

    /// The same, with all of its records in memory on the servers that have them; their disks have them for
    /// the next start only. What is written is as durable as elsewhere.
    ///
    /// # Errors
    /// As [`Self::create_sharded_keyspace`]; a server that does not know such keyspaces yet.
    pub async fn create_memory_keyspace(
        &self,
        name: impl Into<String>,
        split_at: Vec<Bytes>,
        replicas: Option<u32>,
    ) -> Result<pb::Keyspace, Error> {
        self.make_sharded(name.into(), split_at, replicas, true).await
    }

    async fn make_sharded(
        &self,
        name: String,
        split_at: Vec<Bytes>,
        replicas: Option<u32>,
        in_memory: bool,
    ) -> Result<pb::Keyspace, Error> {
        let sharded = true;
        let message = pb::CreateKeyspaceRequest { name, sharded, split_at, replicas, in_memory };
        self.make_keyspace(message).await
    }

    async fn make_keyspace(
        &self,
        message: pb::CreateKeyspaceRequest,
    ) -> Result<pb::Keyspace, Error> {
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            KeyspacesClient::new(channel).create(request).await
        });
        answer.await?.keyspace.ok_or(Error::Malformed("a keyspace was made, but which is missing"))
    }

    /// The regions of a keyspace in the order of their keys, as the asked server knows them.
    ///
    /// # Errors
    /// No such keyspace; no answer.
    pub async fn keyspace_regions(
        &self,
        keyspace: impl Into<String>,
    ) -> Result<Vec<pb::KeyspaceRegion>, Error> {
        let message = pb::KeyspaceRegionsRequest { keyspace: keyspace.into() };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            KeyspacesClient::new(channel).regions(request).await
        });
        Ok(answer.await?.regions)
    }

    /// Splits the region of a sharded keyspace that owns `at`, which is the first key of the new one; answers
    /// the new region.
    ///
    /// # Errors
    /// The keyspace is not sharded, a region begins with `at`, another split of the region is under way; no
    /// answer, and then perhaps [`Error::outcome_unknown`].
    pub async fn split(
        &self,
        keyspace: impl Into<String>,
        at: impl Into<Bytes>,
    ) -> Result<u64, Error> {
        let message = pb::SplitRequest { keyspace: keyspace.into(), at: at.into() };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            KeyspacesClient::new(channel).split(request).await
        });
        Ok(answer.await?.region)
    }

    /// The keyspaces, by id, as the asked server knows them.
    ///
    /// # Errors
    /// No answer.
    pub async fn keyspaces(&self) -> Result<Vec<pb::Keyspace>, Error> {
        let message = pb::ListKeyspacesRequest {};
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            KeyspacesClient::new(channel).list(request).await
        });
        Ok(answer.await?.keyspaces)
    }
}
