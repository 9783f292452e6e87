//! What is in etcd's buckets, as bytes. `docs/format.md`, "etcd snapshots", draws them.

use bytes::Bytes;
use node::state::kept::Version;
use node::state::response::{KeyValue, Position};
use prost::Message;
use proto::mvccpb;
use types::{LeaseId, Revision};

use super::super::bolt::Error;

/// A whole revision as a key: main, `_`, sub.
const REVISION: usize = 17;

/// What in a record is not as etcd writes it.
pub(super) fn strange(what: &str) -> Error {
    Error::Stopped(format!(
        "a record is not as etcd 3.4 to 3.6 writes it ({what}): the file is damaged, or of another version"
    ))
}

/// The position that a key of the bucket `key` names, and whether a tombstone is there.
pub(super) fn position(key: &[u8]) -> Result<(Position, bool), Error> {
    let wrong = || strange("a revision");
    let tombstone = match key.get(REVISION..) {
        Some([]) => false,
        Some([b't']) => true,
        _ => return Err(wrong()),
    };
    let (main, rest) = key.split_first_chunk::<8>().ok_or_else(wrong)?;
    let sub = rest.get(1..9).and_then(|sub| sub.first_chunk::<8>()).ok_or_else(wrong)?;
    let revision = Revision(i64::from_be_bytes(*main));
    let sub = u32::try_from(u64::from_be_bytes(*sub)).map_err(|_| wrong())?;
    if rest.first() != Some(&b'_') || revision < Revision(1) {
        return Err(wrong());
    }
    Ok((Position { revision, sub }, tombstone))
}

/// A version of a key.
pub(super) fn version(key: &[u8], value: &[u8]) -> Result<Version, Error> {
    let (position, tombstone) = position(key)?;
    let record = mvccpb::KeyValue::decode(value).map_err(|_| strange("a key's record"))?;
    if record.key.is_empty() {
        return Err(strange("a key without a name"));
    }
    if tombstone {
        return Ok(Version { position, key: record.key, kv: None });
    }
    let created = Revision(record.create_revision);
    if record.mod_revision != position.revision.get()
        || record.version < 1
        || created < Revision(1)
        || created > position.revision
    {
        return Err(strange("revisions of a key"));
    }
    let kv = KeyValue {
        key: record.key.clone(),
        value: record.value,
        create_revision: created,
        mod_revision: position.revision,
        version: record.version,
        lease: LeaseId(record.lease),
        ..KeyValue::default()
    };
    Ok(Version { position, key: record.key, kv: Some(kv) })
}

/// etcd's `leasepb.Lease`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Lease {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "2")]
    ttl: i64,
    #[prost(int64, tag = "3")]
    remaining_ttl: i64,
}

/// A lease, with its time to live in seconds.
pub(super) fn lease(value: &[u8]) -> Result<(LeaseId, i64), Error> {
    let lease = Lease::decode(value).map_err(|_| strange("a lease"))?;
    if lease.id <= 0 || lease.ttl <= 0 {
        return Err(strange("a lease without a number or a time"));
    }
    Ok((LeaseId(lease.id), lease.ttl))
}

/// A number, as it lies there.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*value.first_chunk()?))
}

/// Bytes of one's own.
pub(super) fn own(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
