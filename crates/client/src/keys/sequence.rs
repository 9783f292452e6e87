//! Ids in steps.

use bytes::Bytes;
use proto::mvccpb::KeyValue;
use types::Code;

use super::atomic::{ATTEMPTS, contended};
use crate::call::back_off;
use crate::{Client, Error, Get, Put};

/// Ids that are given out once: a key whose value is the next one, as decimal text. Each call takes as many
/// as it wants with one round trip, as long as nobody else takes some in between.
pub struct Sequence {
    client: Client,
    key: Bytes,
    /// The next id and the revision that says so, as last heard of.
    known: (u64, i64),
}

impl Client {
    /// The sequence that is kept in `key`; it begins with 0.
    #[must_use]
    pub fn sequence(&self, key: impl Into<Bytes>) -> Sequence {
        Sequence { client: self.clone(), key: key.into(), known: (0, 0) }
    }
}

fn number(kv: Option<&KeyValue>) -> Result<(u64, i64), Error> {
    let Some(kv) = kv else { return Ok((0, 0)) };
    let text = std::str::from_utf8(&kv.value).ok().and_then(|text| text.parse().ok());
    let number = text.ok_or_else(|| {
        let message = "the key is no sequence: its value is no number".to_owned();
        Error::Server { code: Code::InvalidArgument, message }
    })?;
    Ok((number, kv.mod_revision))
}

impl Sequence {
    /// Takes `step` ids: the range's, which nobody else gets. When a server was lost on the way, ids may be
    /// left out, and never given twice.
    ///
    /// # Errors
    /// The key has something else; a step of 0 or beyond the last number; no answer; `TooManyRequests` when
    /// others were faster 100 times.
    pub async fn next(&mut self, step: u64) -> Result<std::ops::Range<u64>, Error> {
        let wrong = |what: &str| Error::Setting(what.to_owned());
        if step == 0 {
            return Err(wrong("a step takes one id at least"));
        }
        for attempt in 0..ATTEMPTS {
            let (first, revision) = self.known;
            let end = first.checked_add(step).ok_or_else(|| wrong("the sequence is at its end"))?;
            match self.client.swap(&self.key, revision, Bytes::from(end.to_string())).await {
                Ok(Ok(revision)) => {
                    self.known = (end, revision);
                    return Ok(first..end);
                }
                Ok(Err(found)) => self.known = number(found.as_ref())?,
                // Whether these ids are taken is not known, so they are nobody's.
                Err(error) if error.outcome_unknown() => {
                    let found = self.client.get(Get::key(self.key.clone())).await?;
                    self.known = number(found.kvs.first())?;
                }
                Err(error) => return Err(error),
            }
            if attempt > 1 {
                tokio::time::sleep(back_off(0) / 16).await;
            }
        }
        Err(contended())
    }

    /// The next id, without taking it.
    ///
    /// # Errors
    /// The key has something else; no answer.
    pub async fn latest(&mut self) -> Result<u64, Error> {
        let found = self.client.get(Get::key(self.key.clone())).await?;
        self.known = number(found.kvs.first())?;
        Ok(self.known.0)
    }

    /// Has the sequence go on with `next`. Ids are given twice if that is lower than they were.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn reset(&mut self, next: u64) -> Result<(), Error> {
        let written = self.client.put(Put::new(self.key.clone(), next.to_string())).await?;
        self.known = (next, written.revision);
        Ok(())
    }
}
