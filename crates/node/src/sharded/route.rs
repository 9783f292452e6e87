//! The way from a key to its region. Where a node has the region, what it knows by its own state will do: one
//! that is behind is refused by the leader, and comes after it. Else the directory's map tells where it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use region::{Ground, Plot};
use state::directory::{Directory, RegionRecord};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use types::{Code, Fault, KeyRange, KeyspaceId, NodeId, RegionId, limits};

use super::far::Far;
use super::overview::Overview;
use super::twice::Twice;
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
    map: Mutex<Map>,
    /// Held by who begins the regions that a directory knows: whoever finds one taken by another one that
    /// begins them would not come back to it.
    pub(crate) beginning: Mutex<()>,
    /// Where this node leads the meta region: what it was told of the others.
    pub(super) overview: Mutex<Overview>,
    /// Who led regions that are not here, when they were asked last.
    leaders: Mutex<BTreeMap<RegionId, NodeId>>,
    pub(super) twice: Twice,
}

/// The regions of a directory by their first keys.
#[derive(Default)]
struct Map {
    directory: Arc<Directory>,
    keyspaces: BTreeMap<KeyspaceId, BTreeMap<Bytes, RegionId>>,
}

impl Map {
    fn of(directory: Arc<Directory>) -> Self {
        let mut keyspaces: BTreeMap<KeyspaceId, BTreeMap<Bytes, RegionId>> = BTreeMap::new();
        for record in directory.regions.values().filter(|record| record.sharding.is_some()) {
            let regions = keyspaces.entry(record.keyspace).or_default();
            regions.insert(record.range.start.clone(), record.id);
        }
        Self { directory, keyspaces }
    }

    fn owner(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<&RegionRecord> {
        let range = (std::ops::Bound::Unbounded, std::ops::Bound::Included(key));
        let (_, region) = self.keyspaces.get(&keyspace)?.range::<[u8], _>(range).next_back()?;
        self.directory.regions.get(region).filter(|record| record.range.contains(key))
    }
}

impl Default for Sharding {
    fn default() -> Self {
        Self {
            ground: RwLock::default(),
            tags: Mutex::default(),
            news: watch::Sender::new(0),
            map: Mutex::default(),
            beginning: Mutex::default(),
            overview: Mutex::default(),
            leaders: Mutex::default(),
            twice: Twice::default(),
        }
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

    /// Who led a region that is not here.
    pub(crate) fn leader_of(&self, region: RegionId) -> Option<NodeId> {
        self.leaders.lock().get(&region).copied()
    }

    pub(super) fn note_leader(&self, region: RegionId, leader: NodeId) {
        let mut leaders = self.leaders.lock();
        if leader.get() == 0 {
            leaders.remove(&region);
        } else if leaders.insert(region, leader).is_none() && leaders.len() > limits::REGIONS {
            leaders.clear();
        }
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
    pub(super) home: Home,
    pub(super) plot: Plot,
}

/// Who carries it out.
pub(super) enum Home {
    /// The replica on this node, or its leader's.
    Here(Arc<Shard>),
    /// Another node, which has one.
    Far(Far),
}

impl Journey {
    pub(super) fn new(shared: &Shared) -> Self {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        Self { news: shared.sharding.news.subscribe(), deadline }
    }

    /// The region that owns the first key of `span`; `None` if it is not known where that is.
    pub(super) fn route(
        &mut self,
        shared: &Shared,
        keyspace: KeyspaceId,
        span: &KeyRange,
    ) -> Result<Option<Route>, Fault> {
        self.news.borrow_and_update();
        let plot = shared.sharding.ground.read().owner(keyspace, &span.start).cloned();
        if let Some(plot) = plot
            && let Some(shard) = shared.shard(plot.region)
        {
            match shard.broken() {
                // It is about to go: the others have it.
                Err(fault) if fault.code == Code::RegionNotFound => {}
                broken => {
                    broken?;
                    return Ok(Some(Route { home: Home::Here(shard), plot }));
                }
            }
        }
        Ok(far(shared, keyspace, &span.start))
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

/// The way to a region that is on other nodes only.
fn far(shared: &Shared, keyspace: KeyspaceId, key: &[u8]) -> Option<Route> {
    let directory = shared.directory();
    let mut map = shared.sharding.map.lock();
    if !Arc::ptr_eq(&map.directory, &directory) {
        *map = Map::of(directory);
    }
    let record = map.owner(keyspace, key)?;
    let voters = record.peers.iter().filter(|(peer, _)| record.votes(*peer));
    let nodes: Vec<_> =
        voters.map(|(_, node)| *node).filter(|node| *node != shared.node()).collect();
    if nodes.is_empty() {
        // It is only here, and comes.
        return None;
    }
    let (region, version) = (record.id, record.epoch.version);
    let plot = Plot { region, version, range: record.range.clone() };
    Some(Route { home: Home::Far(Far { region, nodes }), plot })
}

/// Whether every key of a keyspace has an owner, and each of them that is here a leader.
pub(crate) fn has_leaders(shared: &Shared, keyspace: KeyspaceId) -> bool {
    let directory = shared.directory();
    let is_led = |record: &RegionRecord| match shared.shard(record.id) {
        Some(shard) => shard.leadership().leader.is_some(),
        None => record.peer_on(shared.node()).is_none(),
    };
    let mut regions = directory.regions.values().filter(|record| record.keyspace == keyspace);
    directory.is_tiled(keyspace) && regions.all(is_led)
}

/// Whether another region is to be asked, or the same one a little later.
pub(super) const fn is_astray(code: Code) -> bool {
    matches!(code, Code::EpochMismatch | Code::RegionNotFound)
}

/// What is told of a request that no single region can carry out.
pub(super) fn across() -> Fault {
    let detail = "the keys lie in several regions of a sharded keyspace, which do nothing together: ask \
                  for them one by one";
    Fault::new(Code::Unsupported, detail)
}
