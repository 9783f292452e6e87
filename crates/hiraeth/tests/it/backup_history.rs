//! A backup while clients read and write, then everything lost: what the restored cluster says fits behind
//! all that was answered before the backup was begun.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use check::{Action, Operation, Seen, Verdict, check, settle};
use client::{Client, Get, Options, Put};
use parking_lot::Mutex;

use crate::backup::{path, restored, run, words};
use crate::server::Three;

const CLIENTS: u64 = 8;
/// Keys at a time,
const SLOTS: u64 = 4;
/// each for so many operations; then another one follows.
const OPERATIONS: u64 = 300;

/// What clients asked and were answered, by key.
#[derive(Default)]
struct Ledger {
    tickets: AtomicU64,
    asked: AtomicU64,
    stop: AtomicBool,
    histories: Mutex<BTreeMap<String, Vec<Operation>>>,
}

impl Ledger {
    /// Tickets begin with 1.
    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn work(self: Arc<Self>, number: u64, client: Client) {
        while !self.stop.load(Ordering::SeqCst) {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            let (slot, generation) = (asked % SLOTS, asked / SLOTS / OPERATIONS);
            let key = format!("register/{slot}/{generation:04}");
            let start = self.ticket();
            // Every value is a ticket: nobody else writes it.
            let (action, found) = if asked.is_multiple_of(3) {
                (Action::Get, client.get(Get::key(key.clone())).await.unwrap().kvs.first().cloned())
            } else {
                let put = Put::new(key.clone(), start.to_string()).previous();
                (Action::Put(start), client.put(put).await.unwrap().previous)
            };
            let (seen, end) = (Seen::Value(found.as_ref().map(value)), self.ticket());
            let operation = Operation { client: number, start, end, action, seen };
            self.histories.lock().entry(key).or_default().push(operation);
        }
    }

    async fn reaches(&self, ticket: u64) {
        while self.tickets.load(Ordering::SeqCst) < ticket {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

fn value(kv: &client::KeyValue) -> u64 {
    std::str::from_utf8(&kv.value).unwrap().parse().unwrap()
}

/// What is known of a key when all but a backup is lost that was begun at a ticket, and this was found then:
/// who was answered later may have been carried out before, or not.
fn lost(history: &[Operation], begun: u64, last: u64, found: Option<u64>) -> Vec<Operation> {
    let known = history.iter().filter_map(|operation| {
        if operation.end < begun {
            return Some(*operation);
        }
        let nobody_knows = Operation { end: u64::MAX, seen: Seen::Nothing, ..*operation };
        (operation.action != Action::Get).then_some(nobody_knows)
    });
    let (start, end) = (last + 1, last + 2);
    let seen = Seen::Value(found);
    let then = Operation { client: CLIENTS, start, end, action: Action::Get, seen };
    settle(&known.chain([then]).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_has_fits_behind_every_answer_before_it() {
    let three = Three::start().await;
    let ledger = Arc::new(Ledger::default());
    let mut workers = Vec::new();
    for number in 0..CLIENTS {
        let client = Client::connect(three.endpoints(), Options::default()).await.unwrap();
        workers.push(tokio::spawn(Arc::clone(&ledger).work(number, client)));
    }
    ledger.reaches(4_000).await;
    let directory = tempfile::tempdir().unwrap();
    let backup = directory.path().join("backup");
    let begun = ledger.ticket();
    let arguments = words(&["admin", "backup", "--out", path(&backup)]);
    run(three.endpoints().join(","), arguments).await.well();
    let taken = ledger.ticket();
    assert!(taken > begun + 1, "it was written to meanwhile");
    ledger.reaches(taken + 500).await;
    ledger.stop.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.unwrap();
    }
    drop(three);

    let servers = restored(directory.path(), &backup).await;
    let endpoints: Vec<_> = servers.iter().map(|server| server.client.clone()).collect();
    let client = Client::connect(endpoints, Options::default()).await.unwrap();
    let (last, mut is_caught) = (ledger.ticket(), 0);
    for (key, history) in &*ledger.histories.lock() {
        assert_eq!(check(&settle(history)), Verdict::Linearizable, "{key} before all was lost");
    }
    let histories = std::mem::take(&mut *ledger.histories.lock());
    for (key, history) in &histories {
        let found = client.get(Get::key(key.clone())).await.unwrap().kvs.first().map(value);
        let then = lost(history, begun, last, found);
        assert_eq!(check(&then), Verdict::Linearizable, "{key}: {found:?}\n{then:?}");
        // If it were not there, or were what came first, the check would say so.
        let puts = || history.iter().filter(|it| it.end < begun && it.action != Action::Get);
        let Some(first) = puts().min_by_key(|it| it.end) else { continue };
        let is_over = puts().any(|later| later.start > first.end);
        let over = is_over.then_some(Some(first.start));
        for wrong in [Some(None), over].into_iter().flatten() {
            let verdict = check(&lost(history, begun, last, wrong));
            assert!(matches!(verdict, Verdict::Broken(_)), "{key}: {wrong:?}");
            is_caught += 1;
        }
    }
    assert!(is_caught > SLOTS, "{is_caught}");
}
