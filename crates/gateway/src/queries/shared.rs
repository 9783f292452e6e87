use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Response;
use hyper::http::request::Parts;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Duration, sleep};
use tonic::body::Body;

use super::flight::{Outcome, ask};
use super::key::Key;
use crate::members::Members;
use crate::words::Refusal;

/// Different queries that wait at once; more are passed on each for itself.
const QUERIES: usize = 16_384;

/// How often it is looked whether anybody still waits.
const LOOK: Duration = Duration::from_secs(1);

type Waiting = watch::Receiver<Option<Outcome>>;

/// Queries that wait at members.
#[derive(Default)]
pub(crate) struct Queries {
    by_key: Mutex<BTreeMap<Key, Waiting>>,
    /// Queries of clients, and those of them that went to members.
    pub(crate) asked: AtomicU64,
    pub(crate) sent: AtomicU64,
}

impl Queries {
    /// Waits for the answer with all who ask the same. `None` if the query is to be passed on by itself.
    pub(crate) async fn ask(
        queries: &Arc<Self>,
        members: &Arc<Members>,
        client: u64,
        key: Key,
        head: &Parts,
    ) -> Option<Result<Response<Body>, Refusal>> {
        queries.asked.fetch_add(1, Ordering::Relaxed);
        let mut waiting = {
            let mut by_key = queries.by_key.lock();
            let known = by_key.get(&key).filter(|known| known.has_changed().is_ok()).cloned();
            match known {
                Some(known) => known,
                None if by_key.len() >= QUERIES => return None,
                None => {
                    let (tell, waiting) = watch::channel(None);
                    by_key.insert(key.clone(), waiting.clone());
                    let (queries, members) = (Arc::clone(queries), Arc::clone(members));
                    tokio::spawn(queries.fly(members, client, (key, head.clone()), tell));
                    waiting
                }
            }
        };
        let outcome = waiting.wait_for(Option::is_some).await.ok()?.clone()?;
        Some(match outcome {
            Outcome::Answered(answer) => Ok(answer.to_response()),
            Outcome::Refused(status, http) => Err(Refusal::new(status, http)),
            Outcome::TooLong => return None,
        })
    }

    async fn fly(
        self: Arc<Self>,
        members: Arc<Members>,
        client: u64,
        (key, head): (Key, Parts),
        tell: watch::Sender<Option<Outcome>>,
    ) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let nobody_waits = async {
            loop {
                sleep(LOOK).await;
                let mut by_key = self.by_key.lock();
                // One receiver is in the map, and nobody takes it from there meanwhile.
                if tell.receiver_count() <= 1 {
                    by_key.remove(&key);
                    return;
                }
            }
        };
        tokio::select! {
            outcome = ask(&members, client, head) => {
                // First, so that who comes from here on asks anew.
                self.by_key.lock().remove(&key);
                tell.send_replace(Some(outcome));
            }
            // Dropped, it is taken back at the member.
            () = nobody_waits => {}
        }
    }
}
