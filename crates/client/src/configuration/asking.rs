use bytes::Bytes;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::config_client::ConfigClient;
use tonic::transport::Channel;

use super::{ConfigReader, ConfigurationName};
use crate::call::{ANSWER_BYTES, Repeat};
use crate::{Client, Error};

pub(super) fn service(channel: Channel) -> ConfigClient<Channel> {
    ConfigClient::new(channel).max_decoding_message_size(ANSWER_BYTES)
}

/// Asks a method of the service.
macro_rules! ask {
    ($client:expr, $repeat:ident, $method:ident, $message:expr) => {
        $client.call(Repeat::$repeat, $message, |channel, request| async move {
            $crate::configuration::asking::service(channel).$method(request).await
        })
    };
}
pub(super) use ask;

/// What is to become a version.
#[derive(Clone, Debug, Default)]
pub struct Release {
    /// At most 1 MiB of UTF-8.
    pub content: Bytes,
    /// What it is written in.
    pub content_type: pb::ConfigContentType,
    /// What is said about it.
    pub comment: String,
    /// The version that is to be current now, else nothing is made; 0 for a configuration that is not to be
    /// there.
    pub expected: Option<u64>,
    /// How many versions are kept from now on.
    pub keep: Option<u32>,
}

impl Release {
    pub(super) fn content(&self) -> Option<pb::ConfigContent> {
        Some(pb::ConfigContent {
            content: self.content.clone(),
            content_type: self.content_type.into(),
            comment: self.comment.clone(),
        })
    }
}

/// A configuration, there or not.
#[derive(Clone)]
pub struct Configuration {
    pub(super) client: Client,
    pub(super) name: ConfigurationName,
}

impl Client {
    /// The configuration called `NAME`, `GROUP/NAME` or `NAMESPACE/GROUP/NAME`.
    #[must_use]
    pub fn configuration(&self, name: impl Into<ConfigurationName>) -> Configuration {
        Configuration { client: self.clone(), name: name.into() }
    }

    /// Some configurations, by namespace, group and name.
    ///
    /// # Errors
    /// What cannot be names; no answer.
    pub async fn configurations(
        &self,
        request: pb::ListConfigsRequest,
    ) -> Result<pb::ListConfigsResponse, Error> {
        ask!(self, Always, list, request).await
    }

    /// Says what contents have to be, from now on, by JSON Schema; empty for anything. Without a name it is
    /// for the whole group. Answers how many contents were held against it.
    ///
    /// # Errors
    /// It is no schema, or what is current is not allowed by it; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn set_schema(&self, of: &ConfigurationName, schema: &str) -> Result<u32, Error> {
        let request = pb::SetSchemaRequest { name: Some(of.into()), schema: schema.to_owned() };
        // The same once more.
        Ok(ask!(self, Always, set_schema, request).await?.checked)
    }

    /// What contents have to be; empty for anything.
    ///
    /// # Errors
    /// No answer.
    pub async fn schema(&self, of: &ConfigurationName) -> Result<pb::GetSchemaResponse, Error> {
        ask!(self, Always, get_schema, pb::GetSchemaRequest { name: Some(of.into()) }).await
    }
}

impl Configuration {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ConfigurationName {
        &self.name
    }

    pub(super) fn named(&self) -> Option<pb::ConfigName> {
        Some((&self.name).into())
    }

    /// What this reader gets.
    ///
    /// # Errors
    /// There is no such configuration; no answer.
    pub async fn get(&self, reader: &ConfigReader) -> Result<pb::GetConfigResponse, Error> {
        self.read(reader, false).await
    }

    /// The same, by whichever copy is at hand, however old.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_stale(&self, reader: &ConfigReader) -> Result<pb::GetConfigResponse, Error> {
        self.read(reader, true).await
    }

    async fn read(
        &self,
        reader: &ConfigReader,
        stale: bool,
    ) -> Result<pb::GetConfigResponse, Error> {
        let request =
            pb::GetConfigRequest { name: self.named(), client: Some(reader.into()), stale };
        ask!(self.client, Always, get, request).await
    }

    /// A version that is kept, with its content.
    ///
    /// # Errors
    /// It is not kept; no answer.
    pub async fn version(&self, version: u64) -> Result<pb::GetVersionResponse, Error> {
        let request = pb::GetVersionRequest { name: self.named(), version };
        ask!(self.client, Always, get_version, request).await
    }

    /// The versions that are kept, the newest first: `limit` of those below `before`, where 0 stands for all.
    ///
    /// # Errors
    /// There is no such configuration; no answer.
    pub async fn history(&self, before: u64, limit: u32) -> Result<pb::HistoryResponse, Error> {
        let request = pb::HistoryRequest { name: self.named(), before, limit };
        ask!(self.client, Always, history, request).await
    }

    /// What differs between two versions, in the unified format. 0 for the stable one, and for the one before
    /// `to`.
    ///
    /// # Errors
    /// One of them is not kept; no answer.
    pub async fn diff(&self, from: u64, to: u64) -> Result<pb::DiffResponse, Error> {
        let request = pb::DiffRequest { name: self.named(), from, to };
        ask!(self.client, Always, diff, request).await
    }

    /// Makes a version that everybody gets.
    ///
    /// # Errors
    /// It is not as expected; a gray release is under way; the content is not allowed; no answer, and then
    /// perhaps [`Error::outcome_unknown`].
    pub async fn release(&self, release: &Release) -> Result<pb::ReleaseResponse, Error> {
        let request = pb::ReleaseRequest {
            name: self.named(),
            content: release.content(),
            expected: release.expected,
            keep: release.keep,
        };
        // With what it expects, a second one would be told that it came too late, by the first.
        ask!(self.client, IfNotDone, release, request).await
    }

    /// Makes a version with the content of an older one; of 0, of the one that everybody got before.
    ///
    /// # Errors
    /// It is not kept, and as [`Self::release`].
    pub async fn rollback(
        &self,
        to: u64,
        comment: &str,
        expected: Option<u64>,
    ) -> Result<pb::ReleaseResponse, Error> {
        let comment = comment.to_owned();
        let request = pb::RollbackRequest { name: self.named(), to, comment, expected };
        ask!(self.client, IfNotDone, rollback, request).await
    }

    /// Removes it, with all its versions and its schema.
    ///
    /// # Errors
    /// There is no such configuration; it is not as expected; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn delete(&self, expected: Option<u64>) -> Result<(), Error> {
        let request = pb::DeleteConfigRequest { name: self.named(), expected };
        ask!(self.client, IfNotDone, delete, request).await.map(drop)
    }
}
