//! Transactions within one region: decided whole before anything is written, as in an ordered keyspace.

use std::ops::ControlFlow;

use bytes::Bytes;
use types::{Code, Fault, LeaseId, ReadFailure, Revision};

use super::Lens;
use super::apply::{Writing, check_put};
use super::read::{read_range, readable};
use crate::error::FetchError;
use crate::request::{Compare, CompareResult, CompareTarget, TxnOp, TxnRequest};
use crate::response::{KeyValue, Response};

/// A transaction of which it is decided what runs.
pub(super) struct Decided<'a> {
    succeeded: bool,
    operations: Vec<Step<'a>>,
}

enum Step<'a> {
    Operation(&'a TxnOp),
    Txn(Decided<'a>),
}

pub(super) fn decide<'a>(txn: &'a TxnRequest, lens: &Lens<'_>) -> Result<Decided<'a>, ReadFailure> {
    let mut succeeded = true;
    for compare in &txn.compare {
        succeeded = succeeded && holds(compare, lens)?;
    }
    let branch = if succeeded { &txn.success } else { &txn.failure };
    let mut operations = Vec::with_capacity(branch.len());
    for operation in branch {
        operations.push(match operation {
            TxnOp::Txn(txn) => Step::Txn(decide(txn, lens)?),
            other => Step::Operation(other),
        });
    }
    Ok(Decided { succeeded, operations })
}

fn holds(compare: &Compare, lens: &Lens<'_>) -> Result<bool, ReadFailure> {
    if compare.single {
        return Ok(holds_for(compare, lens.get(&compare.range.start)?.as_ref()));
    }
    let (mut empty, mut all) = (true, true);
    lens.scan(&compare.range, &mut |kv| {
        empty = false;
        all = holds_for(compare, Some(&kv));
        if all { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    // An empty range compares like one missing key (etcd's `applyCompare`).
    Ok(if empty { holds_for(compare, None) } else { all })
}

fn holds_for(compare: &Compare, kv: Option<&KeyValue>) -> bool {
    let order = match &compare.target {
        CompareTarget::Version(wanted) => kv.map_or(0, |kv| kv.version).cmp(wanted),
        CompareTarget::CreateRevision(wanted) => {
            kv.map_or(Revision(0), |kv| kv.create_revision).cmp(wanted)
        }
        CompareTarget::ModRevision(wanted) => {
            kv.map_or(Revision(0), |kv| kv.mod_revision).cmp(wanted)
        }
        CompareTarget::Lease(wanted) => LeaseId(0).cmp(wanted),
        CompareTarget::Value(wanted) => {
            let Some(kv) = kv else { return false };
            kv.value.cmp(wanted)
        }
    };
    match compare.result {
        CompareResult::Equal => order.is_eq(),
        CompareResult::Greater => order.is_gt(),
        CompareResult::Less => order.is_lt(),
        CompareResult::NotEqual => order.is_ne(),
    }
}

impl Decided<'_> {
    /// What any operation is refused for; puts are looked at before ranges (etcd).
    pub(super) fn check(&self, lens: &Lens<'_>, newest: Revision) -> Result<(), FetchError> {
        self.each(&mut |operation| match operation {
            TxnOp::Put(put) => check_put(put, lens),
            _ => Ok(()),
        })?;
        self.each(&mut |operation| match operation {
            TxnOp::Range(range) => Ok(readable(range.revision, newest)?),
            _ => Ok(()),
        })
    }

    fn each(
        &self,
        check: &mut dyn FnMut(&TxnOp) -> Result<(), FetchError>,
    ) -> Result<(), FetchError> {
        self.operations.iter().try_for_each(|step| match step {
            Step::Operation(operation) => check(operation),
            Step::Txn(txn) => txn.each(check),
        })
    }

    pub(super) fn run(&self, writing: &mut Writing<'_>) -> Result<Response, ReadFailure> {
        let mut responses = Vec::with_capacity(self.operations.len());
        for step in &self.operations {
            responses.push(match step {
                Step::Operation(TxnOp::Put(put)) => writing.put(put)?,
                Step::Operation(TxnOp::Delete(delete)) => writing.delete(delete)?,
                Step::Operation(TxnOp::Range(range)) => {
                    Response::Range(read_range(&writing.lens(), range)?)
                }
                Step::Operation(TxnOp::Txn(_)) => continue,
                Step::Txn(txn) => txn.run(writing)?,
            });
        }
        Ok(Response::Txn { succeeded: self.succeeded, responses })
    }

    fn read(&self, lens: &Lens<'_>) -> Result<Response, ReadFailure> {
        let mut responses = Vec::with_capacity(self.operations.len());
        for step in &self.operations {
            match step {
                Step::Operation(TxnOp::Range(range)) => {
                    responses.push(Response::Range(read_range(lens, range)?));
                }
                Step::Operation(_) => {}
                Step::Txn(txn) => responses.push(txn.read(lens)?),
            }
        }
        Ok(Response::Txn { succeeded: self.succeeded, responses })
    }
}

/// Carries out a transaction that writes nothing.
pub(super) fn read_txn(
    txn: &TxnRequest,
    lens: &Lens<'_>,
    newest: Revision,
) -> Result<Response, FetchError> {
    if txn.has_writes() {
        let detail = "a transaction that writes was sent where only reads are served";
        return Err(Fault::new(Code::InvalidArgument, detail).into());
    }
    let decided = decide(txn, lens)?;
    decided.check(lens, newest)?;
    Ok(decided.read(lens)?)
}

/// What keys there are in what a transaction would delete.
pub(super) fn doomed(
    range: &types::KeyRange,
    lens: &Lens<'_>,
) -> Result<Vec<KeyValue>, ReadFailure> {
    let mut doomed = Vec::new();
    lens.scan(range, &mut |mut kv| {
        // Values may be large, and are only wanted by who asked for them.
        kv.key = Bytes::copy_from_slice(&kv.key);
        doomed.push(kv);
        ControlFlow::Continue(())
    })?;
    Ok(doomed)
}
