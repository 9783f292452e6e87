//! Conditional writes of one key, or of several in one region.

use bytes::{Bytes, BytesMut};
use proto::mvccpb::KeyValue;
use types::Code;

use crate::call::back_off;
use crate::{Client, Compare, Error, Get, Operation, Put, Relation, Txn, TxnOutcome, TxnResult};

/// How often a write is tried that others get in the way of.
pub(super) const ATTEMPTS: u32 = 100;

/// What became of a conditional write.
#[derive(Clone, PartialEq, Debug)]
pub enum Swap {
    /// It was done, at this revision.
    Done(i64),
    /// A value is another one than expected, and nothing was done: what there is of each key.
    Differs(Vec<Option<KeyValue>>),
}

/// That `key` has this value; `None` that there is no key.
fn has(key: &Bytes, expected: Option<Bytes>) -> Compare {
    match expected {
        Some(value) => Compare::value(key.clone(), Relation::Equal, value),
        None => Compare::create_revision(key.clone(), Relation::Equal, 0),
    }
}

/// What a transaction's reads of single keys found.
pub(super) fn found(outcome: TxnOutcome) -> Vec<Option<KeyValue>> {
    let found = outcome.results.into_iter().map(|result| match result {
        TxnResult::Get(records) => records.kvs.into_iter().next(),
        _ => None,
    });
    found.collect()
}

/// Whoever writes without pause gets in the way of all others.
pub(super) fn contended() -> Error {
    let message = format!("others wrote the key at the same time, {ATTEMPTS} times in a row");
    Error::Server { code: Code::TooManyRequests, message }
}

impl Client {
    /// Whether there is a key.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn contains(&self, key: impl Into<Bytes>) -> Result<bool, Error> {
        Ok(self.get(Get::key(key).count_only()).await?.count > 0)
    }

    /// Writes a key that is not there; answers the record that is, if there is one, and then nothing was
    /// done.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn put_if_absent(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<Option<KeyValue>, Error> {
        match self.compare_and_put(key, None, value).await? {
            Swap::Done(_) => Ok(None),
            Swap::Differs(mut found) => Ok(found.pop().flatten()),
        }
    }

    /// Writes a key; answers the record as it was before.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn get_and_put(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<Option<KeyValue>, Error> {
        Ok(self.put(Put::new(key, value).previous()).await?.previous)
    }

    /// Writes a key that has the value `expected`; `None`: that is not there.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn compare_and_put(
        &self,
        key: impl Into<Bytes>,
        expected: Option<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<Swap, Error> {
        self.compare_and_put_all([(key.into(), expected, value.into())]).await
    }

    /// Writes all keys, each given with the value it must have and the one it gets, or none.
    ///
    /// # Errors
    /// As [`Client::put`]; more than 128 keys; in a sharded keyspace, keys of several regions
    /// ([`Code::Unsupported`]).
    pub async fn compare_and_put_all(
        &self,
        entries: impl IntoIterator<Item = (Bytes, Option<Bytes>, Bytes)>,
    ) -> Result<Swap, Error> {
        let mut txn = Txn::new();
        for (key, expected, value) in entries {
            txn = txn
                .when([has(&key, expected)])
                .then([Operation::Put(Put::new(key.clone(), value))])
                .otherwise([Operation::Get(Get::key(key))]);
        }
        let outcome = self.txn(txn).await?;
        Ok(match outcome.succeeded {
            true => Swap::Done(outcome.revision),
            false => Swap::Differs(found(outcome)),
        })
    }

    /// Puts `more` behind the value of a key, with `between` in between; a key that is not there gets `more`.
    /// Takes one round trip where there is no key, two where there is, and one more for each write of others
    /// that comes in between. Answers the revision.
    ///
    /// # Errors
    /// As [`Client::put`]; [`Code::TooManyRequests`] after 100 writes of others.
    pub async fn append(
        &self,
        key: impl Into<Bytes>,
        between: impl AsRef<[u8]>,
        more: impl AsRef<[u8]>,
    ) -> Result<i64, Error> {
        let (key, between, more) = (key.into(), between.as_ref(), more.as_ref());
        let mut known: Option<KeyValue> = None;
        for attempt in 0..ATTEMPTS {
            let mut value = BytesMut::new();
            if let Some(known) = &known {
                value.extend_from_slice(&known.value);
                value.extend_from_slice(between);
            }
            value.extend_from_slice(more);
            let revision = known.as_ref().map_or(0, |known| known.mod_revision);
            match self.swap(&key, revision, value.freeze()).await? {
                Ok(revision) => return Ok(revision),
                Err(found) => known = found,
            }
            if attempt > 1 {
                tokio::time::sleep(back_off(0) / 16).await;
            }
        }
        Err(contended())
    }

    /// Writes a key that was last written at `revision`, 0 for not there; answers the revision, or what there
    /// is.
    pub(super) async fn swap(
        &self,
        key: &Bytes,
        revision: i64,
        value: Bytes,
    ) -> Result<Result<i64, Option<KeyValue>>, Error> {
        let txn = Txn::new()
            .when([Compare::mod_revision(key.clone(), Relation::Equal, revision)])
            .then([Operation::Put(Put::new(key.clone(), value))])
            .otherwise([Operation::Get(Get::key(key.clone()))]);
        let outcome = self.txn(txn).await?;
        Ok(match outcome.succeeded {
            true => Ok(outcome.revision),
            false => Err(found(outcome).pop().flatten()),
        })
    }
}
