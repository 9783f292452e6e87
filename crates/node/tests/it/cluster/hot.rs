//! Keys that everybody asks for: found, bounded, and given a region of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use node::{Consistency, Handle, HotRegion};
use tokio::task::JoinSet;
use types::{Code, Fault, KeyRange, KeyspaceId};

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
