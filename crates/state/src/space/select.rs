//! The half of a range read that needs no engine: which versions to fetch, and how many keys there
//! are. It runs under the machine's lock; [`super::fetch`] runs without.

use types::{Code, Fault, Revision};

use super::KeySpace;
use super::fetch::{Past, Plan, Selection};
use crate::index::Head;
use crate::request::{RangeRequest, SortOrder, SortTarget};
use crate::response::{KeyValue, Position, RangeResponse};

impl KeySpace {
    /// Chooses what a range read answers with.
    ///
    /// A read of the newest revision costs the keys it answers with, or all of the range if it
    /// filters or sorts. A read of an older one costs the keys of the range; see [`Selection`].
    pub(crate) fn select(&self, request: &RangeRequest) -> Result<Selection, Fault> {
        let revision = self.readable(request.revision)?;
        let plan = if revision < self.newest() {
            self.select_past(request, revision)
        } else {
            self.select_newest(request)
        };
        Ok(Selection {
            region: self.region,
            revision,
            compacted: self.progress.compacted,
            request: request.clone(),
            plan,
        })
    }

    /// The revision to read at, if it can be read; 0 and less mean the newest.
    pub(super) fn readable(&self, revision: Revision) -> Result<Revision, Fault> {
        if revision > self.newest() {
            return Err(Code::FutureRevision.into());
        }
        let revision = if revision <= Revision(0) { self.newest() } else { revision };
        if revision < self.progress.compacted {
            return Err(Code::Compacted.into());
        }
        Ok(revision)
    }

    fn select_newest(&self, request: &RangeRequest) -> Plan {
        let count = self.index.count(&request.range);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if request.count_only {
            return Plan::Ready(RangeResponse { kvs: Vec::new(), more: false, count });
        }
        let live = self.index.range(&request.range).filter(|(_, head)| !head.deleted);
        let limit = limit(request);
        if by_value(request) {
            let positions = live.map(|(_, head)| head.position).collect();
            return Plan::Newest { positions, more: false, count };
        }
        let mut found: Vec<(&[u8], Head)> = if natural(request) {
            live.take(limit.saturating_add(1)).collect()
        } else {
            live.filter(|(_, head)| passes(request, head.position.revision, head.create_revision))
                .collect()
        };
        if let Some(descend) = direction(request) {
            sort_heads(&mut found, request.sort_target, descend);
        }
        let more = found.len() > limit;
        found.truncate(limit);
        if request.keys_only {
            let kvs = found.iter().map(|(key, head)| bare(key, head)).collect();
            return Plan::Ready(RangeResponse { kvs, more, count });
        }
        let positions = found.iter().map(|(_, head)| head.position).collect();
        Plan::Newest { positions, more, count }
    }

    fn select_past(&self, request: &RangeRequest, revision: Revision) -> Plan {
        let enough = if natural(request) { limit(request).saturating_add(1) } else { usize::MAX };
        let enough = if request.count_only { 0 } else { enough };
        let (mut heads, mut certain, mut counted) = (Vec::new(), 0, 0);
        for (_, head) in self.index.range(&request.range) {
            // The life that memory knows of began at `create_revision`; a tombstone ended it.
            let exists = head.create_revision <= revision;
            let over = head.deleted && head.position.revision <= revision;
            if over || (!exists && !head.reborn) {
                continue;
            }
            if exists && certain >= enough {
                counted += 1;
                continue;
            }
            certain += usize::from(exists);
            heads.push(Past { head: head.position, exists });
        }
        Plan::Past { heads, counted }
    }
}

/// How many records are wanted at most.
pub(crate) fn limit(request: &RangeRequest) -> usize {
    if request.limit == 0 {
        return usize::MAX;
    }
    usize::try_from(request.limit).unwrap_or(usize::MAX)
}

/// Whether the records are wanted in key order and unfiltered, so that the first ones will do.
pub(crate) fn natural(request: &RangeRequest) -> bool {
    let bounds = [
        request.min_mod_revision,
        request.max_mod_revision,
        request.min_create_revision,
        request.max_create_revision,
    ];
    direction(request).is_none() && bounds.iter().all(|bound| bound.get() == 0)
}

/// Whether to sort, and then whether downwards. Sorting by something else than the key without
/// saying how means upwards (etcd).
pub(super) fn direction(request: &RangeRequest) -> Option<bool> {
    match (request.sort_order, request.sort_target) {
        (SortOrder::None | SortOrder::Ascend, SortTarget::Key) => None,
        (SortOrder::Descend, _) => Some(true),
        (SortOrder::None | SortOrder::Ascend, _) => Some(false),
    }
}

fn by_value(request: &RangeRequest) -> bool {
    request.sort_target == SortTarget::Value
}

/// Whether a record is within the request's bounds.
pub(super) fn passes(request: &RangeRequest, modified: Revision, created: Revision) -> bool {
    let within = |revision: Revision, min: Revision, max: Revision| {
        (min.get() == 0 || revision >= min) && (max.get() == 0 || revision <= max)
    };
    within(modified, request.min_mod_revision, request.max_mod_revision)
        && within(created, request.min_create_revision, request.max_create_revision)
}

fn sort_heads(found: &mut [(&[u8], Head)], target: SortTarget, descend: bool) {
    let by = |head: &Head| match target {
        SortTarget::Version => head.version,
        SortTarget::Create => head.create_revision.get(),
        SortTarget::Mod => head.position.revision.get(),
        SortTarget::Key | SortTarget::Value => 0,
    };
    match (target, descend) {
        (SortTarget::Key, true) => found.reverse(),
        (SortTarget::Key, false) => {}
        (_, true) => found.sort_by_key(|(_, head)| std::cmp::Reverse(by(head))),
        (_, false) => found.sort_by_key(|(_, head)| by(head)),
    }
}

/// A record without its value, from memory alone.
fn bare(key: &[u8], head: &Head) -> KeyValue {
    let Position { revision, .. } = head.position;
    KeyValue {
        key: bytes::Bytes::copy_from_slice(key),
        create_revision: head.create_revision,
        mod_revision: revision,
        version: head.version,
        lease: head.lease,
        ..KeyValue::default()
    }
}
