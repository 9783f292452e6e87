//! Writes of many keys: whole in each region, and told for each.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::groups::{ROUNDS, is_across, requests};
use super::many::AT_ONCE;
use crate::{Client, Delete, Error, Operation, Put, Txn};

/// One write of a batch.
#[derive(Clone, PartialEq, Debug)]
pub enum Write {
    /// Writes a key.
    Put(Put),
    /// Removes one.
    Delete(Bytes),
}

impl Write {
    pub(super) fn key(&self) -> &Bytes {
        match self {
            Self::Put(put) => &put.0.key,
            Self::Delete(key) => key,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Put(put) => put.0.key.len() + put.0.value.len() + 32,
            Self::Delete(key) => key.len() + 32,
        }
    }

    fn operation(self) -> Operation {
        match self {
            Self::Put(put) => Operation::Put(put),
            Self::Delete(key) => Operation::Delete(Delete::key(key)),
        }
    }
}

/// Writes that were carried out together, or not at all.
#[derive(Debug)]
pub struct BatchPart {
    /// Their keys.
    pub keys: Vec<Bytes>,
    /// The revision of the writes; or why they were not carried out, or that it is unknown
    /// ([`Error::outcome_unknown`]).
    pub outcome: Result<i64, Error>,
}

impl Client {
    /// Carries out writes of any number of keys; of several of one key the last counts. It is not all or
    /// nothing: those of one region, at most 128 and a mebibyte, are a part that is, and what became of each
    /// part is told.
    pub async fn write_batch(&self, writes: impl IntoIterator<Item = Write>) -> Vec<BatchPart> {
        let last: BTreeMap<Bytes, Write> =
            writes.into_iter().map(|write| (write.key().clone(), write)).collect();
        let mut left: Vec<Write> = last.into_values().collect();
        let mut done = Vec::new();
        for round in 0.. {
            let groups = self.by_region(left, Write::key, round > 0).await;
            let parts = groups.into_iter().flat_map(|group| requests(group, Write::size));
            let told = stream::iter(parts.collect::<Vec<_>>()).map(|part| async move {
                let operations = part.iter().cloned().map(Write::operation);
                let outcome = self.txn(Txn::new().then(operations)).await;
                (part, outcome.map(|outcome| outcome.revision))
            });
            let told: Vec<_> = told.buffer_unordered(AT_ONCE).collect().await;
            left = Vec::new();
            for (part, outcome) in told {
                // They were not carried out: a region was split between them.
                if outcome.as_ref().is_err_and(is_across) && part.len() > 1 && round < ROUNDS {
                    left.extend(part);
                    continue;
                }
                let keys = part.iter().map(|write| write.key().clone()).collect();
                done.push(BatchPart { keys, outcome });
            }
            if left.is_empty() {
                break;
            }
            self.settle(round).await;
        }
        done
    }
}
