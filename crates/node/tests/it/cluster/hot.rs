//! Keys that everybody asks for: found, bounded, and given a region of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use node::{Consistency, Handle, HotRegion};
use tokio::task::JoinSet;
use types::{Code, Fault, KeyRange, KeyspaceId, RegionId};

use super::world::{Cluster, one, put, until};

/// Clients that ask without a pause, of which `hot` in ten ask for the same key.
struct Load {
    stop: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(handles: &[Handle], keyspace: KeyspaceId, hot: usize) -> Self {
        let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut clients = JoinSet::new();
        for client in 0..6 {
            let handle = handles[client % handles.len()].clone();
            let (stop, refused) = (Arc::clone(&stop), Arc::clone(&refused));
            clients.spawn(async move {
                for at in client.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Not in step with the ten.
                    let key = format!("{:04}", at * 7_919 % 10_000);
                    let is_hot = at / 6 % 10 < hot;
                    let key = if is_hot { HOT } else { &key };
                    if let Err(fault) = ask(&handle, keyspace, key, at).await {
                        assert!(fault.code == Code::TooManyRequests && is_hot, "{fault:?}");
                        assert!(fault.detail.contains(HOT), "{}", fault.detail);
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        Self { stop, refused, clients }
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
    }
}

const HOT: &str = "5000";

async fn ask(handle: &Handle, keyspace: KeyspaceId, key: &str, at: usize) -> Result<(), Fault> {
    if at.is_multiple_of(3) {
        return handle.propose(keyspace, put(key, "x")).await.map(drop);
    }
    handle.range(keyspace, one(key), Consistency::Linearizable).await.map(drop)
}

fn hottest(handle: &Handle, keyspace: KeyspaceId) -> Option<HotRegion> {
    handle.hot_regions().into_iter().find(|hot| hot.keyspace == keyspace)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_key_is_found_bounded_and_let_go() {
    let cluster = Cluster::start(1, |config| config.key_requests = 50).await;
    let (handle, keyspace) = (cluster.handle(0), KeyspaceId::DEFAULT);
    let load = Load::start(std::slice::from_ref(&handle), keyspace, 8);
    until("a bound", || async {
        let hot = hottest(&handle, keyspace);
        hot.is_some_and(|hot| {
            let (first, bounded) = &hot.keys[0];
            *bounded && first.key == HOT && first.rate > hot.rate / 2
        })
    })
    .await;
    until("refusals", || async { load.refused.load(Ordering::Relaxed) > 100 }).await;
    // Others go on; `Load` would have said.
    ask(&handle, keyspace, "other", 0).await.unwrap();
    load.end().await;
    until("rest", || async { hottest(&handle, keyspace).is_none() }).await;
    for at in 0..200 {
        ask(&handle, keyspace, HOT, at).await.unwrap();
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_key_gets_a_region_of_its_own() {
    let cluster = Cluster::start(3, |config| config.split_load = 100).await;
    let handles = cluster.handles();
    let keyspace = handles[0].create_sharded_keyspace("wide", Vec::new(), 3).await.unwrap().id;
    for handle in &handles {
        until("the keyspace", || async { handle.keyspace(Some("wide")).is_ok() }).await;
    }
    let load = Load::start(&handles, keyspace, 8);
    let own = KeyRange::single(&Bytes::from_static(HOT.as_bytes()));
    until("a region of its own", || async {
        let directory = handles[0].directory();
        directory.regions_of(keyspace).iter().any(|region| region.range == own)
    })
    .await;
    load.end().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_asked_for_too_much_is_split_where_its_load_is_halved() {
    let cluster = Cluster::start(1, |config| config.split_load = 100).await;
    let handle = cluster.handle(0);
    let keyspace = handle.create_sharded_keyspace("wide", Vec::new(), 3).await.unwrap().id;
    let load = Load::start(std::slice::from_ref(&handle), keyspace, 0);
    let borders = || {
        let directory = handle.directory();
        let regions = directory.regions_of(keyspace);
        regions.iter().skip(1).map(|region| region.range.start.clone()).collect::<Vec<_>>()
    };
    until("a split", || async { !borders().is_empty() }).await;
    load.end().await;
    assert!(
        borders().iter().any(|at| (&b"2000"[..]..&b"8000"[..]).contains(&&at[..])),
        "{:?}",
        borders()
    );
    cluster.stop_all().await;
}

/// The regions of a keyspace that each node leads; `None` while one is led by nobody.
async fn led(handles: &[Handle], keyspace: KeyspaceId) -> Option<BTreeMap<RegionId, usize>> {
    let directory = handles[0].directory();
    let own: BTreeSet<RegionId> =
        directory.regions_of(keyspace).iter().map(|region| region.id).collect();
    let mut led = BTreeMap::new();
    for (at, handle) in handles.iter().enumerate() {
        for leads in handle.cluster_view().await.ok()?.leads {
            if own.contains(&leads.region) {
                led.insert(leads.region, at);
            }
        }
    }
    (led.len() == own.len()).then_some(led)
}

fn counts(led: &BTreeMap<RegionId, usize>) -> [usize; 3] {
    [0, 1, 2].map(|node| led.values().filter(|leader| **leader == node).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hot_regions_led_by_one_node_part_and_stay_apart() {
    let cluster = Cluster::start(3, |_| ()).await;
    let handles = cluster.handles();
    let borders = (1..9).map(|at| Bytes::from(at.to_string())).collect();
    let made = handles[0].create_sharded_keyspace("wide", borders, 3).await.unwrap();
    let keyspace = made.id;
    for handle in &handles {
        until("the keyspace", || async { handle.keyspace(Some("wide")).is_ok() }).await;
    }
    let is_even = |led: BTreeMap<RegionId, usize>| counts(&led) == [3, 3, 3];
    until("leaders spread by number", || async {
        led(&handles, keyspace).await.is_some_and(is_even)
    })
    .await;
    let before = led(&handles, keyspace).await.unwrap();
    let directory = handles[0].directory();
    let mut hot: Vec<(RegionId, String)> = Vec::new();
    for region in directory.regions_of(keyspace).iter().filter(|it| before[&it.id] == 0).take(2) {
        let start = String::from_utf8(region.range.start.to_vec()).unwrap();
        hot.push((region.id, format!("{start}-hot")));
    }

    // Both are asked through every node.
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for (client, handle) in handles.iter().chain(&handles).enumerate() {
        let (stop, handle) = (Arc::clone(&stop), handle.clone());
        let key = hot[client % 2].1.clone();
        clients.spawn(async move {
            let mut last = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                let own = format!("{key}-{client}");
                handle.propose(keyspace, put(&own, last.to_string())).await.unwrap();
                handle.range(keyspace, one(&own), Consistency::Linearizable).await.unwrap();
                last += 1;
            }
            (format!("{key}-{client}"), last)
        });
    }
    let leaders = |led: &BTreeMap<RegionId, usize>| [led[&hot[0].0], led[&hot[1].0]];
    // Apart for two more reports of every node: nothing is better anywhere else. A machine that is busy
    // with other things may make a node hand over for other reasons, so they may take several runs at it.
    let rest: Mutex<Option<([usize; 2], Instant)>> = Mutex::default();
    until("two nodes that lead them, for good", || async {
        let now = led(&handles, keyspace).await.filter(|led| is_fair(counts(led)));
        let now = now.map(|led| leaders(&led)).filter(|[one, other]| one != other);
        let mut rest = rest.lock().unwrap();
        let Some(now) = now else {
            *rest = None;
            return false;
        };
        if rest.is_none_or(|(before, _)| before != now) {
            *rest = Some((now, Instant::now()));
        }
        rest.is_some_and(|(_, since)| since.elapsed() > Duration::from_secs(5))
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for (key, written) in clients.join_all().await {
        let last = handles[0].range(keyspace, one(&key), Consistency::Linearizable).await.unwrap();
        assert_eq!(last.body.kvs[0].value, (written - 1).to_string(), "{key}");
    }
    cluster.stop_all().await;
}

fn is_fair(counts: [usize; 3]) -> bool {
    counts.iter().all(|count| (2..=4).contains(count))
}
