//! Which keys a command or a query touches.

use bytes::Bytes;
use types::KeyRange;

use crate::command::Command;
use crate::request::{TxnOp, TxnRequest};

/// The smallest range that has every key the command touches; `None` if it touches none.
#[must_use]
pub fn span(command: &Command) -> Option<KeyRange> {
    let mut hull = Hull::default();
    hull.command(command);
    hull.0
}

/// The same of a transaction.
pub(crate) fn txn_span(txn: &TxnRequest) -> Option<KeyRange> {
    let mut hull = Hull::default();
    hull.txn(txn);
    hull.0
}

#[derive(Default)]
struct Hull(Option<KeyRange>);

impl Hull {
    fn command(&mut self, command: &Command) {
        match command {
            Command::Put(put) => self.key(&put.key),
            Command::Delete(delete) => self.range(&delete.range),
            Command::Txn(txn) => self.txn(txn),
            Command::Limited { command, .. } => self.command(command),
            _ => {}
        }
    }

    fn txn(&mut self, txn: &TxnRequest) {
        for compare in &txn.compare {
            self.range(&compare.range);
        }
        for operation in txn.success.iter().chain(&txn.failure) {
            match operation {
                TxnOp::Range(range) => self.range(&range.range),
                TxnOp::Put(put) => self.key(&put.key),
                TxnOp::Delete(delete) => self.range(&delete.range),
                TxnOp::Txn(txn) => self.txn(txn),
            }
        }
    }

    fn key(&mut self, key: &Bytes) {
        self.range(&KeyRange::single(key));
    }

    fn range(&mut self, range: &KeyRange) {
        let Some(known) = &mut self.0 else {
            self.0 = Some(range.clone());
            return;
        };
        if range.start < known.start {
            known.start = range.start.clone();
        }
        known.end = match (known.end.take(), &range.end) {
            (Some(known), Some(end)) => Some(known.max(end.clone())),
            _ => None,
        };
    }
}
