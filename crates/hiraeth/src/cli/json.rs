//! What `--output json` prints, and promises to go on printing. Names are snake_case. Keys and values
//! are base64, beside them as text where they are UTF-8, else null. Leases are hexadecimal strings:
//! their numbers are larger than what JSON readers keep exactly.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{Change, ChangeKind, KeyValue, TxnOutcome, TxnResult};
use serde::Serialize;

use super::text;

/// One key at one revision.
#[derive(Serialize)]
pub(super) struct Record {
    key: String,
    key_text: Option<String>,
    value: Option<String>,
    value_text: Option<String>,
    create_revision: i64,
    mod_revision: i64,
    version: i64,
    lease: Option<String>,
}

fn utf8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

impl Record {
    /// With its value.
    pub(super) fn new(kv: &KeyValue) -> Self {
        let value = (Some(STANDARD.encode(&kv.value)), utf8(&kv.value));
        Self { value: value.0, value_text: value.1, ..Self::without_value(kv) }
    }

    /// Where the value was not asked for.
    pub(super) fn without_value(kv: &KeyValue) -> Self {
        Self {
            key: STANDARD.encode(&kv.key),
            key_text: utf8(&kv.key),
            value: None,
            value_text: None,
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
            lease: (kv.lease != 0).then(|| text::lease(kv.lease)),
        }
    }

    fn all(kvs: &[KeyValue]) -> Vec<Self> {
        kvs.iter().map(Self::new).collect()
    }
}

/// `kv get`. `kv` is null when there is no such key.
#[derive(Serialize)]
pub(super) struct Got {
    pub(super) revision: i64,
    pub(super) kv: Option<Record>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stale_millis: Option<u64>,
}

/// `kv put`.
#[derive(Serialize)]
pub(super) struct Written {
    pub(super) revision: i64,
    pub(super) previous: Option<Record>,
}

/// `kv delete`.
#[derive(Serialize)]
pub(super) struct Deleted {
    pub(super) revision: i64,
    pub(super) deleted: i64,
    pub(super) previous: Vec<Record>,
}

impl Deleted {
    pub(super) fn new(deleted: &client::Deleted) -> Self {
        Self {
            revision: deleted.revision,
            deleted: deleted.deleted,
            previous: Record::all(&deleted.previous),
        }
    }
}

/// One line of `kv watch`.
#[derive(Serialize)]
pub(super) struct Changed {
    #[serde(rename = "type")]
    kind: &'static str,
    revision: i64,
    kv: Record,
    previous: Option<Record>,
}

impl Changed {
    pub(super) fn new(change: &Change) -> Self {
        let (kind, kv) = match change.kind {
            ChangeKind::Put => ("put", Record::new(&change.kv)),
            ChangeKind::Delete => ("delete", Record::without_value(&change.kv)),
        };
        let previous = change.previous.as_ref().map(Record::new);
        Self { kind, revision: change.kv.mod_revision, kv, previous }
    }
}

/// `kv txn`.
#[derive(Serialize)]
pub(super) struct Transacted {
    succeeded: bool,
    revision: i64,
    results: Vec<StepResult>,
}

/// What became of one step.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum StepResult {
    Get { count: i64, more: bool, kvs: Vec<Record> },
    Put { previous: Option<Record> },
    Delete { deleted: i64, previous: Vec<Record> },
    Txn(Transacted),
}

impl Transacted {
    pub(super) fn new(outcome: &TxnOutcome) -> Self {
        let results = outcome.results.iter().map(|result| match result {
            TxnResult::Get(records) => StepResult::Get {
                count: records.count,
                more: records.more,
                kvs: Record::all(&records.kvs),
            },
            TxnResult::Put(put) => {
                StepResult::Put { previous: put.previous.as_ref().map(Record::new) }
            }
            TxnResult::Delete(delete) => StepResult::Delete {
                deleted: delete.deleted,
                previous: Record::all(&delete.previous),
            },
            TxnResult::Txn(outcome) => StepResult::Txn(Self::new(outcome)),
        });
        Self {
            succeeded: outcome.succeeded,
            revision: outcome.revision,
            results: results.collect(),
        }
    }
}

/// `keyspace create`, and one of `keyspace list`.
#[derive(Serialize)]
pub(super) struct Keyspace {
    id: u32,
    name: String,
    region: u64,
    sharded: bool,
    replicas: u32,
    in_memory: bool,
}

/// `keyspace split`.
#[derive(Serialize)]
pub(super) struct Split {
    pub(super) region: u64,
}

/// One of `keyspace regions`.
#[derive(Serialize)]
pub(super) struct KeyspaceRegion {
    region: u64,
    start: String,
    end: Option<String>,
    version: u64,
    nodes: Vec<u64>,
    split_at: Option<String>,
}

impl KeyspaceRegion {
    pub(super) fn new(region: &client::native::KeyspaceRegion) -> Self {
        let key = |key: &bytes::Bytes| STANDARD.encode(key);
        Self {
            region: region.region,
            start: key(&region.start),
            end: region.end.as_ref().map(key),
            version: region.version,
            nodes: region.nodes.clone(),
            split_at: region.split_at.as_ref().map(key),
        }
    }
}

impl Keyspace {
    pub(super) fn new(keyspace: &client::native::Keyspace) -> Self {
        let (region, sharded) = (keyspace.region, keyspace.sharded);
        Self {
            id: keyspace.id,
            name: keyspace.name.clone(),
            region,
            sharded,
            replicas: keyspace.replicas,
            in_memory: keyspace.in_memory,
        }
    }
}

/// `lease grant`, and one line of `lease keep-alive`.
#[derive(Serialize)]
pub(super) struct Lease {
    pub(super) id: String,
    pub(super) ttl_seconds: i64,
}

/// `lease ttl`. `keys` is null unless asked for.
#[derive(Serialize)]
pub(super) struct TimeToLive {
    id: String,
    ttl_seconds: i64,
    granted_seconds: i64,
    keys: Option<Vec<Key>>,
}

/// A key without its record.
#[derive(Serialize)]
struct Key {
    key: String,
    key_text: Option<String>,
}

impl TimeToLive {
    pub(super) fn new(left: &client::TimeToLive, keys: bool) -> Self {
        let key = |key: &bytes::Bytes| Key { key: STANDARD.encode(key), key_text: utf8(key) };
        Self {
            id: text::lease(left.id),
            ttl_seconds: left.ttl_seconds,
            granted_seconds: left.granted_seconds,
            keys: keys.then(|| left.keys.iter().map(key).collect()),
        }
    }
}
