//! How etcd keeps things in its file: its hashes and snapshots are made of these bytes.

use prost::Message;
use proto::mvccpb;
use state::kept::Version;
use state::response::Position;
use types::{LeaseId, Revision};

use crate::etcd::convert;

/// A revision as a key: main, `_`, sub.
const REVISION_BYTES: usize = 17;
/// What a tombstone's key ends with.
const TOMBSTONE: u8 = b't';

/// The key a version is kept under.
pub(super) fn version_key(position: Position, is_tombstone: bool) -> Vec<u8> {
    let mut key = Vec::with_capacity(REVISION_BYTES + 1);
    key.extend_from_slice(&position.revision.get().to_be_bytes());
    key.push(b'_');
    key.extend_from_slice(&u64::from(position.sub).to_be_bytes());
    if is_tombstone {
        key.push(TOMBSTONE);
    }
    key
}

/// A whole revision, as the records of compactions have it.
pub(super) fn revision(revision: Revision) -> Vec<u8> {
    version_key(Position { revision, sub: 0 }, false)
}

/// A version: its key, and its record; of a tombstone's record only the key is set.
pub(super) fn version(version: Version) -> (Vec<u8>, Vec<u8>) {
    let key = version_key(version.position, version.kv.is_none());
    let record = match version.kv {
        Some(kv) => convert::key_value(kv),
        None => mvccpb::KeyValue { key: version.key, ..mvccpb::KeyValue::default() },
    };
    (key, record.encode_to_vec())
}

/// etcd's `leasepb.Lease`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Lease {
    #[prost(int64, tag = "1")]
    id: i64,
    #[prost(int64, tag = "2")]
    ttl: i64,
    /// What is left at a checkpoint; 0 where there was none.
    #[prost(int64, tag = "3")]
    remaining_ttl: i64,
}

/// A lease: its key and its record.
pub(super) fn lease(id: LeaseId, ttl_seconds: i64) -> ([u8; 8], Vec<u8>) {
    let lease = Lease { id: id.get(), ttl: ttl_seconds, remaining_ttl: 0 };
    (id.get().to_be_bytes(), lease.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use state::kept::Version;
    use state::response::{KeyValue, Position};
    use types::{LeaseId, Revision};

    use super::{lease, version};

    /// As read from a file that etcd 3.5.1 wrote.
    #[test]
    fn the_written_form_is_etcds() {
        let position = Position { revision: Revision(2), sub: 1 };
        let kv = KeyValue {
            key: "k".into(),
            value: "v".into(),
            create_revision: Revision(2),
            mod_revision: Revision(2),
            version: 1,
            lease: LeaseId(7),
            ..KeyValue::default()
        };
        let (key, record) = version(Version { position, key: "k".into(), kv: Some(kv) });
        assert_eq!(key, b"\0\0\0\0\0\0\0\x02_\0\0\0\0\0\0\0\x01");
        assert_eq!(record, b"\x0a\x01k\x10\x02\x18\x02\x20\x01\x2a\x01v\x30\x07");
        let (key, record) = version(Version { position, key: "k".into(), kv: None });
        assert_eq!(key, b"\0\0\0\0\0\0\0\x02_\0\0\0\0\0\0\0\x01t");
        assert_eq!(record, b"\x0a\x01k");
        assert_eq!(lease(LeaseId(7), 60).1, b"\x08\x07\x10\x3c");
    }
}
