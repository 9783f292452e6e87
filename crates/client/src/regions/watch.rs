//! Watches over any number of regions.

use std::sync::Arc;

use proto::etcdserverpb::watch_create_request::FilterType;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::Positions;
use super::routes::range_of;
use super::share::{Common, Share, Told};
use crate::{Change, Client, Error, Span};

/// Messages of all regions that wait to be taken; then the servers wait.
const WAITING: usize = 64;
/// Streams that are opened at once.
const OPENING: usize = 32;

/// What to watch of a sharded keyspace.
#[derive(Clone, PartialEq, Debug)]
pub struct RegionsWatch {
    positions: Positions,
    filters: Vec<i32>,
}

impl RegionsWatch {
    /// The keys of `span`, from now on.
    #[must_use]
    pub fn span(span: &Span) -> Self {
        Self { positions: Positions::new(range_of(span)), filters: Vec::new() }
    }

    /// One that is gone on with, from where it was.
    #[must_use]
    pub fn resume(positions: Positions) -> Self {
        Self { positions, filters: Vec::new() }
    }

    /// Leave puts out.
    #[must_use]
    pub fn no_puts(mut self) -> Self {
        self.filters.push(FilterType::Noput.into());
        self
    }

    /// Leave deletes out.
    #[must_use]
    pub fn no_deletes(mut self) -> Self {
        self.filters.push(FilterType::Nodelete.into());
        self
    }
}

/// Changes of whole revisions of one region.
#[derive(Clone, PartialEq, Debug)]
pub struct RegionChanges {
    /// Which region they happened in.
    pub region: u64,
    /// The region's revision up to which everything was told of the part of the watch that lies in it. It
    /// says nothing of other regions.
    pub revision: i64,
    /// The changes.
    pub changes: Vec<Change>,
}

/// A running watch over a sharded keyspace. Changes of one key come in their order, each once; those of
/// keys in different regions in no order. It follows regions to whichever node has them, through splits
/// and changes of leaders.
pub struct RegionsWatcher {
    told: mpsc::Receiver<Told>,
    positions: Positions,
}

impl Client {
    /// Begins to watch a span of a sharded keyspace; answers when every region of it is watched: what is
    /// written from then on is told.
    ///
    /// # Errors
    /// An unknown keyspace, or one that is not sharded ([`types::Code::Unsupported`]: see [`Client::watch`]);
    /// an empty span; no answer. Of a watch that is gone on with, that it cannot be is told by
    /// [`RegionsWatcher::next`].
    pub async fn watch_regions(&self, wanted: RegionsWatch) -> Result<RegionsWatcher, Error> {
        let deadline = Instant::now() + self.shared.options.timeout;
        let RegionsWatch { positions, filters } = wanted;
        let parts: Vec<_> = positions.parts().collect();
        if parts.iter().any(|(range, _)| range.is_empty()) {
            return Err(Error::Setting("there is no key in the span to watch".to_owned()));
        }
        // What cannot work is said at once.
        if let Some((range, _)) = parts.first() {
            self.routes_of(range, true).await?;
        }
        let (tell, told) = mpsc::channel(WAITING);
        let opening = Semaphore::new(OPENING);
        let begun = watch::Sender::new(false);
        let client = self.clone();
        let common = Arc::new(Common { client, filters, tell, opening, begun });
        for (range, next) in parts {
            Share::new(Arc::clone(&common), range, next).spawn();
        }
        let mut watcher = RegionsWatcher { told, positions };
        while !watcher.positions.is_begun() {
            match timeout_at(deadline, watcher.told.recv()).await {
                // No changes: those wait.
                Ok(Some(Told::Changes { range, next, .. })) => {
                    watcher.positions.reach(&range, next)
                }
                Ok(Some(Told::Failed(error))) => return Err(error),
                Ok(None) | Err(_) => {
                    let after = self.shared.options.timeout;
                    return Err(Error::TimedOut { after, outcome_unknown: false, last: None });
                }
            }
        }
        common.begun.send_replace(true);
        Ok(watcher)
    }
}

impl RegionsWatcher {
    /// The next changes of some region. May be dropped and called again; nothing is lost by it.
    ///
    /// # Errors
    /// [`Error::Compacted`] when the watch was away for longer than every copy of a region remembers: read
    /// the span again, and watch anew. Another reason for which it cannot go on. Servers that are away
    /// are none: they are waited for.
    pub async fn next(&mut self) -> Result<RegionChanges, Error> {
        loop {
            match self.told.recv().await {
                Some(Told::Changes { range, region, next, changes }) => {
                    self.positions.reach(&range, next);
                    if !changes.is_empty() {
                        return Ok(RegionChanges { region, revision: next - 1, changes });
                    }
                }
                Some(Told::Failed(error)) => {
                    // What is gone on with later must not leave out what the other parts lack.
                    self.told.close();
                    return Err(error);
                }
                None => return Err(Error::Setting("the watch is over".to_owned())),
            }
        }
    }

    /// How far it is: with this, a watch goes on behind what [`Self::next`] answered last.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }
}
