//! Transactions. As in etcd, all conditions, those of nested transactions too, are looked at before
//! the first operation runs, and so is everything an operation can be refused for.

use bytes::Bytes;
use types::{Code, Fault, LeaseId, ReadFailure, Reader, Revision};

use super::KeySpace;
use super::write::Change;
use crate::error::FetchError;
use crate::index::Head;
use crate::request::{Compare, CompareResult, CompareTarget, RangeRequest, TxnOp, TxnRequest};
use crate::response::Response;

/// A transaction of which it is decided what runs.
struct Decided<'a> {
    succeeded: bool,
    operations: Vec<Step<'a>>,
}

enum Step<'a> {
    Operation(&'a TxnOp),
    Txn(Decided<'a>),
}

impl KeySpace {
    /// Carries out a transaction that writes nothing.
    ///
    /// # Errors
    /// `InvalidArgument` if it could write; what its ranges are refused for; the engine's.
    pub(crate) fn read_txn(
        &self,
        txn: &TxnRequest,
        reader: &dyn Reader,
    ) -> Result<Response, FetchError> {
        if txn.has_writes() {
            let detail = "a transaction that writes was sent where only reads are served";
            return Err(Fault::new(Code::InvalidArgument, detail).into());
        }
        let decided = self.decide(txn, reader)?;
        self.check(&decided)?;
        self.run_reads(&decided, reader)
    }

    fn run_reads(&self, txn: &Decided<'_>, reader: &dyn Reader) -> Result<Response, FetchError> {
        let mut responses = Vec::with_capacity(txn.operations.len());
        for step in &txn.operations {
            match step {
                Step::Operation(TxnOp::Range(range)) => {
                    responses.push(self.run_range(range, reader)?);
                }
                Step::Operation(_) => {}
                Step::Txn(txn) => responses.push(self.run_reads(txn, reader)?),
            }
        }
        Ok(Response::Txn { succeeded: txn.succeeded, responses })
    }

    fn run_range(&self, range: &RangeRequest, reader: &dyn Reader) -> Result<Response, FetchError> {
        let selection = self.select(range)?;
        selection.fetch_from(&self.records(reader)).map(Response::Range)
    }

    fn decide<'a>(
        &self,
        txn: &'a TxnRequest,
        reader: &dyn Reader,
    ) -> Result<Decided<'a>, ReadFailure> {
        let mut succeeded = true;
        for compare in &txn.compare {
            succeeded = succeeded && self.holds(compare, reader)?;
        }
        let branch = if succeeded { &txn.success } else { &txn.failure };
        let mut operations = Vec::with_capacity(branch.len());
        for operation in branch {
            operations.push(match operation {
                TxnOp::Txn(txn) => Step::Txn(self.decide(txn, reader)?),
                other => Step::Operation(other),
            });
        }
        Ok(Decided { succeeded, operations })
    }

    fn holds(&self, compare: &Compare, reader: &dyn Reader) -> Result<bool, ReadFailure> {
        if compare.single {
            let head = self.index.get_live(&compare.range.start);
            return self.holds_for(compare, head.as_ref(), reader);
        }
        let mut empty = true;
        for (_, head) in self.index.range(&compare.range).filter(|(_, head)| !head.deleted) {
            empty = false;
            if !self.holds_for(compare, Some(&head), reader)? {
                return Ok(false);
            }
        }
        // An empty range compares like one missing key (etcd's `applyCompare`).
        if empty { self.holds_for(compare, None, reader) } else { Ok(true) }
    }

    fn holds_for(
        &self,
        compare: &Compare,
        head: Option<&Head>,
        reader: &dyn Reader,
    ) -> Result<bool, ReadFailure> {
        let order = match &compare.target {
            CompareTarget::Version(wanted) => head.map_or(0, |head| head.version).cmp(wanted),
            CompareTarget::CreateRevision(wanted) => {
                head.map_or(Revision(0), |head| head.create_revision).cmp(wanted)
            }
            CompareTarget::ModRevision(wanted) => {
                head.map_or(Revision(0), |head| head.position.revision).cmp(wanted)
            }
            CompareTarget::Lease(wanted) => head.map_or(LeaseId(0), |head| head.lease).cmp(wanted),
            CompareTarget::Value(wanted) => {
                let Some(head) = head else { return Ok(false) };
                let value: Bytes = self.record(head.position, reader)?.value;
                value.cmp(wanted)
            }
        };
        Ok(match compare.result {
            CompareResult::Equal => order.is_eq(),
            CompareResult::Greater => order.is_gt(),
            CompareResult::Less => order.is_lt(),
            CompareResult::NotEqual => order.is_ne(),
        })
    }

    /// What any operation is refused for; puts are looked at before ranges (etcd).
    fn check(&self, txn: &Decided<'_>) -> Result<(), Fault> {
        self.check_each(txn, &mut |operation| match operation {
            TxnOp::Put(put) => self.check_put(put),
            _ => Ok(()),
        })?;
        self.check_each(txn, &mut |operation| match operation {
            TxnOp::Range(range) => self.readable(range.revision).map(|_| ()),
            _ => Ok(()),
        })
    }

    #[allow(clippy::only_used_in_recursion, reason = "reads as part of `check`")]
    fn check_each(
        &self,
        txn: &Decided<'_>,
        check: &mut dyn FnMut(&TxnOp) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        txn.operations.iter().try_for_each(|step| match step {
            Step::Operation(operation) => check(operation),
            Step::Txn(txn) => self.check_each(txn, check),
        })
    }
}

impl Change<'_> {
    pub(crate) fn txn(&mut self, txn: &TxnRequest) -> Result<Result<Response, Fault>, ReadFailure> {
        let decided = self.space.decide(txn, self.reader)?;
        if let Err(fault) = self.space.check(&decided) {
            return Ok(Err(fault));
        }
        match self.run(&decided) {
            Ok(response) => Ok(Ok(response)),
            Err(FetchError::Read(failure)) => Err(failure),
            Err(FetchError::Fault(fault)) => Err(ReadFailure(format!(
                "a transaction was refused half way ({fault}) though it had been checked"
            ))),
        }
    }

    fn run(&mut self, txn: &Decided<'_>) -> Result<Response, FetchError> {
        let mut responses = Vec::with_capacity(txn.operations.len());
        for step in &txn.operations {
            responses.push(match step {
                Step::Operation(TxnOp::Put(put)) => self.put_checked(put)?,
                Step::Operation(TxnOp::Delete(delete)) => self.delete(delete)?,
                Step::Operation(TxnOp::Range(range)) => self.space.run_range(range, self.reader)?,
                Step::Operation(TxnOp::Txn(_)) => continue,
                Step::Txn(txn) => self.run(txn)?,
            });
        }
        Ok(Response::Txn { succeeded: txn.succeeded, responses })
    }
}
