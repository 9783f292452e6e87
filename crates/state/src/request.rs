//! What can be asked of an ordered keyspace, in etcd's semantics but in no wire's shape: both the
//! log's commands and the read requests are made of these.

use bytes::Bytes;
use types::{KeyRange, LeaseId, Revision};

/// Sets one key (etcd `PutRequest`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PutRequest {
    /// The key; never empty.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// The lease the key shall live with; 0 for none.
    pub lease: LeaseId,
    /// Whether the answer carries the record as it was before.
    pub prev_kv: bool,
    /// Keep the value as it is and change the lease only.
    pub ignore_value: bool,
    /// Keep the lease as it is and change the value only.
    pub ignore_lease: bool,
}

/// Removes every key of a range (etcd `DeleteRangeRequest`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeleteRequest {
    /// The keys to remove.
    pub range: KeyRange,
    /// Whether the answer carries the records removed.
    pub prev_kv: bool,
}

/// What a range answer is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum SortTarget {
    #[default]
    Key,
    Version,
    Create,
    Mod,
    Value,
}

/// In which direction a range answer is sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum SortOrder {
    #[default]
    None,
    Ascend,
    Descend,
}

/// Reads the keys of a range (etcd `RangeRequest`; whether it is served locally is not part of it).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RangeRequest {
    /// The keys to read.
    pub range: KeyRange,
    /// At most this many records; 0 for no limit.
    pub limit: u64,
    /// The revision to read at; 0 for the newest.
    pub revision: Revision,
    /// The direction of the sort.
    pub sort_order: SortOrder,
    /// What is sorted by.
    pub sort_target: SortTarget,
    /// Leave the values out.
    pub keys_only: bool,
    /// Answer the count only.
    pub count_only: bool,
    /// Lower bound of `mod_revision`; 0 for none.
    pub min_mod_revision: Revision,
    /// Upper bound of `mod_revision`; 0 for none.
    pub max_mod_revision: Revision,
    /// Lower bound of `create_revision`; 0 for none.
    pub min_create_revision: Revision,
    /// Upper bound of `create_revision`; 0 for none.
    pub max_create_revision: Revision,
}

/// What a comparison looks at, and the operand. A missing key compares as version, revisions and
/// lease 0; its value compares as unequal to everything (the comparison is false).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CompareTarget {
    Version(i64),
    CreateRevision(Revision),
    ModRevision(Revision),
    Value(Bytes),
    Lease(LeaseId),
}

/// How a comparison compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CompareResult {
    #[default]
    Equal,
    Greater,
    Less,
    NotEqual,
}

/// One condition of a transaction; over a range it must hold for every key in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compare {
    /// The key, or the keys.
    pub range: KeyRange,
    /// Whether `range` was given as one key. A missing key and an empty range are both compared as
    /// an empty record.
    pub single: bool,
    /// How.
    pub result: CompareResult,
    /// What, with what.
    pub target: CompareTarget,
}

/// One operation of a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum TxnOp {
    Range(RangeRequest),
    Put(PutRequest),
    Delete(DeleteRequest),
    Txn(TxnRequest),
}

/// If all comparisons hold then `success`, else `failure`, all at one revision (etcd `TxnRequest`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TxnRequest {
    /// The conditions.
    pub compare: Vec<Compare>,
    /// What to do if all hold.
    pub success: Vec<TxnOp>,
    /// What to do otherwise.
    pub failure: Vec<TxnOp>,
}

/// A read, wherever it is carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Query {
    Range(RangeRequest),
    /// Without writes.
    Txn(TxnRequest),
}
