//! Regions of sharded keyspaces that move between nodes, while they are written to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use node::{Consistency, Handle};
use tokio::task::JoinSet;
use types::{KeyspaceId, NodeId, RegionId};

use super::world::{Cluster, all, one, succeeded, swap, until, within};

/// Keys each writer counts up by itself.
const KEYS: usize = 16;

fn key(writer: usize, at: usize) -> String {
    format!("{at:02}-{writer}")
}

/// Counts keys up through one node until told to stop; each swap succeeds once.
struct Writers {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    tasks: JoinSet<(usize, Vec<u64>)>,
}

impl Writers {
    fn start(handles: Vec<Handle>, keyspace: KeyspaceId) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for (writer, handle) in handles.into_iter().enumerate() {
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            tasks.spawn(async move {
                let mut counts = vec![0_u64; KEYS];
                for round in 0_usize.. {
                    let at = round % KEYS;
                    let key = key(writer, at);
                    let old = (counts[at] > 0).then(|| Bytes::from(counts[at].to_string()));
                    let new = Bytes::from((counts[at] + 1).to_string());
                    let answer = handle.propose(keyspace, swap(&key, old, new)).await.unwrap();
                    assert!(succeeded(&answer.body), "{key} was not {}", counts[at]);
                    counts[at] += 1;
                    written.fetch_add(1, Ordering::Relaxed);
                    if round % 7 == 0 {
                        assert_eq!(count(&handle, keyspace, &key).await, counts[at], "{key}");
                    }
                    if stop.load(Ordering::Relaxed) {
                        return (writer, counts);
                    }
                }
                unreachable!()
            });
        }
        Self { stop, written, tasks }
    }

    async fn progress(&self) {
        let before = self.written.load(Ordering::Relaxed);
        until("progress", || async { self.written.load(Ordering::Relaxed) > before + 100 }).await;
    }

    async fn end(self) -> BTreeMap<usize, Vec<u64>> {
        self.stop.store(true, Ordering::Relaxed);
        within("writers", self.tasks.join_all()).await.into_iter().collect()
    }
}

async fn count(handle: &Handle, keyspace: KeyspaceId, key: &str) -> u64 {
    let answer = handle.range(keyspace, one(key), Consistency::Linearizable).await.unwrap();
    let text = answer.body.kvs.first().map_or("0", |kv| std::str::from_utf8(&kv.value).unwrap());
    text.parse().unwrap()
}

/// Where each region's replicas are, as the directory has it.
fn homes(handle: &Handle, keyspace: KeyspaceId) -> BTreeMap<RegionId, BTreeSet<NodeId>> {
    let directory = handle.directory();
    assert!(directory.is_tiled(keyspace));
    let regions = directory.regions_of(keyspace);
    let home = |peers: &[(types::PeerId, NodeId)]| peers.iter().map(|(_, node)| *node).collect();
    regions.into_iter().map(|region| (region.id, home(&region.peers))).collect()
}

fn replicas_on(homes: &BTreeMap<RegionId, BTreeSet<NodeId>>, node: u64) -> usize {
    homes.values().filter(|home| home.contains(&NodeId(node))).count()
}

async fn check(handles: &[Handle], keyspace: KeyspaceId, counts: &BTreeMap<usize, Vec<u64>>) {
    for handle in handles {
        for (writer, counts) in counts {
            for (at, wanted) in counts.iter().enumerate() {
                let key = key(*writer, at);
                assert_eq!(count(handle, keyspace, &key).await, *wanted, "{key}");
            }
        }
        let all = handle.range(keyspace, all(), Consistency::Linearizable).await.unwrap().body;
        assert_eq!(all.kvs.len(), counts.len() * KEYS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_drained_filled_and_lost_for_good_while_writers_go_on() {
    let mut cluster = Cluster::start(5, |config| {
        config.replace_after = Duration::from_secs(2);
        config.log_keep_entries = 50;
    })
    .await;
    let split_at: Vec<Bytes> = ["03", "06", "09", "12", "14"].map(Bytes::from).to_vec();
    let made = cluster.handle(0).create_sharded_keyspace("wide", split_at, 3).await.unwrap();
    let keyspace = made.id;
    for handle in cluster.handles() {
        until("the keyspace", || async { handle.has_leader(keyspace) }).await;
    }
    let born = homes(&cluster.handle(0), keyspace);
    assert!(born.values().all(|home| home.len() == 3), "{born:?}");
    assert!((1..=5).all(|node| (3..=4).contains(&replicas_on(&born, node))), "{born:?}");
    // The last node is lost below, so nobody writes through it.
    let writers = Writers::start((0..4).map(|at| cluster.handle(at)).collect(), keyspace);
    writers.progress().await;

    let handle = cluster.handle(0);
    handle.drain_member(NodeId(2), true).await.unwrap();
    until("an empty node", || async { replicas_on(&homes(&handle, keyspace), 2) == 0 }).await;
    writers.progress().await;
    // Splits and moves at once.
    within("a split", handle.split(keyspace, Bytes::from("01"))).await.unwrap();
    handle.drain_member(NodeId(2), false).await.unwrap();
    let filled = || async {
        let homes = homes(&handle, keyspace);
        replicas_on(&homes, 2) >= 3 && homes.values().all(|home| home.len() == 3)
    };
    until("a node that has its share again", filled).await;
    writers.progress().await;

    cluster.stop(4).await;
    let healed = || async {
        let homes = homes(&handle, keyspace);
        replicas_on(&homes, 5) == 0 && homes.values().all(|home| home.len() == 3)
    };
    until("replicas made anew elsewhere", healed).await;
    writers.progress().await;
    cluster.start_again(4).await;
    let back = || async {
        let homes = homes(&handle, keyspace);
        replicas_on(&homes, 5) >= 3 && homes.values().all(|home| home.len() == 3)
    };
    until("the node that came back has its share", back).await;
    writers.progress().await;
    let counts = writers.end().await;
    check(&cluster.handles(), keyspace, &counts).await;

    drop(handle);
    for at in 0..5 {
        cluster.stop(at).await;
    }
    cluster.start_all().await;
    for handle in cluster.handles() {
        until("the keyspace", || async { handle.has_leader(keyspace) }).await;
    }
    check(&cluster.handles(), keyspace, &counts).await;
    cluster.stop_all().await;
}
