//! The regions of a directory. There may be 10,000 of them, on every node more than once: in the machine that
//! changes them, and in each copy that is read. So copies share the records that are the same.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

use types::RegionId;

use super::RegionRecord;

/// Regions by their numbers; `clone` costs one reference count for each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Regions(BTreeMap<RegionId, Arc<RegionRecord>>);

impl Regions {
    /// The record of a region.
    #[must_use]
    pub fn get(&self, region: &RegionId) -> Option<&RegionRecord> {
        self.0.get(region).map(AsRef::as_ref)
    }

    /// Whether there is such a region.
    #[must_use]
    pub fn contains_key(&self, region: &RegionId) -> bool {
        self.0.contains_key(region)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their numbers, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &RegionId> {
        self.0.keys()
    }

    /// Their records, in the order of their numbers.
    pub fn values(&self) -> impl Iterator<Item = &RegionRecord> {
        self.0.values().map(AsRef::as_ref)
    }

    /// Puts a record in the place of the one of that region.
    pub fn insert(&mut self, record: RegionRecord) {
        self.0.insert(record.id, Arc::new(record));
    }
}

impl Index<&RegionId> for Regions {
    type Output = RegionRecord;

    /// # Panics
    /// If there is no such region.
    fn index(&self, region: &RegionId) -> &RegionRecord {
        &self.0[region]
    }
}

impl FromIterator<RegionRecord> for Regions {
    fn from_iter<T: IntoIterator<Item = RegionRecord>>(records: T) -> Self {
        let records = records.into_iter().map(|record| (record.id, Arc::new(record)));
        Self(records.collect())
    }
}
