//! A watch that goes on while servers come and go, checked for gaps and repetitions.

use std::sync::{Arc, Mutex};

use client::{Client, Options, Watch};
use tokio::task::JoinHandle;

/// Keys in the order they were told, each with its revision.
pub(crate) type Told = Arc<Mutex<Vec<(i64, String)>>>;

/// Watches a prefix from its beginning, first at the first of `endpoints`.
pub(crate) async fn follow(endpoints: Vec<String>, prefix: &'static str) -> (Told, JoinHandle<()>) {
    let client = Client::connect(endpoints, Options::default()).await.unwrap();
    let mut watcher = client.watch(Watch::prefix(prefix).from_revision(1)).await.unwrap();
    let told = Told::default();
    let telling = Arc::clone(&told);
    let task = tokio::spawn(async move {
        loop {
            let changes = watcher.next().await.unwrap();
            let new = changes.changes.into_iter().map(|change| {
                let key = String::from_utf8(change.kv.key.to_vec()).unwrap();
                (change.kv.mod_revision, key)
            });
            telling.lock().unwrap().extend(new);
        }
    });
    (told, task)
}
