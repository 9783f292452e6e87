use proto::mvccpb::KeyValue;

use types::Code;

use crate::{Client, Error, Get, SortBy, Span};

/// Records of the first page, while nothing is known of their size.
const FIRST: u32 = 100;
/// Records of a page at most.
const MOST: u32 = 5_000;
/// Bytes a page should have.
const PAGE_BYTES: usize = 1 << 20;

/// A long read in pages, all of one revision where there is such: see [`Client::pages`].
pub struct Pages {
    client: Client,
    get: Get,
    /// What is not read yet; `None` at the end.
    rest: Option<Span>,
    reverse: bool,
    /// Records still wanted; `None` for all.
    wanted: Option<u64>,
    limit: u32,
    revision: i64,
    /// Each page is as of its own moment.
    is_loose: bool,
    /// Records read.
    read: i64,
    count: Option<i64>,
    more: bool,
}

impl Client {
    /// Reads `get`'s span in order of the keys, backwards with `reverse`, at most `limit` records,
    /// in pages of about a mebibyte. `get`'s own limit and order do not count. All are of one revision,
    /// but in a sharded keyspace, which keeps none: there each page is as of its own moment.
    #[must_use]
    pub fn pages(&self, get: Get, reverse: bool, limit: Option<u64>) -> Pages {
        let rest = Span { key: get.0.key.clone(), end: get.0.range_end.clone() };
        Pages {
            client: self.clone(),
            revision: get.0.revision,
            get,
            rest: Some(rest),
            reverse,
            wanted: limit,
            limit: FIRST,
            is_loose: false,
            read: 0,
            count: None,
            more: false,
        }
    }
}

impl Pages {
    /// The next records; `None` when there are no more.
    ///
    /// # Errors
    /// As [`Client::get`]. A scan slower than compaction ends with a compacted revision.
    pub async fn next(&mut self) -> Result<Option<Vec<KeyValue>>, Error> {
        let Some(rest) = self.rest.take() else { return Ok(None) };
        let wanted = self.wanted.map(|wanted| u32::try_from(wanted).unwrap_or(u32::MAX));
        let limit = wanted.unwrap_or(MOST).min(self.limit);
        // Wanting none is no way to ask for all; one record tells what there is to tell.
        let revision = if self.is_loose { self.get.0.revision } else { self.revision };
        let mut get = self.get.clone().limit(limit.max(1)).revision(revision);
        (get.0.key, get.0.range_end) = (rest.key.clone(), rest.end.clone());
        if self.reverse {
            get = get.descending(SortBy::Key);
        } else {
            get = get.ascending(SortBy::Key);
        }
        let is_pinned = self.get.0.revision == 0 && self.revision != 0 && !self.is_loose;
        let mut answer = match self.client.get(get.clone()).await {
            // The keyspace is sharded, and lies in several regions or was written to since.
            Err(error) if is_pinned && error.code() == Some(Code::Unsupported) => {
                self.is_loose = true;
                self.client.get(get.revision(0)).await?
            }
            answer => answer?,
        };
        if limit == 0 {
            answer.more = !answer.kvs.is_empty();
            answer.kvs.clear();
        }
        if self.revision == 0 || self.is_loose {
            self.revision = self.revision.max(answer.revision);
        }
        // A sharded keyspace counts no further than it reads.
        self.read += i64::try_from(answer.kvs.len()).unwrap_or(i64::MAX);
        let known = self.count.unwrap_or(answer.count);
        self.count = Some(known.max(self.read + i64::from(answer.more)));
        self.wanted = self.wanted.map(|wanted| wanted.saturating_sub(answer.kvs.len() as u64));
        self.more = answer.more;
        let last = answer.kvs.last().filter(|_| answer.more && self.wanted != Some(0));
        self.rest = last.map(|last| match self.reverse {
            true => rest.before(last.key.clone()),
            false => rest.after(&last.key),
        });
        self.limit = next_limit(&answer.kvs);
        Ok(Some(answer.kvs))
    }

    /// The revision read at, the highest if there were several; 0 before the first page, if none was
    /// asked for.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Keys in the whole span, in a sharded keyspace those known so far; `None` before the first page.
    #[must_use]
    pub fn count(&self) -> Option<i64> {
        self.count
    }

    /// Whether there are records after those that were read.
    #[must_use]
    pub fn more(&self) -> bool {
        self.more
    }
}

/// So many records that a page has about [`PAGE_BYTES`], if the next are like these.
fn next_limit(kvs: &[KeyValue]) -> u32 {
    let bytes: usize = kvs.iter().map(|kv| kv.key.len() + kv.value.len() + 32).sum();
    let fitting = PAGE_BYTES.saturating_mul(kvs.len()) / bytes.max(1);
    u32::try_from(fitting).unwrap_or(MOST).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::mvccpb::KeyValue;

    use super::{MOST, next_limit};

    #[test]
    fn pages_shrink_with_large_values_and_grow_with_small_ones() {
        let records = |bytes: usize| {
            let value = Bytes::from(vec![0; bytes]);
            vec![KeyValue { value, ..KeyValue::default() }; 10]
        };
        assert_eq!(next_limit(&records(1 << 21)), 1);
        assert_eq!(next_limit(&records((1 << 18) - 32)), 4);
        assert_eq!(next_limit(&records(0)), MOST);
        assert_eq!(next_limit(&[]), 1);
    }
}
