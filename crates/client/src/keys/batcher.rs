//! Writes of many tasks that are sent together.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use types::Code;

use super::batch::Write;
use crate::{Client, Error, Put};

/// Writes that wait; then whoever writes waits.
const WAITING: usize = 4_096;
/// Writes that are taken together.
const TOGETHER: usize = 1_024;
/// Rounds under way at once: what comes meanwhile is the next.
const ROUNDS: usize = 4;

/// Gathers the writes of all who share it: while some are under way, those that come are gathered, and go
/// together. Nobody waits for others to come. Cheap to clone.
#[derive(Clone)]
pub struct Batcher {
    orders: mpsc::Sender<Order>,
}

struct Order {
    write: Write,
    answer: oneshot::Sender<Result<i64, Arc<Error>>>,
}

impl Client {
    /// Begins to gather writes, until all clones of what this answers are dropped.
    #[must_use]
    pub fn batcher(&self) -> Batcher {
        let (orders, waiting) = mpsc::channel(WAITING);
        tokio::spawn(run(self.clone(), waiting));
        Batcher { orders }
    }
}

impl Batcher {
    /// Writes a key, together with whatever else there is to write; answers the revision. Of writes of one
    /// key that wait together the last counts.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub async fn put(&self, put: Put) -> Result<i64, Arc<Error>> {
        self.write(Write::Put(put)).await
    }

    /// Removes a key in the same way.
    ///
    /// # Errors
    /// As [`Client::delete`].
    pub async fn delete(&self, key: impl Into<Bytes>) -> Result<i64, Arc<Error>> {
        self.write(Write::Delete(key.into())).await
    }

    async fn write(&self, write: Write) -> Result<i64, Arc<Error>> {
        let (answer, told) = oneshot::channel();
        // The task ends only when nobody can write any more, or with its runtime.
        let gone = |sent: bool| {
            let message = "the runtime of the batcher ended".to_owned();
            let code = if sent { Code::Timeout } else { Code::TooManyRequests };
            Arc::new(Error::Server { code, message })
        };
        self.orders.send(Order { write, answer }).await.map_err(|_| gone(false))?;
        told.await.map_err(|_| gone(true))?
    }
}

async fn run(client: Client, mut waiting: mpsc::Receiver<Order>) {
    let mut rounds = FuturesUnordered::new();
    let mut orders = Vec::with_capacity(TOGETHER);
    let mut is_open = true;
    while is_open || !rounds.is_empty() {
        tokio::select! {
            count = waiting.recv_many(&mut orders, TOGETHER), if is_open && rounds.len() < ROUNDS => {
                is_open = count > 0;
                if is_open {
                    rounds.push(round(&client, std::mem::take(&mut orders)));
                }
            }
            Some(()) = rounds.next() => {}
        }
    }
}

async fn round(client: &Client, orders: Vec<Order>) {
    let mut answers: BTreeMap<Bytes, (Write, Vec<oneshot::Sender<_>>)> = BTreeMap::new();
    for Order { write, answer } in orders {
        let entry = answers.entry(write.key().clone());
        let (last, all) = entry.or_insert_with(|| (write.clone(), Vec::new()));
        *last = write;
        all.push(answer);
    }
    let mut left: Vec<Vec<Write>> =
        vec![answers.values().map(|(write, _)| write.clone()).collect()];
    while let Some(writes) = left.pop() {
        for part in client.write_batch(writes).await {
            let outcome = part.outcome.map_err(Arc::new);
            let is_refused = outcome.as_ref().is_err_and(|error| is_refused(error));
            if is_refused && part.keys.len() > 1 {
                // One that is refused does not take the others with it.
                let writes = part.keys.iter().filter_map(|key| answers.get(key));
                let mut writes: Vec<Write> = writes.map(|(write, _)| write.clone()).collect();
                let half = writes.split_off(writes.len() / 2);
                left.extend([writes, half]);
                continue;
            }
            let senders = part.keys.iter().filter_map(|key| answers.remove(key));
            for answer in senders.flat_map(|(_, senders)| senders) {
                // Who does not want to know any more need not.
                drop(answer.send(outcome.clone()));
            }
        }
    }
}

/// Whether one of several writes may be why none was carried out, and the others be of another fate.
fn is_refused(error: &Error) -> bool {
    let elsewhere = [Code::NotLeader, Code::EpochMismatch, Code::TooManyRequests];
    match error {
        Error::Server { code, .. } => !error.outcome_unknown() && !elsewhere.contains(code),
        _ => false,
    }
}
