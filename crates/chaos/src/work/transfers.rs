//! Money that is moved between accounts by transactions: none appears, and none goes, also not between two
//! accounts of one answer.

use std::sync::atomic::Ordering;

use client::{Client, Compare, Get, KeyValue, Operation, Put, Relation, Txn};

use super::{ACCOUNTS, number_of, value_of};
use crate::ledger::{Kind, Ledger, Outcome};
use crate::random::Random;

const COUNT: u64 = 12;
/// What is in each at first.
const EACH: u64 = 1_000;

/// What is wrong with all accounts of one moment; before somebody saw them open there may be none.
pub(crate) fn judge<'a>(
    accounts: impl IntoIterator<Item = &'a KeyValue>,
    were_open: bool,
) -> Option<String> {
    let balances: Vec<_> = accounts.into_iter().map(|kv| number_of(&kv.value)).collect();
    let total: Option<u64> = balances.iter().copied().sum();
    let is_right = balances.len() as u64 == COUNT && total == Some(COUNT * EACH);
    let is_due = were_open || !balances.is_empty();
    (is_due && !is_right).then(|| format!("{} accounts with {total:?} together", balances.len()))
}

pub(crate) async fn step(client: &Client, ledger: &Ledger, random: &mut Random) {
    let were_open = ledger.accounts_open.load(Ordering::SeqCst);
    let found = match client.get(Get::prefix(ACCOUNTS)).await {
        Ok(found) => found,
        Err(error) => {
            ledger.failed(Kind::TransferGet, &error);
            return;
        }
    };
    ledger.count(Kind::TransferGet, Outcome::Acknowledged);
    if let Some(wrong) = judge(&found.kvs, were_open) {
        ledger.violation(format!("at revision {}: {wrong}", found.revision));
        return;
    }
    // From here on nobody may find none.
    ledger.accounts_open.fetch_or(!found.kvs.is_empty(), Ordering::SeqCst);
    let txn = match found.kvs.is_empty() {
        true => open(),
        false => transfer(&found.kvs, random),
    };
    match client.txn(txn).await {
        Ok(done) if done.succeeded => {
            ledger.accounts_open.store(true, Ordering::SeqCst);
            ledger.count(Kind::Transfer, Outcome::Acknowledged);
        }
        Ok(_) => ledger.count(Kind::Transfer, Outcome::Conflict),
        Err(error) => {
            ledger.failed(Kind::Transfer, &error);
        }
    }
}

/// Opens all accounts, if nobody has.
fn open() -> Txn {
    let keys = || (0..COUNT).map(|number| format!("{ACCOUNTS}{number:02}"));
    let first = keys().next().unwrap_or_default();
    let puts = keys().map(|key| Operation::Put(Put::new(key, value_of(EACH))));
    Txn::new().when([Compare::create_revision(first, Relation::Equal, 0)]).then(puts)
}

/// Moves some of one account's money to another, if both still are as they were.
fn transfer(accounts: &[KeyValue], random: &mut Random) -> Txn {
    let at = |number: u64| usize::try_from(number).unwrap_or(0);
    let from = random.below(COUNT);
    let to = (from + 1 + random.below(COUNT - 1)) % COUNT;
    let (from, to) = (&accounts[at(from)], &accounts[at(to)]);
    let balance = |kv: &KeyValue| number_of(&kv.value).unwrap_or(0);
    let moved = random.below(balance(from) + 1);
    let same =
        |kv: &KeyValue| Compare::mod_revision(kv.key.clone(), Relation::Equal, kv.mod_revision);
    let put = |kv: &KeyValue, value| Operation::Put(Put::new(kv.key.clone(), value_of(value)));
    Txn::new()
        .when([same(from), same(to)])
        .then([put(from, balance(from) - moved), put(to, balance(to) + moved)])
}
