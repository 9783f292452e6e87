//! Writers that go on while servers are killed, and what they were promised.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use client::{Client, Get, Options, Put};
use tokio::task::JoinHandle;

use crate::program::until;

/// Below this the writers write.
pub(crate) const PREFIX: &str = "w/";

/// Several writers, each of keys of its own, each with a client of its own that begins at another
/// endpoint.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    acknowledged: Arc<Mutex<BTreeMap<String, String>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    pub(crate) async fn start(number: usize, endpoints: &[String]) -> Self {
        let mut writers = Self {
            stop: Arc::default(),
            count: Arc::default(),
            acknowledged: Arc::default(),
            tasks: Vec::new(),
        };
        for writer in 0..number {
            let mut endpoints = endpoints.to_vec();
            let first = writer % endpoints.len();
            endpoints.rotate_left(first);
            let client = Client::connect(endpoints, Options::default()).await.unwrap();
            let (stop, count) = (Arc::clone(&writers.stop), Arc::clone(&writers.count));
            let acknowledged = Arc::clone(&writers.acknowledged);
            writers.tasks.push(tokio::spawn(async move {
                for at in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (key, value) = (format!("{PREFIX}{writer}/{at:06}"), format!("v{at}"));
                    match client.put(Put::new(key.clone(), value.clone())).await {
                        Ok(_) => {
                            acknowledged.lock().unwrap().insert(key, value);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        // Servers are being killed; but a clear refusal would be a fault.
                        Err(error) => assert!(
                            error.outcome_unknown()
                                || matches!(error, client::Error::Unreachable { .. }),
                            "{error:?}"
                        ),
                    }
                }
            }));
        }
        writers
    }

    /// Waits until `more` further writes are acknowledged.
    pub(crate) fn progress(&self, more: usize) {
        let begin = self.count.load(Ordering::Relaxed);
        until("writes are acknowledged", || {
            assert!(self.tasks.iter().all(|task| !task.is_finished()), "a writer failed");
            self.count.load(Ordering::Relaxed) >= begin + more
        });
    }

    /// Ends the writers; answers what was acknowledged.
    pub(crate) async fn end(self) -> BTreeMap<String, String> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

/// Asks one server, and no other, for everything that was acknowledged.
pub(crate) async fn assert_has(endpoint: &str, acknowledged: &BTreeMap<String, String>, get: Get) {
    let client = Client::connect([endpoint], Options::default()).await.unwrap();
    let mut pages = client.pages(get, false, None);
    let mut found = BTreeMap::new();
    while let Some(kvs) = pages.next().await.unwrap() {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        found.extend(kvs.iter().map(|kv| (text(&kv.key), text(&kv.value))));
    }
    for (key, value) in acknowledged {
        assert_eq!(found.get(key), Some(value), "{endpoint} lost {key}");
    }
}
