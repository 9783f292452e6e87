//! Leaders that go, and writers that go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use node::{Consistency, Handle};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use types::Code;

use super::world::{
    Cluster, DEFAULT, PATIENCE, all, one, own_state, put, read, succeeded, swap, until, value,
    within,
};

/// Writers that put keys of their own through given nodes and remember what was acknowledged.
struct Writers {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    tasks: JoinSet<Vec<String>>,
}

impl Writers {
    fn start(handles: &[Handle], per_node: usize) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for (at, handle) in handles.iter().enumerate() {
            for writer in 0..per_node {
                let (handle, stop, count) = (handle.clone(), Arc::clone(&stop), Arc::clone(&count));
                tasks.spawn(async move {
                    let mut acknowledged = Vec::new();
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let key = format!("{at}-{writer}-{number}");
                        match handle.propose(DEFAULT, put(&key, key.clone())).await {
                            Ok(_) => {
                                acknowledged.push(key);
                                count.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(fault) if fault.code == Code::ShuttingDown => break,
                            Err(_) => {}
                        }
                    }
                    acknowledged
                });
            }
        }
        Self { stop, count, tasks }
    }

    /// Waits until so many more are acknowledged.
    async fn progress(&self, more: u64) {
        let goal = self.count.load(Ordering::Relaxed) + more;
        until("progress", || async { self.count.load(Ordering::Relaxed) >= goal }).await;
    }

    async fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        within("the writers' end", self.tasks.join_all()).await.concat()
    }
}

async fn holds_all(handle: &Handle, acknowledged: &[String]) {
    let answer = read(handle, all()).await.unwrap();
    let there: BTreeMap<_, _> = answer.body.kvs.into_iter().map(|kv| (kv.key, kv.value)).collect();
    for key in acknowledged {
        let found = there.get(key.as_bytes());
        assert_eq!(found.map(AsRef::as_ref), Some(key.as_bytes()), "{key} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_leaders_stop_and_come_back() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let leader = cluster.leader(&[0, 1, 2]).await;
        let writers = Writers::start(&cluster.handles(), 2);
        writers.progress(100).await;
        if round == 1 {
            cluster.abandon(leader);
        } else {
            cluster.stop(leader).await;
        }
        writers.progress(200).await;
        acknowledged.extend(writers.finish().await);
        cluster.start_again(leader).await;
        for handle in cluster.handles() {
            holds_all(&handle, &acknowledged).await;
        }
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_is_replaced_and_serves_nothing_old() {
    let cluster = Cluster::start_with_wire(3, |_| ()).await;
    cluster.make_leader(2).await;
    let lonely = cluster.handle(2);
    lonely.propose(DEFAULT, put("who", "old")).await.unwrap();
    let writers = Writers::start(&cluster.handles()[..2], 2);
    writers.progress(50).await;

    cluster.proxies[0].set_silent(true);
    // Questions to the leader that fell silent are put to the next one.
    writers.progress(200).await;
    let others = [cluster.handle(0), cluster.handle(1)];
    others[0].propose(DEFAULT, put("who", "new")).await.unwrap();
    let stale = lonely.range(DEFAULT, one("who"), Consistency::Stale).await.unwrap();
    assert_eq!(stale.body.kvs[0].value, "old", "it is cut off");
    if let Ok(Ok(answer)) = timeout(Duration::from_secs(3), read(&lonely, one("who"))).await {
        panic!("read without a quorum: {answer:?}");
    }
    let wrote = lonely.propose(DEFAULT, put("who", "lonely")).await;
    assert!(wrote.is_err(), "no quorum took it: {wrote:?}");

    cluster.proxies[0].set_silent(false);
    let acknowledged = writers.finish().await;
    for handle in cluster.handles() {
        // A read does not wait as long for a leader as a link may take to be made again.
        within("a leader", handle.ready(DEFAULT)).await;
        holds_all(&handle, &acknowledged).await;
        assert_eq!(value(&handle, "who").await, Some(Bytes::from("new")));
    }
    cluster.stop_all().await;
}

/// Raises a counter by compare and swap; answers how often it was told that it did.
async fn count_up(handle: Handle, rounds: usize) -> (u64, u64) {
    let (mut certain, mut unknown) = (0, 0);
    for _ in 0..rounds {
        loop {
            let Ok(answer) = read(&handle, one("counter")).await else { continue };
            let old = answer.body.kvs.first().map(|kv| kv.value.clone());
            let number =
                |bytes: &Bytes| std::str::from_utf8(bytes).unwrap().parse::<u64>().unwrap();
            let new = (old.as_ref().map_or(0, number) + 1).to_string();
            match handle.propose(DEFAULT, swap("counter", old, new.into())).await {
                Ok(answer) if succeeded(&answer.body) => {
                    certain += 1;
                    break;
                }
                Ok(_) => {}
                Err(fault) if matches!(fault.code, Code::Timeout | Code::LeaderChanged) => {
                    unknown += 1;
                    break;
                }
                // Told that nothing was done.
                Err(_) => {}
            }
        }
    }
    (certain, unknown)
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_carried_out_once_while_leadership_moves() {
    let cluster = Arc::new(Cluster::start(3, |_| ()).await);
    let mut tasks = JoinSet::new();
    for handle in cluster.handles() {
        for _ in 0..2 {
            tasks.spawn(count_up(handle.clone(), 150));
        }
    }
    let moving = Arc::clone(&cluster);
    let churn = tokio::spawn(async move {
        let mut moves = 0;
        loop {
            let leader = moving.leader(&[0, 1, 2]).await;
            moving.node(leader).hand_over().await;
            moves += 1;
            sleep(Duration::from_millis(100)).await;
            if moves > 1000 {
                return;
            }
        }
    });
    let (mut certain, mut unknown) = (0, 0);
    while let Some(counted) = within("a counter's end", tasks.join_next()).await {
        let (told, untold) = counted.unwrap();
        certain += told;
        unknown += untold;
    }
    churn.abort();
    drop(churn.await);
    // Every success raised the counter once: more or fewer of them would not fit its last value.
    for handle in cluster.handles() {
        let counter = value(&handle, "counter").await.unwrap();
        let counter: u64 = std::str::from_utf8(&counter).unwrap().parse().unwrap();
        assert!(
            certain <= counter && counter <= certain + unknown,
            "{certain} + {unknown}? {counter}"
        );
    }
    assert!(certain >= 850, "leadership moves are no outage: {certain} of 900, {unknown} unknown");
    Arc::into_inner(cluster).unwrap().stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_is_told_done_is_done_once_while_leadership_moves() {
    // Each put makes a version. A put that were applied twice would make two.
    let cluster = Arc::new(Cluster::start(3, |_| ()).await);
    let mut tasks = JoinSet::new();
    for (at, handle) in cluster.handles().into_iter().enumerate() {
        tasks.spawn(async move {
            let key = format!("key-{at}");
            let (mut certain, mut unknown) = (0, 0);
            for number in 0..400 {
                match handle.propose(DEFAULT, put(&key, number.to_string())).await {
                    Ok(_) => certain += 1,
                    Err(_) => unknown += 1,
                }
            }
            (key, certain, unknown)
        });
    }
    let leader = cluster.leader(&[0, 1, 2]).await;
    let start = Instant::now();
    while !tasks.is_empty() && start.elapsed() < PATIENCE {
        let leader = cluster.leader(&[0, 1, 2]).await;
        cluster.node(leader).hand_over().await;
        sleep(Duration::from_millis(100)).await;
        while let Some(done) = tasks.try_join_next() {
            let (key, certain, unknown) = done.unwrap();
            let answer = read(&cluster.handle(leader), one(&key)).await.unwrap();
            let version = answer.body.kvs[0].version;
            assert!(certain <= version && version <= certain + unknown, "{key}: {version}");
            assert!(unknown < 20, "{key}: {unknown} of 400 without an answer");
        }
    }
    assert!(tasks.is_empty(), "the puts ended");
    let _ = leader;
    Arc::into_inner(cluster).unwrap().stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_under_way_at_a_stop_are_all_answered_soon() {
    let mut cluster = Cluster::start(3, |_| ()).await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    for at in [leader, (leader + 1) % 3] {
        let handle = cluster.handle(at);
        let mut tasks = JoinSet::new();
        for number in 0..200 {
            let handle = handle.clone();
            tasks.spawn(async move {
                let wrote = handle.propose(DEFAULT, put(&format!("{at}-{number}"), "x")).await;
                let saw = read(&handle, one("x")).await;
                (number, wrote.map(drop), saw.map(drop))
            });
        }
        cluster.stop(at).await;
        let start = Instant::now();
        let answers = within("the last answer", tasks.join_all()).await;
        assert!(start.elapsed() < Duration::from_secs(2), "after {:?}", start.elapsed());
        for (_, _, saw) in &answers {
            // One or the other may be done before the stop begins.
            let refused = saw.as_ref().err().map(|fault| fault.code);
            assert!(matches!(refused, None | Some(Code::ShuttingDown)), "{refused:?}");
        }
        drop(handle);
        cluster.start_again(at).await;
        let handle = cluster.handle(at);
        for (number, wrote, _) in answers {
            if wrote.is_ok() {
                let key = format!("{at}-{number}");
                assert!(value(&handle, &key).await.is_some(), "{key} was acknowledged");
            }
        }
    }
    let states = cluster.handles();
    until("equal states", || async {
        own_state(&states[0]).await == own_state(&states[1]).await
            && own_state(&states[1]).await == own_state(&states[2]).await
    })
    .await;
    drop(states);
    cluster.stop_all().await;
}
