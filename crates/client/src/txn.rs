//! Transactions: comparisons, and what to do when all hold or when one does not.

use bytes::Bytes;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request as Op;
use proto::etcdserverpb::response_op::Response as Outcome;

use crate::call::Repeat;
use crate::kv::{revision, service};
use crate::{Age, Client, Delete, Deleted, Error, Get, Put, Read, Records, Span, Written};

/// How what a key has must relate to the operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// The same.
    Equal,
    /// Not the same.
    NotEqual,
    /// Greater than the operand; bytewise for values.
    Greater,
    /// Less than the operand; bytewise for values.
    Less,
}

/// One condition on a key, or on every key of a span. A key that is not there has revisions, version
/// and lease 0, and a value that relates to nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Compare(pb::Compare);

impl Compare {
    /// On the value.
    pub fn value(key: impl Into<Bytes>, relation: Relation, operand: impl Into<Bytes>) -> Self {
        let operand = TargetUnion::Value(operand.into());
        Self::new(key.into(), relation, CompareTarget::Value, operand)
    }

    /// On how many puts the key had since it was made.
    pub fn version(key: impl Into<Bytes>, relation: Relation, operand: i64) -> Self {
        let operand = TargetUnion::Version(operand);
        Self::new(key.into(), relation, CompareTarget::Version, operand)
    }

    /// On the revision that made the key; 0 while there is no key.
    pub fn create_revision(key: impl Into<Bytes>, relation: Relation, operand: i64) -> Self {
        let operand = TargetUnion::CreateRevision(operand);
        Self::new(key.into(), relation, CompareTarget::Create, operand)
    }

    /// On the revision of the last put; 0 while there is no key.
    pub fn mod_revision(key: impl Into<Bytes>, relation: Relation, operand: i64) -> Self {
        let operand = TargetUnion::ModRevision(operand);
        Self::new(key.into(), relation, CompareTarget::Mod, operand)
    }

    /// On the lease the key lives with; 0 for none.
    pub fn lease(key: impl Into<Bytes>, relation: Relation, operand: i64) -> Self {
        let operand = TargetUnion::Lease(operand);
        Self::new(key.into(), relation, CompareTarget::Lease, operand)
    }

    fn new(key: Bytes, relation: Relation, target: CompareTarget, operand: TargetUnion) -> Self {
        let result = match relation {
            Relation::Equal => CompareResult::Equal,
            Relation::NotEqual => CompareResult::NotEqual,
            Relation::Greater => CompareResult::Greater,
            Relation::Less => CompareResult::Less,
        };
        Self(pb::Compare {
            result: result.into(),
            target: target.into(),
            key,
            target_union: Some(operand),
            range_end: Bytes::new(),
        })
    }

    /// Instead of on one key, on each key of `span`.
    #[must_use]
    pub fn over(mut self, span: Span) -> Self {
        (self.0.key, self.0.range_end) = (span.key, span.end);
        self
    }
}

/// One step of a transaction.
#[derive(Clone, PartialEq, Debug)]
pub enum Operation {
    /// Reads, in what the steps before it made of the keys.
    Get(Get),
    /// Writes one key.
    Put(Put),
    /// Removes keys.
    Delete(Delete),
    /// A transaction within.
    Txn(Txn),
}

/// If every comparison holds, the operations of `then`; else those of `otherwise`; all at one
/// revision.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Txn(pb::TxnRequest, Read);

impl Txn {
    /// Nothing yet; without comparisons, `then` is carried out.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if these hold, too.
    #[must_use]
    pub fn when(mut self, compares: impl IntoIterator<Item = Compare>) -> Self {
        self.0.compare.extend(compares.into_iter().map(|compare| compare.0));
        self
    }

    /// What to do if all comparisons hold.
    #[must_use]
    pub fn then(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.0.success.extend(operations.into_iter().map(pb::RequestOp::from));
        self
    }

    /// What to do if one does not hold.
    #[must_use]
    pub fn otherwise(mut self, operations: impl IntoIterator<Item = Operation>) -> Self {
        self.0.failure.extend(operations.into_iter().map(pb::RequestOp::from));
        self
    }

    /// How fresh the answer must be, if nothing is written. With [`Read::Linearizable`], a server's own
    /// copy is enough if every read in it is [`Read::Stale`], as etcd has it.
    #[must_use]
    pub fn read(mut self, read: Read) -> Self {
        self.1 = read;
        self
    }

    /// Whether carrying it out changes nothing, whatever the comparisons say.
    fn reads_only(txn: &pb::TxnRequest) -> bool {
        txn.success.iter().chain(&txn.failure).all(|operation| match &operation.request {
            Some(Op::RequestRange(_)) | None => true,
            Some(Op::RequestTxn(txn)) => Self::reads_only(txn),
            Some(Op::RequestPut(_) | Op::RequestDeleteRange(_)) => false,
        })
    }
}

impl From<Operation> for pb::RequestOp {
    fn from(operation: Operation) -> Self {
        let request = match operation {
            Operation::Get(get) => Op::RequestRange(get.0),
            Operation::Put(put) => Op::RequestPut(put.0),
            Operation::Delete(delete) => Op::RequestDeleteRange(delete.0),
            Operation::Txn(txn) => Op::RequestTxn(txn.0),
        };
        Self { request: Some(request) }
    }
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Debug)]
pub struct TxnOutcome {
    /// The keyspace's revision; that of the writes, if there were any.
    pub revision: i64,
    /// Whether every comparison held.
    pub succeeded: bool,
    /// One for each operation of the branch that was carried out.
    pub results: Vec<TxnResult>,
    /// How old a stale read is; `None` for everything else.
    pub age: Option<Age>,
}

/// What became of one step. Revisions in it may be 0; the transaction's counts.
#[derive(Clone, PartialEq, Debug)]
pub enum TxnResult {
    /// Of a read.
    Get(Records),
    /// Of a write.
    Put(Written),
    /// Of a removal.
    Delete(Deleted),
    /// Of a transaction within.
    Txn(TxnOutcome),
}

impl TryFrom<pb::TxnResponse> for TxnOutcome {
    type Error = Error;

    fn try_from(answer: pb::TxnResponse) -> Result<Self, Error> {
        let results = answer.responses.into_iter().map(|response| {
            Ok(match response.response {
                Some(Outcome::ResponseRange(range)) => TxnResult::Get(range.into()),
                Some(Outcome::ResponsePut(put)) => TxnResult::Put(put.into()),
                Some(Outcome::ResponseDeleteRange(delete)) => TxnResult::Delete(delete.into()),
                Some(Outcome::ResponseTxn(txn)) => TxnResult::Txn(txn.try_into()?),
                None => return Err(Error::Malformed("a step of a transaction has no result")),
            })
        });
        Ok(Self {
            revision: revision(answer.header.as_ref()),
            succeeded: answer.succeeded,
            results: results.collect::<Result<_, _>>()?,
            age: None,
        })
    }
}

impl Client {
    /// Carries out a transaction.
    ///
    /// # Errors
    /// A key written twice; too many operations; as [`Client::get`] and [`Client::put`].
    pub async fn txn(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        let (repeat, _open) = match Txn::reads_only(&txn.0) {
            true => (Repeat::Always, None),
            false => self.write_repeat().await,
        };
        self.send_txn(txn, repeat).await
    }

    /// As [`Self::txn`], of one that may be carried out more than once: a server that does not answer is
    /// left for another one, though it may have done it.
    pub(crate) async fn txn_again(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        self.send_txn(txn, Repeat::Always).await
    }

    async fn send_txn(&self, txn: Txn, repeat: Repeat) -> Result<TxnOutcome, Error> {
        let key = first_key(&txn.0);
        let answer = self.read_at(&key, repeat, txn.1, txn.0, |channel, request| async move {
            service(channel).txn(request).await
        });
        let (answer, age) = answer.await?;
        Ok(TxnOutcome { age, ..answer.try_into()? })
    }
}

/// A key the transaction is about: all of them are in one region, or it is not carried out.
fn first_key(txn: &pb::TxnRequest) -> Bytes {
    if let Some(compare) = txn.compare.first() {
        return compare.key.clone();
    }
    let first =
        txn.success.iter().chain(&txn.failure).find_map(|operation| operation.request.as_ref());
    match first {
        Some(Op::RequestRange(range)) => range.key.clone(),
        Some(Op::RequestPut(put)) => put.key.clone(),
        Some(Op::RequestDeleteRange(delete)) => delete.key.clone(),
        Some(Op::RequestTxn(txn)) => first_key(txn),
        None => Bytes::new(),
    }
}
