//! Watchers of everything, one per node that there is at first.

use std::time::Duration;

use client::{ChangeKind, Client, Watch, Watcher};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{PREFIX, client_of, number_of};
use crate::servers::Servers;

/// One change as a watcher was told of it. Deletes have no value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Event {
    pub(crate) revision: i64,
    pub(crate) key: String,
    pub(crate) value: Option<u64>,
}

/// What was told, and why no more came.
type Cut = (Vec<Event>, String);

/// A watcher at work.
pub(crate) struct Watched {
    task: JoinHandle<Result<Vec<Event>, Cut>>,
    end: watch::Sender<i64>,
}

impl Watched {
    /// Watches from the first revision, at node `first` as long as that one serves.
    pub(crate) fn begin(servers: &Servers, first: usize) -> anyhow::Result<Self> {
        let client = client_of(servers, first)?;
        let (end, until) = watch::channel(i64::MAX);
        Ok(Self { task: tokio::spawn(follow(client, until)), end })
    }

    /// What was told up to revision `end`; or why that is not all.
    pub(crate) async fn until(self, end: i64, patience: Duration) -> Result<Vec<Event>, Cut> {
        let _ = self.end.send(end);
        // The task itself bounds its wait once the end is known.
        let stopped = timeout(patience * 2, self.task).await;
        match stopped {
            Ok(Ok(told)) => told,
            _ => Err((Vec::new(), "it hangs".into())),
        }
    }
}

async fn begin(client: &Client) -> Watcher {
    loop {
        if let Ok(watcher) = client.watch(Watch::prefix(PREFIX).from_revision(1)).await {
            return watcher;
        }
    }
}

async fn follow(client: Client, mut until: watch::Receiver<i64>) -> Result<Vec<Event>, Cut> {
    const STANDSTILL: Duration = Duration::from_secs(30);
    let mut told = Vec::new();
    let mut newest = 0;
    let mut watcher = begin(&client).await;
    loop {
        let end = *until.borrow_and_update();
        if newest >= end {
            return Ok(told);
        }
        let next = tokio::select! {
            biased;
            changed = until.changed() => {
                if changed.is_err() {
                    return Err((told, "the run was cut short".into()));
                }
                continue;
            }
            next = timeout(STANDSTILL, watcher.next()) => next,
        };
        match next {
            Ok(Ok(changes)) => {
                newest = newest.max(changes.revision);
                told.extend(changes.changes.into_iter().map(|change| Event {
                    revision: change.kv.mod_revision,
                    key: String::from_utf8_lossy(&change.kv.key).into_owned(),
                    value: match change.kind {
                        ChangeKind::Put => Some(number_of(&change.kv.value).unwrap_or(u64::MAX)),
                        ChangeKind::Delete => None,
                    },
                }));
            }
            Ok(Err(error)) => return Err((told, format!("it ended: {error}"))),
            Err(_) if end == i64::MAX => {}
            Err(_) => {
                let why = format!("nothing after revision {newest}, though {end} was written");
                return Err((told, why));
            }
        }
    }
}

/// The whole history as one node tells it.
pub(crate) async fn replay(address: &str, end: i64) -> Result<Vec<Event>, Cut> {
    let options = client::Options::default();
    let client = Client::lazy([address], options).map_err(|error| (vec![], error.to_string()))?;
    let (_sender, until) = watch::channel(end);
    follow(client, until).await
}
