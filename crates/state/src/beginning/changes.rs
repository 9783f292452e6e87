//! What came of a region's records since an earlier revision, and what another cluster makes of both.

use bytes::Bytes;
use types::{RegionId, Revision};

use super::{Fate, Item, fate, item};
use crate::applied;
use crate::error::LoadError;
use crate::keys;
use crate::response::Position;

/// Where the versions of a region are that were written above `revision`, and all else of it that another
/// cluster takes over, in the order of their keys. Versions lie under their revision: no older one is
/// looked at.
#[must_use]
pub fn ranges_above(region: RegionId, revision: Revision) -> Vec<(Bytes, Bytes)> {
    let (start, end) = keys::region_range(region);
    let (alarms, behind_alarms) = keys::alarms(region);
    let (versions, behind_versions) = keys::all_records(region);
    let (_, behind_outcomes) = keys::sessions(region);
    let first = Revision(revision.get().saturating_add(1).max(0));
    let first = keys::record(region, Position { revision: first, sub: 0 });
    vec![
        (start, alarms),
        (behind_alarms, versions),
        (first, behind_versions),
        (behind_outcomes, end),
    ]
}

/// The revision that the version under this key was written at; `None` if the record is no version.
#[must_use]
pub fn version_at(key: &[u8]) -> Option<Revision> {
    keys::position(key).map(|position| position.revision)
}

/// The revision that the newest version of a sharded keyspace's key was written at; `None` if the record is
/// none.
///
/// # Errors
/// A damaged record.
pub fn newest_at(key: &Bytes, value: &Bytes) -> Result<Option<Revision>, LoadError> {
    match item(key, value)? {
        Item::Newest(kv) => Ok(Some(kv.mod_revision)),
        _ => Ok(None),
    }
}

/// How far a region has come, as told by the record `newer`, where records of the time of `older` are
/// beside those it is of: what a compaction put out of reach may be among them.
///
/// # Errors
/// A damaged record.
pub fn with_older(newer: &Bytes, older: &Bytes) -> Result<Bytes, LoadError> {
    let decode = |record: &Bytes| {
        let stored = applied::decode(record.clone());
        stored.map_err(|error| LoadError::Damaged(error.to_string()))
    };
    let (mut now, then) = (decode(newer)?, decode(older)?);
    if now.progress.scavenged <= then.progress.scavenged {
        return Ok(newer.clone());
    }
    now.progress.scavenged = then.progress.scavenged;
    Ok(applied::encode(&now.applied, &now.progress, now.shape.as_ref()))
}

/// Whether the record under `key` says how far the region has come.
#[must_use]
pub fn is_progress(region: RegionId, key: &[u8]) -> bool {
    fate(region, key) == Some(Fate::Applied)
}

#[cfg(test)]
mod tests {
    use types::{Batch, Op};

    use super::super::Progression;
    use super::*;

    #[test]
    fn nothing_but_old_versions_and_what_is_left_lies_outside_of_what_is_above_a_revision() {
        let region = RegionId(7);
        let at = |revision| keys::record(region, Position { revision: Revision(revision), sub: 3 });
        let tagged = |tag: u8| Bytes::from([&region.get().to_be_bytes()[..], &[tag, 1]].concat());
        let ranges = ranges_above(region, Revision(9));
        let is_in = |key: &Bytes| ranges.iter().any(|(from, to)| from <= key && key < to);
        assert!(ranges.is_sorted() && ranges.windows(2).all(|it| it[0].1 <= it[1].0));
        for revision in [0, 1, 9] {
            assert!(!is_in(&at(revision)), "{revision}");
        }
        for revision in [10, i64::MAX] {
            assert!(is_in(&at(revision)), "{revision}");
        }
        for tag in (b'A'..=b'Z').filter(|tag| *tag != b'R') {
            let left = fate(region, &tagged(tag)) == Some(Fate::Left);
            assert_eq!(is_in(&tagged(tag)), !left, "{}", char::from(tag));
        }
        assert!(!is_in(&keys::applied(RegionId(6))) && !is_in(&keys::applied(RegionId(8))));
        let ranges = ranges_above(region, Revision(-1));
        assert!(ranges.iter().any(|(from, to)| *from <= at(0) && at(0) < *to), "all of them");
    }

    #[test]
    fn what_was_not_swept_before_is_swept_again() {
        let record = |scavenged| {
            let mut progress = Progression::new(Revision(9), Revision(8));
            progress.scavenged = Revision(scavenged);
            let mut batch = Batch::default();
            progress.begin(RegionId(7), Vec::new(), None, &mut batch);
            let Some(Op::Put(_, record)) = batch.ops.pop() else { panic!("{batch:?}") };
            record
        };
        for (newer, older, wanted) in [(8, 3, 3), (3, 8, 3), (0, 0, 0)] {
            assert_eq!(with_older(&record(newer), &record(older)).unwrap(), record(wanted));
        }
        assert!(with_older(&record(1), &Bytes::from_static(b"x")).is_err());
    }
}
