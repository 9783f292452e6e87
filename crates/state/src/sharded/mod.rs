//! A region of a sharded keyspace: a share of its keys that can be split in two without touching a
//! record of them. Records lie by keyspace and key, not by region, so what a split changes is who owns
//! which. Only the newest version of a key is kept: no history, so no compaction, and no index in memory.

mod apply;
pub mod farewell;
mod lens;
mod read;
mod record;
mod shape;
mod span;
mod split;
mod txn;

use std::collections::BTreeMap;

use bytes::Bytes;
use types::{KeyRange, Revision};

pub(crate) use apply::Stage;
pub use apply::ordered_only;
pub(crate) use lens::Lens;
pub use read::{Measure, measure};
pub(crate) use read::{Plan, plan};
pub(crate) use record::decode as decode_newest;
pub use shape::Shape;
pub use span::span;
pub(crate) use split::Order;
pub use split::Split;

/// What the directory and nodes know the kind of machine by.
pub const MACHINE: &str = "sharded";
/// Bytes in a key: the engine's limit less what is put in front.
pub const KEY_BYTES: usize = 65_526;
/// Bytes in a key that a region begins with: a snapshot on its way is remembered under it, behind more than
/// is in front of a key.
pub const SPLIT_KEY_BYTES: usize = KEY_BYTES - 9;

/// What was written and is not in the engine yet, by engine key; `None` for what was removed.
pub(crate) type Unwritten = BTreeMap<Bytes, Option<Bytes>>;

/// The state of such a region that is not in records of keys.
pub(crate) struct Sharded {
    /// `None` before the first snapshot of a replica that began with nothing.
    pub(crate) shape: Option<Shape>,
    pub(crate) unwritten: Unwritten,
    /// The newest revision of the region.
    pub(crate) revision: Revision,
    /// The machine of a region that was split off, until somebody takes it.
    pub(crate) child: Option<Box<crate::Machine>>,
    /// Whether commands for keys of other regions are refused; always, outside tests.
    pub(crate) checked: bool,
}

impl Sharded {
    pub(crate) fn new(shape: Option<Shape>, revision: Revision) -> Self {
        Self { shape, unwritten: Unwritten::new(), revision, child: None, checked: true }
    }

    /// Whether all of `range` is the region's.
    pub(crate) fn owns(&self, range: &KeyRange) -> bool {
        !self.checked || self.shape.as_ref().is_some_and(|shape| shape.range.covers(range))
    }
}
