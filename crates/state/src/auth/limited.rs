//! Commands whose effect on keys is known only when they are applied: those that touch a lease, with
//! whichever keys live with it by then.

use types::LeaseId;

use crate::command::Command;
use crate::request::{TxnOp, TxnRequest};

/// Whether it is of a kind that [`Command::Limited`] holds.
pub(crate) fn may_be_limited(command: &Command) -> bool {
    !leases_of(command).is_empty()
}

/// The leases a command ends or attaches keys to. Who attaches a key to a lease has a say over the
/// others that live with it, so etcd wants leave to write them, too.
pub(crate) fn leases_of(command: &Command) -> Vec<LeaseId> {
    let mut leases = Vec::new();
    match command {
        Command::LeaseRevoke { id } => leases.push(*id),
        Command::Put(put) => leases.push(put.lease),
        Command::Txn(txn) => of_txn(txn, &mut leases),
        _ => {}
    }
    leases.retain(|lease| lease.get() != 0);
    leases.sort_unstable();
    leases.dedup();
    leases
}

fn of_txn(txn: &TxnRequest, leases: &mut Vec<LeaseId>) {
    for operation in txn.success.iter().chain(&txn.failure) {
        match operation {
            TxnOp::Put(put) => leases.push(put.lease),
            TxnOp::Txn(txn) => of_txn(txn, leases),
            TxnOp::Range(_) | TxnOp::Delete(_) => {}
        }
    }
}
