//! No key may be written twice by one run of a transaction: the second write would have the first
//! one's revision (etcd's `checkIntervals`).

use std::collections::BTreeSet;

use types::{Code, Fault, KeyRange};

use crate::request::TxnOp;

/// What a branch writes.
#[derive(Default)]
struct Writes<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Vec<&'a KeyRange>,
}

impl<'a> Writes<'a> {
    fn put(&mut self, key: &'a [u8]) -> Result<(), Fault> {
        self.not_deleted(key)?;
        if self.puts.insert(key) { Ok(()) } else { Err(Code::DuplicateKey.into()) }
    }

    fn not_deleted(&self, key: &[u8]) -> Result<(), Fault> {
        if self.deletes.iter().any(|range| range.contains(key)) {
            return Err(Code::DuplicateKey.into());
        }
        Ok(())
    }
}

/// Checks one branch of a transaction with everything nested in it.
pub(super) fn check(branch: &[TxnOp]) -> Result<(), Fault> {
    // A single operation that nests nothing cannot meet itself.
    if let [TxnOp::Range(_) | TxnOp::Put(_) | TxnOp::Delete(_)] | [] = branch {
        return Ok(());
    }
    collect(branch).map(drop)
}

fn collect(branch: &[TxnOp]) -> Result<Writes<'_>, Fault> {
    let mut writes = Writes::default();
    for operation in branch {
        if let TxnOp::Delete(delete) = operation {
            writes.deletes.push(&delete.range);
        }
    }
    for operation in branch {
        let TxnOp::Txn(txn) = operation else { continue };
        let then = collect(&txn.success)?;
        let otherwise = collect(&txn.failure)?;
        for key in &then.puts {
            writes.put(key)?;
        }
        for key in &otherwise.puts {
            writes.not_deleted(key)?;
            // Only one of the two branches runs, so they may name the same key.
            if !writes.puts.insert(key) && !then.puts.contains(key) {
                return Err(Code::DuplicateKey.into());
            }
        }
        writes.deletes.extend(then.deletes);
        writes.deletes.extend(otherwise.deletes);
    }
    for operation in branch {
        if let TxnOp::Put(put) = operation {
            writes.put(&put.key)?;
        }
    }
    Ok(writes)
}
