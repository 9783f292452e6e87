//! Where a watch reads what it missed.

use state::response::{Event, KeyValue, Position};
use types::{Fault, KeyRange, RegionId, Revision};

/// The kept history of the regions on this node. Never asked by the applier, and never with a lock of
/// the hub held. [`Self::page`] and [`Self::record`] are called on threads that may block, several at
/// once; [`Self::revision`] and [`Self::compacted`] also where nothing may take long.
pub trait History: Send + Sync {
    /// The newest revision applied; never lower than one that was published.
    fn revision(&self, region: RegionId) -> Revision;

    /// The oldest revision whose events are all kept (etcd's "compact revision"): a watch may start
    /// here, and may not start below. 0 or 1 if nothing was ever compacted.
    fn compacted(&self, region: RegionId) -> Revision;

    /// The events of whole revisions, from `from` on, at most up to `to`, whose keys lie in `range`,
    /// in order.
    ///
    /// Stops after the revision with which `max_bytes` (see [`event_bytes`]) are reached, so that one
    /// revision comes whole however large it is. May stop sooner, after any revision, even with
    /// nothing found, to bound the work of one call; but [`Page::next`] must be above `from`.
    ///
    /// # Errors
    /// `Compacted` if `from` is below [`Self::compacted`] when the read ends; whatever the engine
    /// fails with.
    fn page(
        &self,
        region: RegionId,
        from: Revision,
        to: Revision,
        range: &KeyRange,
        max_bytes: usize,
    ) -> Result<Page, Fault>;

    /// One version of one record; `None` if it was compacted away.
    ///
    /// # Errors
    /// Whatever the engine fails with.
    fn record(&self, region: RegionId, position: Position) -> Result<Option<KeyValue>, Fault>;
}

/// A piece of history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The events, in order.
    pub events: Vec<Event>,
    /// The first revision not looked at.
    pub next: Revision,
}

/// What an event counts for in every bound on bytes: its payload and about what it costs in memory.
#[must_use]
pub fn event_bytes(kv: &KeyValue) -> usize {
    kv.key.len() + kv.value.len() + kv.session.len() + 256
}
