//! The way from a key to its region. Every node has a replica of every region, so what it knows by its own
//! states will do: a node that is behind is refused by the leader, and comes after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use region::{Ground, Plot};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use types::{Code, Fault, KeyRange, KeyspaceId};

use crate::forward::REQUEST_TIMEOUT;
use crate::shard::{Shard, Tags};
use crate::shared::Shared;

/// How long to wait for news of regions before trying a refused request again.
const BACK_OFF: Duration = Duration::from_millis(5);

/// What a node keeps for its sharded keyspaces.
pub(crate) struct Sharding {
    pub(crate) ground: RwLock<Ground>,
    /// The numbers of the commands that go to each keyspace: a command keeps its own whichever region it
    /// ends in, so that a split does not make two of it.
    tags: Mutex<BTreeMap<KeyspaceId, Arc<Mutex<Tags>>>>,
    /// Goes up with every change of `ground`.
    news: watch::Sender<u64>,
}

impl Default for Sharding {
    fn default() -> Self {
        Self { ground: RwLock::default(), tags: Mutex::default(), news: watch::Sender::new(0) }
    }
}

impl Sharding {
    pub(crate) fn tags(&self, keyspace: KeyspaceId) -> Arc<Mutex<Tags>> {
        Arc::clone(self.tags.lock().entry(keyspace).or_default())
    }

    /// A region's state owns this from here on.
    pub(crate) fn hold(&self, keyspace: KeyspaceId, plot: Plot) {
        self.ground.write().hold(keyspace, plot);
        self.tell();
    }

    pub(crate) fn tell(&self) {
        self.news.send_modify(|news| *news += 1);
    }
}

/// A request on its way: how long it may take, and what was known when it was sent.
pub(super) struct Journey {
    news: watch::Receiver<u64>,
    deadline: Instant,
}

/// Where a request goes.
pub(super) struct Route {
    pub(super) shard: Arc<Shard>,
    pub(super) plot: Plot,
}

impl Journey {
    pub(super) fn new(shared: &Shared) -> Self {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        Self { news: shared.sharding.news.subscribe(), deadline }
    }

    /// The region that owns the first key of `span`; `None` if it is not on this node yet.
    pub(super) fn route(
        &mut self,
        shared: &Shared,
        keyspace: KeyspaceId,
        span: &KeyRange,
    ) -> Result<Option<Route>, Fault> {
        self.news.borrow_and_update();
        let plot = shared.sharding.ground.read().owner(keyspace, &span.start).cloned();
        let Some(plot) = plot else { return Ok(None) };
        let Some(shard) = shared.shard(plot.region) else { return Ok(None) };
        shard.broken()?;
        Ok(Some(Route { shard, plot }))
    }

    /// Answers when a key's region is another one, or another version of it, than it was.
    pub(super) async fn moved(
        &mut self,
        shared: &Shared,
        keyspace: KeyspaceId,
        key: &[u8],
        was: &Plot,
    ) {
        loop {
            if self.news.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if shared.sharding.ground.read().owner(keyspace, key) != Some(was) {
                return;
            }
        }
    }

    /// Waits for that, but not for long: whoever refused may know of another one's news.
    ///
    /// # Errors
    /// When the time is up, or the node ends.
    pub(super) async fn again(&mut self, shared: &Shared, unknown: bool) -> Result<(), Fault> {
        if shared.has_ended() {
            return Err(Code::ShuttingDown.into());
        }
        let now = Instant::now();
        if now >= self.deadline {
            let detail = match unknown {
                true => "the regions of the keyspace changed; the outcome is unknown",
                false => "the region that owns the key is not known on this node yet",
            };
            let code = if unknown { Code::Timeout } else { Code::EpochMismatch };
            return Err(Fault::new(code, detail));
        }
        drop(timeout_at(self.deadline.min(now + BACK_OFF), self.news.changed()).await);
        Ok(())
    }
}

/// Whether every key of a keyspace has an owner here, and each of them a leader.
pub(crate) fn has_leaders(shared: &Shared, keyspace: KeyspaceId) -> bool {
    let ground = shared.sharding.ground.read();
    let mut next = Some(Bytes::new());
    for plot in ground.plots(keyspace) {
        let shard = shared.shard(plot.region);
        let is_led = shard.is_some_and(|shard| shard.leadership().leader.is_some());
        if !is_led || next.as_ref() != Some(&plot.range.start) {
            return false;
        }
        next.clone_from(&plot.range.end);
    }
    next.is_none()
}

/// What is told of a request that no single region can carry out.
pub(super) fn across() -> Fault {
    let detail = "the keys lie in several regions of a sharded keyspace, which do nothing together: ask \
                  for them one by one";
    Fault::new(Code::Unsupported, detail)
}
