//! Counters: what is in the key is at least what was acknowledged, and at most that plus what may
//! have been carried out unseen (exactly once, seen from outside).

use std::collections::BTreeMap;

use bytes::Bytes;
use types::RegionId;

#[derive(Clone, Copy, Default)]
struct Tally {
    acknowledged: u64,
    unknown: u64,
}

#[derive(Default)]
pub(crate) struct Counters(BTreeMap<(RegionId, Bytes), Tally>);

impl Counters {
    pub(crate) fn acknowledged(&mut self, region: RegionId, key: &Bytes) {
        self.0.entry((region, key.clone())).or_default().acknowledged += 1;
    }

    pub(crate) fn unknown(&mut self, region: RegionId, key: &Bytes) {
        self.0.entry((region, key.clone())).or_default().unknown += 1;
    }

    pub(crate) fn keys(&self) -> Vec<(RegionId, Bytes)> {
        self.0.keys().cloned().collect()
    }

    pub(crate) fn check(&self, region: RegionId, key: &Bytes, value: u64) -> Result<(), String> {
        let tally = self.0.get(&(region, key.clone())).copied().unwrap_or_default();
        let Tally { acknowledged, unknown } = tally;
        if (acknowledged..=acknowledged + unknown).contains(&value) {
            return Ok(());
        }
        Err(format!(
            "region {region} counter {key:?}: {value} after {acknowledged} acknowledged and \
             {unknown} unknown increments"
        ))
    }
}
