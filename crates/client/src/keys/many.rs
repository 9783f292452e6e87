//! Reads of many keys, and removals of a span over many regions.

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use proto::mvccpb::KeyValue;
use types::KeyRange;

use super::atomic::found;
use super::groups::{ROUNDS, is_across, requests};
use crate::regions::{range_of, span_of};
use crate::{Client, Delete, Error, Get, Operation, Read, Span, Txn};

/// Requests under way at once.
pub(super) const AT_ONCE: usize = 16;

/// What became of a removal in one region.
#[derive(Debug)]
pub struct DeletedPart {
    /// The keys of the span that lie in the region.
    pub span: Span,
    /// How many there were and are no more; whether they were removed may be unknown
    /// ([`Error::outcome_unknown`]).
    pub outcome: Result<i64, Error>,
}

impl Client {
    /// Reads keys, in the order they are given; `None` for one that is not there. At most 128 keys of one
    /// region are read as of one moment.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn multi_get(
        &self,
        keys: impl IntoIterator<Item = Bytes>,
        read: Read,
    ) -> Result<Vec<Option<KeyValue>>, Error> {
        let mut left: Vec<(usize, Bytes)> = keys.into_iter().enumerate().collect();
        let mut answers = vec![None; left.len()];
        for round in 0.. {
            let groups = self.by_region(left, |(_, key)| key, round > 0).await;
            let parts = groups.into_iter().flat_map(|group| requests(group, |(_, key)| key.len()));
            let asked = stream::iter(parts.collect::<Vec<_>>()).map(|part| async move {
                let gets =
                    part.iter().map(|(_, key)| Operation::Get(Get::key(key.clone()).read(read)));
                match self.txn(Txn::new().then(gets).read(read)).await {
                    Ok(outcome) => Ok((part, Some(found(outcome)))),
                    // One key alone lies in one region.
                    Err(error) if is_across(&error) && part.len() > 1 && round < ROUNDS => {
                        Ok((part, None))
                    }
                    Err(error) => Err(error),
                }
            });
            let told: Vec<_> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
            left = Vec::new();
            for (part, found) in told {
                let Some(found) = found else {
                    left.extend(part);
                    continue;
                };
                for ((at, _), kv) in part.into_iter().zip(found) {
                    answers[at] = kv;
                }
            }
            if left.is_empty() {
                break;
            }
            self.settle(round).await;
        }
        Ok(answers)
    }

    /// Removes the keys of a span that may lie in many regions: whole in each of them, one after the other.
    /// What became of each part is told, in the order of keys; after one that failed no other is tried.
    ///
    /// # Errors
    /// When it cannot be found out which regions there are: then nothing was done.
    pub async fn delete_regions(&self, span: Span) -> Result<Vec<DeletedPart>, Error> {
        let mut parts = Vec::new();
        let mut rest = range_of(&span);
        let mut round = 0;
        while !rest.is_empty() {
            let routes = match self.routes_of(&rest, round > 0).await {
                Ok(routes) => routes,
                Err(error) if parts.is_empty() => return Err(error),
                Err(error) => {
                    parts.push(DeletedPart { span: span_of(&rest), outcome: Err(error) });
                    return Ok(parts);
                }
            };
            let Some(range) = routes.into_iter().next().map(|route| route.range) else { break };
            let outcome = self.delete(Delete::span(span_of(&range))).await;
            if outcome.as_ref().is_err_and(is_across) && round < ROUNDS {
                self.settle(round).await;
                round += 1;
                continue;
            }
            round = 0;
            let outcome = outcome.map(|deleted| deleted.deleted);
            let failed = outcome.is_err();
            parts.push(DeletedPart { span: span_of(&range), outcome });
            match range.end {
                Some(end) if !failed => rest = KeyRange { start: end, end: rest.end },
                _ => break,
            }
        }
        Ok(parts)
    }
}
