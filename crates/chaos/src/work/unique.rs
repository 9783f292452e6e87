use client::{Client, Put};

use super::{UNIQUE, value_of};
use crate::ledger::{Kind, Ledger, Outcome};

/// One client's writes of keys that nobody else writes, each once.
pub(super) struct Unique {
    client: u64,
    next: u64,
}

impl Unique {
    pub(super) fn new(client: u64) -> Self {
        Self { client, next: 0 }
    }

    pub(super) async fn put(&mut self, client: &Client, ledger: &Ledger) {
        let key = format!("{UNIQUE}{:03}/{:07}", self.client, self.next);
        self.next += 1;
        let value = ledger.value();
        match client.put(Put::new(key.clone(), value_of(value))).await {
            Ok(written) => {
                ledger.count(Kind::UniquePut, Outcome::Acknowledged);
                ledger.write(&key, value, Outcome::Acknowledged, written.revision);
            }
            Err(error) => {
                let outcome = ledger.failed(Kind::UniquePut, &error);
                ledger.write(&key, value, outcome, 0);
            }
        }
    }
}
