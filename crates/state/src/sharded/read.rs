//! Reading a region's keys, and measuring them.

use std::ops::ControlFlow;

use bytes::Bytes;
use types::{Code, Fault, KeyRange, KeyspaceId, ReadFailure, Reader, Revision};

use super::apply::unsupported;
use super::{Lens, Sharded, txn};
use crate::error::FetchError;
use crate::request::{RangeRequest, TxnRequest};
use crate::response::{RangeResponse, Response};
use crate::space::{arrange, limit, natural};

/// A range read of such a region: where its keys are.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) keyspace: KeyspaceId,
}

/// The part of a range read that needs no engine.
pub(crate) fn plan(region: &Sharded, request: &RangeRequest) -> Result<Plan, Fault> {
    let Some(shape) = region.shape.as_ref().filter(|_| region.owns(&request.range)) else {
        return Err(Code::EpochMismatch.into());
    };
    readable(request.revision, region.revision)?;
    Ok(Plan { keyspace: shape.keyspace })
}

impl Plan {
    pub(crate) fn fetch(
        &self,
        request: &RangeRequest,
        reader: &dyn Reader,
    ) -> Result<RangeResponse, ReadFailure> {
        read_range(&Lens { keyspace: self.keyspace, reader, unwritten: None }, request)
    }
}

impl Sharded {
    /// Carries out a transaction that writes nothing.
    pub(crate) fn read_txn(
        &self,
        request: &TxnRequest,
        reader: &dyn Reader,
    ) -> Result<Response, FetchError> {
        let owned = super::span::txn_span(request).is_none_or(|span| self.owns(&span));
        let Some(shape) = self.shape.as_ref().filter(|_| owned) else {
            return Err(Fault::from(Code::EpochMismatch).into());
        };
        let lens = Lens { keyspace: shape.keyspace, reader, unwritten: Some(&self.unwritten) };
        txn::read_txn(request, &lens, self.revision)
    }
}

/// Only the newest version of a key is kept.
pub(super) fn readable(revision: Revision, newest: Revision) -> Result<(), Fault> {
    if revision > newest {
        return Err(Code::FutureRevision.into());
    }
    if revision.get() > 0 && revision < newest {
        return Err(unsupported("older revisions"));
    }
    Ok(())
}

/// Reads a range. One with a limit, in the order of keys and unfiltered, stops behind it: then `count` is
/// what was looked at, and not all there is.
pub(super) fn read_range(
    lens: &Lens<'_>,
    request: &RangeRequest,
) -> Result<RangeResponse, ReadFailure> {
    let mut count = 0_usize;
    if request.count_only {
        lens.scan_raw(&request.range, &mut |_, _| {
            count += 1;
            true
        })?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        return Ok(RangeResponse { kvs: Vec::new(), more: false, count });
    }
    let enough = match natural(request) {
        true => limit(request).saturating_add(1),
        false => usize::MAX,
    };
    let mut kvs = Vec::new();
    lens.scan(&request.range, &mut |mut kv| {
        if request.keys_only && request.sort_target != crate::request::SortTarget::Value {
            kv.value = Bytes::new();
        }
        kvs.push(kv);
        if kvs.len() < enough { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    count = kvs.len();
    Ok(arrange(kvs, request, i64::try_from(count).unwrap_or(i64::MAX)))
}

/// What lies in a range, and where its middle is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Measure {
    /// How many keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// The first key with half of the bytes or more in front of it; `None` where none but the first has.
    pub middle: Option<Bytes>,
    /// What lies from there on.
    pub keys_behind: u64,
    /// Bytes of that.
    pub bytes_behind: u64,
}

/// Walks through a range. `half` is where the middle is looked for, in bytes; without it there is none.
///
/// # Errors
/// When the engine cannot be read.
pub fn measure(
    reader: &dyn Reader,
    keyspace: KeyspaceId,
    range: &KeyRange,
    half: Option<u64>,
) -> Result<Measure, ReadFailure> {
    let mut found = Measure::default();
    let mut before = Vec::new();
    let lens = Lens { keyspace, reader, unwritten: None };
    lens.scan(range, &mut |kv| {
        let size = (kv.key.len() + kv.value.len()) as u64;
        if let (Some(half), None) = (half, &found.middle) {
            if found.keys > 0 && found.bytes >= half {
                found.middle = between(&before, &kv.key);
            }
            before.clear();
            before.extend_from_slice(&kv.key);
        }
        if found.middle.is_some() {
            found.keys_behind += 1;
            found.bytes_behind += size;
        }
        found.keys += 1;
        found.bytes += size;
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The shortest key behind `before` that is not behind `key`: borders are told to everybody, and are kept in
/// many places. `None` if it is too long for one.
fn between(before: &[u8], key: &[u8]) -> Option<Bytes> {
    let same = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    let at = key.get(..=same)?;
    (at.len() <= super::SPLIT_KEY_BYTES).then(|| Bytes::copy_from_slice(at))
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn a_border_is_as_short_as_it_can_be() {
        for (before, key, wanted) in
            [("a", "b", "b"), ("user/1", "user/25", "user/2"), ("a", "ab", "ab"), ("", "x", "x")]
        {
            let at = between(before.as_bytes(), key.as_bytes()).unwrap();
            assert_eq!(at, wanted, "{before} {key}");
            assert!(at > before && at <= key);
        }
        let long = vec![b'k'; super::super::KEY_BYTES];
        assert_eq!(between(&long[..long.len() - 1], &long), None, "too long to begin a region");
    }
}
