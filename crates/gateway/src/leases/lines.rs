use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use parking_lot::Mutex;
use tokio::time::timeout;
use tonic::Status;

use super::line::{Line, State};
use super::upstream::Upstream;
use crate::members::Members;

/// Different tokens and keyspaces at once.
const LINES: usize = 4_096;
/// How long a client waits for a member to take its token.
const PATIENCE: Duration = Duration::from_secs(5);
/// What decides about a renewal, beside the lease.
const TOLD: [&str; 4] = ["token", "authorization", "hiraeth-keyspace", "hasleader"];

type Key = [Option<Vec<u8>>; 4];

/// The lines of a gateway.
#[derive(Default)]
pub(crate) struct Lines {
    by_key: Mutex<BTreeMap<Key, Arc<Line>>>,
    numbers: AtomicU64,
    /// Renewals of clients.
    pub(crate) renewals: AtomicU64,
}

/// A client's part in a line.
pub(super) struct Joined {
    pub(super) line: Arc<Line>,
    pub(super) lines: Arc<Lines>,
}

impl Lines {
    /// Streams at members, and those of clients that share them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let lines = self.by_key.lock();
        let clients = lines.values().map(|line| line.clients.load(Ordering::Relaxed)).sum();
        (lines.len(), clients)
    }

    /// Joins the clients of which members are told the same, once one has taken that.
    pub(super) async fn join(
        lines: &Arc<Self>,
        members: &Arc<Members>,
        headers: &HeaderMap,
    ) -> Result<Joined, Status> {
        let key: Key =
            TOLD.map(|name| headers.get(name).map(HeaderValue::as_bytes).map(<[u8]>::to_vec));
        let joined = {
            let mut by_key = lines.by_key.lock();
            let line = match by_key.get(&key) {
                Some(line) => Arc::clone(line),
                None if by_key.len() >= LINES => {
                    let told = format!("hiraeth: a limit was reached: {LINES} tokens in use here");
                    return Err(Status::resource_exhausted(told));
                }
                None => {
                    let mut metadata = HeaderMap::new();
                    for name in TOLD {
                        if let Some(value) = headers.get(name) {
                            metadata.insert(name, value.clone());
                        }
                    }
                    let number = lines.numbers.fetch_add(1, Ordering::Relaxed);
                    let line = Arc::new(Line::new(metadata, number));
                    by_key.insert(key, Arc::clone(&line));
                    let upstream = Upstream {
                        line: Arc::clone(&line),
                        lines: Arc::clone(lines),
                        members: Arc::clone(members),
                    };
                    tokio::spawn(upstream.run());
                    line
                }
            };
            line.clients.fetch_add(1, Ordering::Relaxed);
            Joined { line, lines: Arc::clone(lines) }
        };
        let mut state = joined.line.state.subscribe();
        let decided = state.wait_for(|state| !matches!(state, State::Trying));
        let decided = timeout(PATIENCE, decided).await;
        match decided.as_ref().map(|decided| decided.as_deref()) {
            Ok(Ok(State::Connected)) => {}
            Ok(Ok(State::Over(status))) => return Err(status.clone()),
            _ => return Err(Status::unavailable(members.unreached())),
        }
        drop(decided);
        Ok(joined)
    }

    /// Ends all streams.
    pub(crate) fn stop(&self, why: &Status) {
        let lines = std::mem::take(&mut *self.by_key.lock());
        for line in lines.into_values() {
            line.state.send_replace(State::Over(why.clone()));
        }
    }

    /// No member serves a line any more: who comes next begins anew.
    pub(super) fn forget(&self, line: &Arc<Line>) {
        self.by_key.lock().retain(|_, known| !Arc::ptr_eq(known, line));
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut by_key = self.lines.by_key.lock();
        if self.line.clients.fetch_sub(1, Ordering::Relaxed) == 1 {
            by_key.retain(|_, known| !Arc::ptr_eq(known, &self.line));
            self.line.bell.notify_one();
        }
    }
}
