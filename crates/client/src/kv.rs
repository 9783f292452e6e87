//! Reading and writing keys.

use bytes::Bytes;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::mvccpb::KeyValue;

use crate::call::{ANSWER_BYTES, Repeat};
use crate::{Age, Client, Error, Read, Span};

/// A read. Linearizable unless [`Get::read`] says otherwise.
#[derive(Clone, PartialEq, Debug)]
pub struct Get(pub(crate) pb::RangeRequest, pub(crate) Read);

/// What records are ordered by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortBy {
    /// The key, bytewise.
    Key,
    /// Puts since the key was made.
    Version,
    /// The revision that made the key.
    Create,
    /// The revision of the last put.
    Mod,
    /// The value, bytewise.
    Value,
}

impl Get {
    /// The keys of `span`.
    #[must_use]
    pub fn span(span: Span) -> Self {
        let request = pb::RangeRequest { key: span.key, range_end: span.end, ..Default::default() };
        Self(request, Read::Linearizable)
    }

    /// One key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        Self::span(Span::key(key))
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        Self::span(Span::prefix(prefix))
    }

    /// The keys from `from` up to, without, `to`; an empty `to` means to the end.
    pub fn range(from: impl Into<Bytes>, to: impl Into<Bytes>) -> Self {
        Self::span(Span::range(from, to))
    }

    /// At most so many records; 0 for all.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.0.limit = limit.into();
        self
    }

    /// As it was at this revision; 0 for now. It may be compacted away or not have happened yet.
    #[must_use]
    pub fn revision(mut self, revision: i64) -> Self {
        self.0.revision = revision;
        self
    }

    /// From the asked server's own copy, however old.
    #[must_use]
    pub fn serializable(self) -> Self {
        self.read(Read::Stale)
    }

    /// How fresh the answer must be. In a transaction, [`crate::Txn::read`] says so for all of it.
    #[must_use]
    pub fn read(mut self, read: Read) -> Self {
        self.0.serializable = read.is_stale();
        self.1 = read;
        self
    }

    /// Records without values.
    #[must_use]
    pub fn keys_only(mut self) -> Self {
        self.0.keys_only = true;
        self
    }

    /// Only how many keys there are.
    #[must_use]
    pub fn count_only(mut self) -> Self {
        self.0.count_only = true;
        self
    }

    /// In this order, smallest first.
    #[must_use]
    pub fn ascending(self, by: SortBy) -> Self {
        self.sorted(SortOrder::Ascend, by)
    }

    /// In this order, largest first.
    #[must_use]
    pub fn descending(self, by: SortBy) -> Self {
        self.sorted(SortOrder::Descend, by)
    }

    fn sorted(mut self, order: SortOrder, by: SortBy) -> Self {
        let target = match by {
            SortBy::Key => SortTarget::Key,
            SortBy::Version => SortTarget::Version,
            SortBy::Create => SortTarget::Create,
            SortBy::Mod => SortTarget::Mod,
            SortBy::Value => SortTarget::Value,
        };
        self.0.sort_order = order.into();
        self.0.sort_target = target.into();
        self
    }

    /// Only records whose last put is in these revisions, bounds included; 0 for no bound.
    #[must_use]
    pub fn modified_between(mut self, min: i64, max: i64) -> Self {
        (self.0.min_mod_revision, self.0.max_mod_revision) = (min, max);
        self
    }

    /// Only records made in these revisions, bounds included; 0 for no bound.
    #[must_use]
    pub fn created_between(mut self, min: i64, max: i64) -> Self {
        (self.0.min_create_revision, self.0.max_create_revision) = (min, max);
        self
    }
}

impl From<&'static str> for Get {
    fn from(key: &'static str) -> Self {
        Self::key(key)
    }
}

impl From<String> for Get {
    fn from(key: String) -> Self {
        Self::key(key)
    }
}

impl From<Bytes> for Get {
    fn from(key: Bytes) -> Self {
        Self::key(key)
    }
}

/// A write of one key.
#[derive(Clone, PartialEq, Debug)]
pub struct Put(pub(crate) pb::PutRequest);

impl Put {
    /// `key` gets `value`, and no lease.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self(pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() })
    }

    /// The key goes when this lease does.
    #[must_use]
    pub fn lease(mut self, lease: i64) -> Self {
        self.0.lease = lease;
        self
    }

    /// Answer the record as it was before.
    #[must_use]
    pub fn previous(mut self) -> Self {
        self.0.prev_kv = true;
        self
    }

    /// Keep the value the key has; an error if there is no key.
    #[must_use]
    pub fn keep_value(mut self) -> Self {
        self.0.ignore_value = true;
        self
    }

    /// Keep the lease the key has; an error if there is no key.
    #[must_use]
    pub fn keep_lease(mut self) -> Self {
        self.0.ignore_lease = true;
        self
    }
}

/// A removal.
#[derive(Clone, PartialEq, Debug)]
pub struct Delete(pub(crate) pb::DeleteRangeRequest);

impl Delete {
    /// The keys of `span`.
    #[must_use]
    pub fn span(span: Span) -> Self {
        Self(pb::DeleteRangeRequest { key: span.key, range_end: span.end, prev_kv: false })
    }

    /// One key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        Self::span(Span::key(key))
    }

    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        Self::span(Span::prefix(prefix))
    }

    /// Answer the records as they were before.
    #[must_use]
    pub fn previous(mut self) -> Self {
        self.0.prev_kv = true;
        self
    }
}

/// What a read found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Records {
    /// The keyspace's revision when it was read.
    pub revision: i64,
    /// The records.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit left records out.
    pub more: bool,
    /// Keys in the span, whatever limit and bounds left out.
    pub count: i64,
    /// How old a stale read is; `None` for another, or if the server does not tell.
    pub age: Option<Age>,
}

/// What became of a put.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Written {
    /// The revision of the write.
    pub revision: i64,
    /// The record as it was before, if asked for and there was one.
    pub previous: Option<KeyValue>,
}

/// What became of a delete.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Deleted {
    /// The keyspace's revision; unchanged if nothing was there.
    pub revision: i64,
    /// Keys removed.
    pub deleted: i64,
    /// The records as they were before, if asked for.
    pub previous: Vec<KeyValue>,
}

/// The revision an answer's header tells.
pub(crate) fn revision(header: Option<&pb::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}

impl From<pb::RangeResponse> for Records {
    fn from(answer: pb::RangeResponse) -> Self {
        Self {
            revision: revision(answer.header.as_ref()),
            kvs: answer.kvs,
            more: answer.more,
            count: answer.count,
            age: None,
        }
    }
}

impl From<pb::PutResponse> for Written {
    fn from(answer: pb::PutResponse) -> Self {
        Self { revision: revision(answer.header.as_ref()), previous: answer.prev_kv }
    }
}

impl From<pb::DeleteRangeResponse> for Deleted {
    fn from(answer: pb::DeleteRangeResponse) -> Self {
        Self {
            revision: revision(answer.header.as_ref()),
            deleted: answer.deleted,
            previous: answer.prev_kvs,
        }
    }
}

pub(crate) fn service(channel: tonic::transport::Channel) -> KvClient<tonic::transport::Channel> {
    KvClient::new(channel).max_decoding_message_size(ANSWER_BYTES)
}

impl Client {
    /// Reads.
    ///
    /// # Errors
    /// A revision that is compacted or has not happened; an unknown keyspace; no answer.
    pub async fn get(&self, get: impl Into<Get>) -> Result<Records, Error> {
        let Get(message, read) = get.into();
        let key = message.key.clone();
        let answer =
            self.read_at(&key, Repeat::Always, read, message, |channel, request| async move {
                service(channel).range(request).await
            });
        let (answer, age) = answer.await?;
        Ok(Records { age, ..answer.into() })
    }

    /// Writes one key.
    ///
    /// # Errors
    /// An unknown lease or keyspace; too large; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn put(&self, put: Put) -> Result<Written, Error> {
        let (key, (repeat, _open)) = (put.0.key.clone(), self.write_repeat().await);
        let answer = self.call_at(&key, repeat, put.0, |channel, request| async move {
            service(channel).put(request).await
        });
        Ok(answer.await?.into())
    }

    /// Removes keys.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn delete(&self, delete: Delete) -> Result<Deleted, Error> {
        let (key, (repeat, _open)) = (delete.0.key.clone(), self.write_repeat().await);
        let answer = self.call_at(&key, repeat, delete.0, |channel, request| async move {
            service(channel).delete_range(request).await
        });
        Ok(answer.await?.into())
    }

    /// Makes everything before `revision` unreadable and, with `physical`, answers only when its
    /// space was given back.
    ///
    /// # Errors
    /// A revision that is compacted already or has not happened; no answer.
    pub async fn compact(&self, revision: i64, physical: bool) -> Result<(), Error> {
        let message = pb::CompactionRequest { revision, physical };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            service(channel).compact(request).await
        });
        answer.await.map(drop)
    }
}
