use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::HeaderValue;
use parking_lot::Mutex;
use tokio::time::timeout;
use tonic::Status;

use super::hub::{Hub, State};
use super::upstream;
use crate::members::Members;

/// Tokens whose clients follow something at once.
const TOKENS: usize = 4_096;
/// How long a client waits for a member to take its token.
const PATIENCE: Duration = Duration::from_secs(5);

type Token = Option<Vec<u8>>;

/// The hubs of a gateway, by token: what one token may is never told to another.
#[derive(Default)]
pub(crate) struct Hubs {
    by_token: Mutex<BTreeMap<Token, Arc<Hub>>>,
    numbers: AtomicU64,
    pub(crate) meters: Meters,
}

/// What is counted.
#[derive(Default)]
pub(crate) struct Meters {
    /// Instances that clients beat for.
    pub(crate) beats: AtomicU64,
    /// Messages with beats that went to members.
    pub(crate) messages: AtomicU64,
    /// Pushes to clients.
    pub(crate) pushes: AtomicU64,
}

/// A client's part in a hub.
pub(super) struct Joined {
    pub(super) hub: Arc<Hub>,
    pub(super) hubs: Arc<Hubs>,
}

impl Hubs {
    /// Services that are followed, and subscriptions of clients to them.
    pub(crate) fn count(&self) -> (usize, usize) {
        let hubs: Vec<Arc<Hub>> = self.by_token.lock().values().cloned().collect();
        let counts = hubs.iter().map(|hub| hub.count());
        counts.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
    }

    /// Joins the clients with this token, once a member has taken it.
    pub(super) async fn join(
        hubs: &Arc<Self>,
        members: &Arc<Members>,
        name: &str,
        token: Option<HeaderValue>,
    ) -> Result<Joined, Status> {
        let key: Token = token.as_ref().map(|token| token.as_bytes().to_vec());
        let joined = {
            let mut by_token = hubs.by_token.lock();
            let hub = match by_token.get(&key) {
                Some(hub) => Arc::clone(hub),
                None if by_token.len() >= TOKENS => {
                    let told = format!("hiraeth: a limit was reached: {TOKENS} tokens in use here");
                    return Err(Status::resource_exhausted(told));
                }
                None => {
                    let number = hubs.numbers.fetch_add(1, Ordering::Relaxed);
                    let hub = Arc::new(Hub::new(token, number));
                    by_token.insert(key, Arc::clone(&hub));
                    let upstream = upstream::Upstream {
                        hub: Arc::clone(&hub),
                        hubs: Arc::clone(hubs),
                        members: Arc::clone(members),
                        label: format!("gateway {name}"),
                    };
                    tokio::spawn(upstream.run());
                    hub
                }
            };
            hub.clients.fetch_add(1, Ordering::Relaxed);
            Joined { hub, hubs: Arc::clone(hubs) }
        };
        let mut state = joined.hub.state.subscribe();
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
        let hubs = std::mem::take(&mut *self.by_token.lock());
        for hub in hubs.into_values() {
            hub.state.send_replace(State::Over(why.clone()));
        }
    }

    /// No member serves a hub any more: who comes next begins anew.
    pub(super) fn forget(&self, hub: &Arc<Hub>) {
        self.by_token.lock().retain(|_, known| !Arc::ptr_eq(known, hub));
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut by_token = self.hubs.by_token.lock();
        if self.hub.clients.fetch_sub(1, Ordering::Relaxed) == 1 {
            by_token.retain(|_, known| !Arc::ptr_eq(known, &self.hub));
            self.hub.bell.notify_one();
        }
    }
}
