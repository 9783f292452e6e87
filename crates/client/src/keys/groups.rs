//! Sorting what is asked by the regions that have it.

use std::collections::BTreeMap;

use bytes::Bytes;
use types::{Code, KeyRange};

use crate::call::back_off;
use crate::{Client, Error};

/// How often what met a split is sorted anew.
pub(super) const ROUNDS: u32 = 6;
/// Operations and bytes of one request at most.
const OPERATIONS: usize = types::limits::TXN_OPERATIONS;
const BYTES: usize = types::limits::REQUEST_BYTES / 3 * 2;

/// Whether a request failed because its keys are not in one region, and was not carried out.
pub(super) fn is_across(error: &Error) -> bool {
    match error {
        Error::Server { code: Code::EpochMismatch, .. } => true,
        // Much else is not supported; what is meant here is said in these words only.
        Error::Server { code: Code::Unsupported, message } => message.contains("several regions"),
        _ => false,
    }
}

/// Cuts what one region is asked into requests; `size` tells an item's bytes.
pub(super) fn requests<T>(items: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut requests: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let more = size(&item);
        match requests.last_mut() {
            Some(last) if last.len() < OPERATIONS && bytes + more <= BYTES => {
                bytes += more;
                last.push(item);
            }
            _ => {
                bytes = more;
                requests.push(vec![item]);
            }
        }
    }
    requests
}

impl Client {
    /// Items of one region each, by what is known of regions; of one key each where nothing is.
    pub(super) async fn by_region<T>(
        &self,
        items: Vec<T>,
        key: impl Fn(&T) -> &Bytes,
        fresh: bool,
    ) -> Vec<Vec<T>> {
        let least = items.iter().map(&key).min().cloned();
        let (Some(start), Some(last)) = (least, items.iter().map(&key).max()) else {
            return Vec::new();
        };
        let end = KeyRange::single(last).end;
        // Who may not ask, or has no answer, gets to all of them one by one.
        drop(self.routes_of(&KeyRange { start, end }, fresh).await);
        let map = self.shared.routes.map();
        let mut groups: BTreeMap<(Option<u64>, Bytes), Vec<T>> = BTreeMap::new();
        for item in items {
            let group = match map.owner(key(&item)) {
                Some(route) => (Some(route.region), Bytes::new()),
                None => (None, key(&item).clone()),
            };
            groups.entry(group).or_default().push(item);
        }
        groups.into_values().collect()
    }

    /// Before what met a split is tried again: whoever knows of it may need a moment to be told.
    pub(super) async fn settle(&self, round: u32) {
        if round > 0 {
            tokio::time::sleep(back_off(round - 1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, OPERATIONS, requests};

    #[test]
    fn requests_stay_within_their_bounds_and_keep_the_order() {
        let sizes: Vec<usize> = (0..1_000).map(|at| at * 7919 % (BYTES / 20)).collect();
        let parts = requests(sizes.clone(), |size| *size);
        assert_eq!(parts.concat(), sizes);
        assert!(parts.iter().all(|part| part.len() <= OPERATIONS));
        assert!(parts.iter().all(|part| part.iter().sum::<usize>() <= BYTES));
        assert_eq!(
            requests(vec![BYTES * 2, 1], |size| *size).len(),
            2,
            "one that is too large goes alone"
        );
    }
}
