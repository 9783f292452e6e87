//! Counters that all clients add to by comparing and swapping.

use client::{Client, Compare, Get, Operation, Put, Relation, Txn};

use super::{COUNTERS, number_of, value_of};
use crate::ledger::{Kind, Ledger, Outcome};
use crate::random::Random;

const KEYS: u64 = 8;

pub(crate) async fn add(client: &Client, ledger: &Ledger, random: &mut Random) {
    let key = format!("{COUNTERS}{}", random.below(KEYS));
    let found = match client.get(Get::key(key.clone())).await {
        Ok(found) => found,
        Err(error) => {
            ledger.failed(Kind::CounterGet, &error);
            return;
        }
    };
    ledger.count(Kind::CounterGet, Outcome::Acknowledged);
    let (revision, count) = match found.kvs.first() {
        Some(kv) => (kv.mod_revision, number_of(&kv.value)),
        None => (0, Some(0)),
    };
    let Some(count) = count else {
        ledger.violation(format!("{key} has a value that nobody wrote"));
        return;
    };
    let txn = Txn::new()
        .when([Compare::mod_revision(key.clone(), Relation::Equal, revision)])
        .then([Operation::Put(Put::new(key.clone(), value_of(count + 1)))]);
    match client.txn(txn).await {
        Ok(outcome) if outcome.succeeded => {
            ledger.count(Kind::CounterAdd, Outcome::Acknowledged);
            ledger.write(&key, count + 1, Outcome::Acknowledged, outcome.revision);
            ledger.counters.lock().entry(key).or_default().acknowledged += 1;
        }
        Ok(_) => ledger.count(Kind::CounterAdd, Outcome::Conflict),
        Err(error) => {
            if ledger.failed(Kind::CounterAdd, &error) == Outcome::Unknown {
                ledger.counters.lock().entry(key).or_default().unknown += 1;
            }
        }
    }
}
