//! The half of a range read that asks the engine.

use bytes::Bytes;
use types::{Code, Fault, ReadFailure, Reader, RegionId, Revision};

use super::select::{direction, limit, natural, passes};
use crate::error::{FetchError, damaged};
use crate::overlay::Records;
use crate::request::{RangeRequest, SortTarget};
use crate::response::{KeyValue, Position, RangeResponse};
use crate::{applied, keys};

/// A range read, chosen and counted, its records still to be fetched.
///
/// Reading the newest revision fetches one engine record for each record answered. Reading an older
/// one follows each key back from its newest version, one engine record a step, for every key of the
/// range that was changed since and is answered with, or of which memory alone cannot tell whether
/// it was there: keys deleted or made since. So the count at an old revision is exact, and costs most
/// where most of the range was deleted and made again.
#[derive(Debug)]
pub struct Selection {
    pub(super) region: RegionId,
    pub(super) revision: Revision,
    pub(super) compacted: Revision,
    pub(super) request: RangeRequest,
    pub(super) plan: Plan,
}

#[derive(Debug)]
pub(super) enum Plan {
    /// Memory had it all.
    Ready(RangeResponse),
    /// The newest version of these, in this order; by value they are sorted and cut once fetched.
    Newest { positions: Vec<Position>, more: bool, count: i64 },
    /// The keys of a sharded keyspace, which are found where they lie.
    Sharded(crate::sharded::Plan),
    /// The version of an older revision of these, in key order, and how many keys more there are.
    Past { heads: Vec<Past>, counted: usize },
}

/// A key of which an older version is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    /// Its newest version.
    pub(super) head: Position,
    /// Whether it is certain that the key was there.
    pub(super) exists: bool,
}

impl Selection {
    /// How many keys the engine will be asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.plan {
            Plan::Ready(_) => 0,
            Plan::Newest { positions, .. } => positions.len(),
            Plan::Past { heads, .. } => heads.len(),
            // Never so few that no view is needed: records of these are written over.
            Plan::Sharded(_) if is_single(&self.request.range) => 2,
            Plan::Sharded(_) if natural(&self.request) => limit(&self.request).max(2),
            Plan::Sharded(_) => usize::MAX,
        }
    }

    /// A range read of a region of a sharded keyspace.
    pub(crate) fn sharded(
        region: RegionId,
        revision: Revision,
        request: RangeRequest,
        plan: crate::sharded::Plan,
    ) -> Self {
        let compacted = Revision(0);
        Self { region, revision, compacted, request, plan: Plan::Sharded(plan) }
    }

    /// Whether the engine will not be asked at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The revision that is read.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Reads the records.
    ///
    /// `reader` should be a view taken under the lock the selection was made under. A later one
    /// works as well, unless a compaction of what is read comes in between.
    ///
    /// # Errors
    /// `Compacted` if `reader` shows a state in which what is to be read was compacted away since;
    /// the engine's.
    pub fn fetch(self, reader: &dyn Reader) -> Result<RangeResponse, FetchError> {
        let records = Records { region: self.region, overlay: None, reader };
        self.fetch_from(&records)
    }

    /// Reads the records one after the other, and shows each to `visit` until it answers `false`: where they
    /// are too many to be kept, as long as nothing is sorted.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub fn visit(
        self,
        reader: &dyn Reader,
        visit: &mut dyn FnMut(KeyValue) -> bool,
    ) -> Result<(), FetchError> {
        let Self { region, revision, compacted, ref plan, .. } = self;
        let Plan::Newest { positions, .. } = plan else {
            let _ = self.fetch(reader)?.kvs.into_iter().all(visit);
            return Ok(());
        };
        let records = Records { region, overlay: None, reader };
        let reading = Reading { records: &records, revision, compacted };
        for position in positions {
            let found = reading.version(*position)?;
            if !visit(found.ok_or_else(|| reading.lost(*position))?) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn fetch_from(self, records: &Records<'_>) -> Result<RangeResponse, FetchError> {
        let Self { revision, compacted, request, plan, .. } = self;
        let reading = Reading { records, revision, compacted };
        match plan {
            Plan::Ready(response) => Ok(response),
            Plan::Sharded(plan) => Ok(plan.fetch(&request, records.reader)?),
            Plan::Newest { positions, more, count } => {
                let mut kvs = Vec::with_capacity(positions.len());
                for position in positions {
                    let found = reading.version(position)?;
                    kvs.push(found.ok_or_else(|| reading.lost(position))?);
                }
                if request.sort_target == SortTarget::Value {
                    return Ok(arrange(kvs, &request, count));
                }
                Ok(RangeResponse { kvs, more, count })
            }
            Plan::Past { heads, counted } => reading.past(&heads, counted, &request),
        }
    }
}

/// A read at one revision.
struct Reading<'a> {
    records: &'a Records<'a>,
    revision: Revision,
    compacted: Revision,
}

impl Reading<'_> {
    fn past(
        &self,
        heads: &[Past],
        counted: usize,
        request: &RangeRequest,
    ) -> Result<RangeResponse, FetchError> {
        let first_ones = natural(request);
        let enough = if request.count_only { 0 } else { limit(request).saturating_add(1) };
        let (mut kvs, mut count) = (Vec::new(), counted);
        for past in heads {
            let wanted = !request.count_only && (!first_ones || kvs.len() < enough);
            if past.exists && !wanted {
                count += 1;
                continue;
            }
            let Some(kv) = self.version(past.head)? else { continue };
            count += 1;
            if wanted {
                kvs.push(kv);
            }
        }
        Ok(arrange(kvs, request, i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// The version of the key at the revision read, found by going back from `newest`.
    fn version(&self, newest: Position) -> Result<Option<KeyValue>, FetchError> {
        let mut at = newest;
        loop {
            let Some(record) = self.records.get(at)? else {
                // Below the compacted revision only tombstones and what was overwritten go away.
                if at.revision < self.compacted {
                    return Ok(None);
                }
                return Err(self.lost(at));
            };
            if at.revision <= self.revision {
                return Ok(record.into_key_value(at));
            }
            match record.previous {
                Some(previous) => at = previous,
                None => return Ok(None),
            }
        }
    }

    /// Why a record that was there is not there any more.
    fn lost(&self, position: Position) -> FetchError {
        let region = self.records.region;
        let found = match self.records.reader.get(&keys::applied(region)) {
            Ok(found) => found.map(applied::decode).transpose(),
            Err(error) => return error.into(),
        };
        match found {
            Ok(Some(stored)) if stored.progress.compacted > self.compacted => {
                Fault::from(Code::Compacted).into()
            }
            Ok(_) => {
                ReadFailure(format!("record {position:?} of region {region} is missing")).into()
            }
            Err(error) => damaged(&format!("the applied record of region {region}"), &error).into(),
        }
    }
}

/// Whether only one key lies in the range.
fn is_single(range: &types::KeyRange) -> bool {
    range.end.as_deref().and_then(|end| end.strip_suffix(&[0])) == Some(&*range.start)
}

/// Filters, sorts and cuts records that are in key order.
pub(crate) fn arrange(mut kvs: Vec<KeyValue>, request: &RangeRequest, count: i64) -> RangeResponse {
    kvs.retain(|kv| passes(request, kv.mod_revision, kv.create_revision));
    if let Some(descend) = direction(request) {
        let compare = |a: &KeyValue, b: &KeyValue| match request.sort_target {
            SortTarget::Key => a.key.cmp(&b.key),
            SortTarget::Version => a.version.cmp(&b.version),
            SortTarget::Create => a.create_revision.cmp(&b.create_revision),
            SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
            SortTarget::Value => a.value.cmp(&b.value),
        };
        if descend {
            kvs.sort_by(|a, b| compare(b, a));
        } else {
            kvs.sort_by(compare);
        }
    }
    let limit = limit(request);
    let more = kvs.len() > limit;
    kvs.truncate(limit);
    if request.keys_only {
        for kv in &mut kvs {
            kv.value = Bytes::new();
            // Memory does not have these, so no read of keys alone has them.
            (kv.flags, kv.lock_index, kv.session) = (0, 0, Bytes::new());
        }
    }
    RangeResponse { kvs, more, count }
}
