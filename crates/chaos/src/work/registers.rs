//! Registers: keys whose whole history is recorded, for the check of linearizability. At most 8
//! clients use a key, and at most 500 times; then another one follows.

use std::sync::Arc;

use check::{Action, OPERATIONS, Operation, Seen};
use client::{Client, Compare, Get, KeyValue, Put, Relation, Txn, TxnResult};
use parking_lot::Mutex;

use super::{REGISTERS, number_of, value_of};
use crate::ledger::{Kind, Ledger, Outcome};
use crate::random::Random;

/// Clients that share registers.
const GROUP: u64 = 8;
/// Registers of a group at a time.
const SLOTS: u64 = 4;

/// Which generation of key stands in each slot of each group.
pub(crate) struct Registers(Vec<Mutex<u64>>);

impl Registers {
    pub(crate) fn new(clients: u64) -> Self {
        let slots = clients.div_ceil(GROUP) * SLOTS;
        Self((0..slots).map(|_| Mutex::new(0)).collect())
    }

    /// Begins an operation on a key with room; the key, and the operation's place in its history.
    fn begin(&self, slot: u64, client: u64, action: Action, ledger: &Ledger) -> (String, usize) {
        let at = usize::try_from(slot).unwrap_or(0) % self.0.len().max(1);
        let mut generation = self.0[at].lock();
        let mut histories = ledger.histories.lock();
        let mut key = format!("{REGISTERS}{slot:03}/{generation:05}");
        if histories.get(&key).map_or(0, Vec::len) >= OPERATIONS {
            *generation += 1;
            key = format!("{REGISTERS}{slot:03}/{generation:05}");
        }
        let history = histories.entry(key.clone()).or_default();
        let (start, end) = (ledger.ticket(), u64::MAX);
        history.push(Operation { client, start, end, action, seen: Seen::Nothing });
        (key, history.len() - 1)
    }
}

/// One client of registers.
pub(crate) struct Register {
    client: u64,
    all: Arc<Registers>,
    /// The last value this client saw of a key.
    known: Option<(String, Option<u64>)>,
}

impl Register {
    pub(crate) fn new(client: u64, all: Arc<Registers>) -> Self {
        Self { client, all, known: None }
    }

    pub(crate) async fn step(&mut self, client: &Client, ledger: &Ledger, random: &mut Random) {
        let slot = self.client / GROUP * SLOTS + random.below(SLOTS);
        let (kind, action) = match random.below(100) {
            0..40 => (Kind::RegisterGet, Action::Get),
            40..75 => (Kind::RegisterPut, Action::Put(ledger.value())),
            _ => {
                // A guess by what was seen of some key: right sometimes, wrong sometimes.
                let expect = self.known.as_ref().and_then(|(_, value)| *value);
                (Kind::RegisterSwap, Action::Swap { expect, new: ledger.value() })
            }
        };
        let (action, slot) = match (&self.known, action) {
            // A swap goes to the key whose value is known.
            (Some((key, _)), Action::Swap { .. }) => (action, slot_of(key).unwrap_or(slot)),
            _ => (action, slot),
        };
        let (key, place) = self.all.begin(slot, self.client, action, ledger);
        let answer = ask(client, &key, action).await;
        let end = ledger.ticket();
        let (seen, outcome) = match answer {
            Ok((seen, revision)) => {
                self.note(&key, action, seen, revision, ledger);
                let conflict = matches!(seen, Seen::Kept(_));
                let outcome = if conflict { Outcome::Conflict } else { Outcome::Acknowledged };
                ledger.count(kind, outcome);
                (Some(seen), outcome)
            }
            Err(error) => (None, ledger.failed(kind, &error)),
        };
        let mut histories = ledger.histories.lock();
        if let Some(operation) = histories.get_mut(&key).and_then(|all| all.get_mut(place)) {
            match (seen, outcome) {
                (Some(seen), _) => (operation.end, operation.seen) = (end, seen),
                // Never carried out: it is as if a get had not been answered.
                (None, Outcome::Refused) => operation.action = Action::Get,
                (None, _) => {}
            }
        }
    }

    fn note(&mut self, key: &str, action: Action, seen: Seen, revision: i64, ledger: &Ledger) {
        let value = match (action, seen) {
            (Action::Put(new) | Action::Swap { new, .. }, Seen::Value(_) | Seen::Swapped) => {
                ledger.write(key, new, Outcome::Acknowledged, revision);
                Some(new)
            }
            (_, Seen::Value(value) | Seen::Kept(value)) => value,
            _ => None,
        };
        self.known = Some((key.to_owned(), value));
    }
}

fn slot_of(key: &str) -> Option<u64> {
    key.strip_prefix(REGISTERS)?.split('/').next()?.parse().ok()
}

/// What a value must be to be one of ours: a number; else one that nobody wrote.
fn number(kv: Option<&KeyValue>) -> Option<u64> {
    kv.map(|kv| number_of(&kv.value).unwrap_or(u64::MAX))
}

/// The answer, and the revision of what was written.
async fn ask(client: &Client, key: &str, action: Action) -> Result<(Seen, i64), client::Error> {
    let key = key.to_owned();
    match action {
        Action::Get | Action::Delete => {
            let found = client.get(Get::key(key)).await?;
            Ok((Seen::Value(number(found.kvs.first())), 0))
        }
        Action::Put(new) => {
            let written = client.put(Put::new(key, value_of(new)).previous()).await?;
            Ok((Seen::Value(number(written.previous.as_ref())), written.revision))
        }
        Action::Swap { expect, new } => {
            let is_expected = match expect {
                Some(value) => Compare::value(key.clone(), Relation::Equal, value_of(value)),
                None => Compare::create_revision(key.clone(), Relation::Equal, 0),
            };
            let txn = Txn::new()
                .when([is_expected])
                .then([client::Operation::Put(Put::new(key.clone(), value_of(new)))])
                .otherwise([client::Operation::Get(Get::key(key))]);
            let outcome = client.txn(txn).await?;
            match outcome.results.first() {
                _ if outcome.succeeded => Ok((Seen::Swapped, outcome.revision)),
                Some(TxnResult::Get(found)) => Ok((Seen::Kept(number(found.kvs.first())), 0)),
                _ => Err(client::Error::Malformed("a swap that failed tells no value")),
            }
        }
    }
}
