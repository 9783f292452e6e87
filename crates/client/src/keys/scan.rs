//! Scans over regions, in either direction.

use bytes::Bytes;
use proto::mvccpb::KeyValue;
use types::KeyRange;

use super::groups::{ROUNDS, is_across};
use crate::regions::{range_of, span_of};
use crate::{Client, Error, Get, Pages, Span};

/// A long read in pages over the regions of a sharded keyspace; each page is of one region, and as of its own
/// moment. See [`Client::scan_regions`].
pub struct RegionPages {
    client: Client,
    get: Get,
    reverse: bool,
    rest: KeyRange,
    /// The region being read, and its keys.
    current: Option<(KeyRange, Pages)>,
    /// How often a split was met since the last page.
    round: u32,
}

impl Client {
    /// Reads `get`'s span in order of the keys, backwards with `reverse`, region by region: unlike
    /// [`Client::pages`], also backwards over many. `get`'s own limit, order and revision do not count.
    #[must_use]
    pub fn scan_regions(&self, get: Get, reverse: bool) -> RegionPages {
        let span = Span { key: get.0.key.clone(), end: get.0.range_end.clone() };
        let (client, get, rest) = (self.clone(), get.revision(0), range_of(&span));
        RegionPages { client, get, reverse, rest, current: None, round: 0 }
    }
}

impl RegionPages {
    /// The next records; `None` when there are no more.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn next(&mut self) -> Result<Option<Vec<KeyValue>>, Error> {
        loop {
            let Some((range, mut pages)) = self.current.take() else {
                if self.rest.is_empty() {
                    return Ok(None);
                }
                self.begin().await?;
                continue;
            };
            match pages.next().await {
                Ok(Some(kvs)) => {
                    self.round = 0;
                    match (kvs.last(), pages.more()) {
                        (Some(last), true) => {
                            let last = last.key.clone();
                            self.pass(&last);
                            self.current = Some((range, pages));
                        }
                        _ => self.leave(&range),
                    }
                    if !kvs.is_empty() {
                        return Ok(Some(kvs));
                    }
                }
                Ok(None) => self.leave(&range),
                // The region was split meanwhile.
                Err(error) if is_across(&error) && self.round < ROUNDS => {
                    self.client.settle(self.round).await;
                    self.round += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Turns to the first region of what is left.
    async fn begin(&mut self) -> Result<(), Error> {
        let routes = self.client.routes_of(&self.rest, self.round > 0).await?;
        let route =
            if self.reverse { routes.into_iter().next_back() } else { routes.into_iter().next() };
        let range = route.map_or_else(KeyRange::default, |route| route.range);
        let mut get = self.get.clone();
        let Span { key, end } = span_of(&range);
        (get.0.key, get.0.range_end) = (key, end);
        let pages = self.client.pages(get, self.reverse, None);
        self.current = Some((range, pages));
        Ok(())
    }

    /// Everything up to `key` was read.
    fn pass(&mut self, key: &Bytes) {
        match self.reverse {
            true => self.rest.end = Some(key.clone()),
            false => self.rest.start = KeyRange::single(key).end.unwrap_or_default(),
        }
    }

    /// All of a region was read.
    fn leave(&mut self, range: &KeyRange) {
        let nothing = KeyRange { start: Bytes::new(), end: Some(Bytes::new()) };
        self.rest = match (self.reverse, &range.end) {
            (true, _) if range.start <= self.rest.start => nothing,
            (true, _) => {
                KeyRange { start: self.rest.start.clone(), end: Some(range.start.clone()) }
            }
            (false, None) => nothing,
            (false, Some(end)) => KeyRange { start: end.clone(), end: self.rest.end.clone() },
        };
    }
}
