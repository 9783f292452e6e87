//! Watches over a sharded keyspace while its regions split and servers are killed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use client::{Change, Client, Options, Positions, Put, RegionsWatch, Span};
use tokio::task::JoinHandle;

use crate::program::{tool, until};
use crate::server::Three;

/// Each key, and the value and revision of each of its changes.
type Told = BTreeMap<String, Vec<(u64, i64)>>;

const WRITERS: usize = 3;
const KEYS: usize = 8;

fn note(told: &mut Told, change: &Change) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (key, value) = (text(&change.kv.key), text(&change.kv.value).parse().unwrap());
    let changes = told.entry(key.clone()).or_default();
    let new = (value, change.kv.mod_revision);
    let last = changes.last().copied().unwrap_or_default();
    // Both go up: nothing comes twice, and nothing behind what came after it.
    assert!(new.0 > last.0 && new.1 > last.1, "{key}: {new:?} after {last:?}");
    changes.push(new);
}

/// Watches all of the keyspace; with `breaks`, it gives up every so many changes, and goes on by what it
/// kept as text.
async fn follow(
    endpoints: Vec<String>,
    breaks: Option<usize>,
) -> (Arc<Mutex<Told>>, JoinHandle<()>) {
    let options = Options { keyspace: Some("wide".to_owned()), ..Options::default() };
    let client = Client::connect(endpoints, options).await.unwrap();
    let watch = RegionsWatch::span(&Span::prefix(""));
    let mut watcher = client.watch_regions(watch).await.unwrap();
    let told = Arc::new(Mutex::new(Told::new()));
    let telling = Arc::clone(&told);
    let task = tokio::spawn(async move {
        loop {
            let mut seen = 0;
            while breaks.is_none_or(|breaks| seen < breaks) {
                let changes = watcher.next().await.unwrap();
                seen += changes.changes.len();
                let mut told = telling.lock().unwrap();
                changes.changes.iter().for_each(|change| note(&mut told, change));
            }
            let kept: Positions = watcher.positions().to_string().parse().unwrap();
            watcher = client.watch_regions(RegionsWatch::resume(kept)).await.unwrap();
        }
    });
    (told, task)
}

/// Counts up some keys until it is told to stop; answers the counts of each that were acknowledged.
async fn write(
    endpoints: Vec<String>,
    writer: usize,
    (stop, count): (Arc<AtomicBool>, Arc<AtomicUsize>),
) -> BTreeMap<String, Vec<u64>> {
    let options = Options { keyspace: Some("wide".to_owned()), ..Options::default() };
    let client = Client::connect(endpoints, options).await.unwrap();
    let mut acknowledged = BTreeMap::<String, Vec<u64>>::new();
    for number in 1_u64.. {
        let key = format!("{:02}-{writer}", number as usize % KEYS);
        match client.put(Put::new(key.clone(), number.to_string())).await {
            Ok(_) => {
                acknowledged.entry(key).or_default().push(number);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                let is_told = matches!(error, client::Error::Unreachable { .. });
                assert!(error.outcome_unknown() || is_told, "{error:?}");
            }
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_over_many_regions_misses_nothing_while_they_split_and_servers_are_killed() {
    let mut three = Three::start().await;
    let endpoints = three.endpoints();
    let all = endpoints.join(",");
    tool(&all, &["keyspace", "create", "wide", "--sharded", "--split-at", "04"]).well();
    let rotated = |by: usize| {
        let mut endpoints = endpoints.clone();
        endpoints.rotate_left(by % 3);
        endpoints
    };
    let mut followers = Vec::new();
    for (at, breaks) in [None, Some(7), Some(60)].into_iter().enumerate() {
        followers.push(follow(rotated(at), breaks).await);
    }
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|at| tokio::spawn(write(rotated(at), at, (Arc::clone(&stop), Arc::clone(&count)))))
        .collect();
    let progress = |more: usize| {
        let before = count.load(Ordering::Relaxed);
        until("writes are acknowledged", || {
            assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer failed");
            count.load(Ordering::Relaxed) >= before + more
        });
    };
    for (round, at) in ["02", "06-1"].into_iter().enumerate() {
        progress(60);
        three.servers[round].kill();
        progress(60);
        three.start_one(round);
        tool(&all, &["keyspace", "split", "wide", "--at", at]).well();
    }
    progress(60);
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert_eq!(acknowledged.len(), WRITERS * KEYS);
    for (told, task) in followers {
        until("every acknowledged write is told", || {
            assert!(!task.is_finished(), "a watch ended");
            let told = told.lock().unwrap();
            acknowledged.iter().all(|(key, numbers)| {
                let told = told.get(key).map(Vec::as_slice).unwrap_or_default();
                let is_told = |number: &u64| told.binary_search_by_key(number, |it| it.0).is_ok();
                numbers.iter().all(is_told)
            })
        });
        task.abort();
    }
}
