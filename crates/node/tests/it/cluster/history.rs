//! What history is kept, and that all nodes keep the same.

use std::time::Duration;

use node::state::kept::{Before, Version};
use node::{AutoCompaction, Handle};
use types::{Code, Revision};

use super::world::{Cluster, DEFAULT, put, until};

const KEEP: u64 = 50;

async fn compacted(handle: &Handle) -> Revision {
    handle.status(DEFAULT).await.unwrap().body.compacted
}

async fn kept(handle: &Handle) -> Vec<Version> {
    let frozen = handle.freeze(DEFAULT).await.unwrap();
    let mut all = Vec::new();
    let visit = &mut |version| {
        all.push(version);
        true
    };
    frozen.versions(frozen.header().revision, Before::Readable, visit).unwrap();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_revisions_is_kept_whoever_leads() {
    let rule = AutoCompaction::Revisions { keep: KEEP, every: Duration::from_millis(50) };
    let mut cluster = Cluster::start(3, |config| config.auto_compaction = Some(rule)).await;
    for _ in 0..2 {
        let leader = cluster.leader(&[0, 1, 2]).await;
        let mut newest = Revision(0);
        for number in 0..120 {
            let key = format!("key-{}", number % 7);
            newest = cluster
                .handle(leader)
                .propose(DEFAULT, put(&key, "x"))
                .await
                .unwrap()
                .header
                .revision;
        }
        let target = Revision(newest.get() - KEEP as i64);
        for handle in cluster.handles() {
            until("compaction", || async { compacted(&handle).await == target }).await;
        }
        let all = kept(&cluster.handle(leader)).await;
        assert!((KEEP as usize..KEEP as usize + 8).contains(&all.len()), "{}", all.len());
        for handle in cluster.handles() {
            assert_eq!(kept(&handle).await, all);
        }
        cluster.stop(leader).await;
        cluster.start_again(leader).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn physical_compaction_answers_when_it_is_done_and_few_are_frozen_at_once() {
    let cluster = Cluster::start(1, |_| ()).await;
    let handle = cluster.handle(0);
    let mut newest = Revision(0);
    for number in 0..2_000 {
        newest =
            handle.propose(DEFAULT, put("key", format!("{number}"))).await.unwrap().header.revision;
    }
    handle.compact(DEFAULT, newest, true).await.unwrap();
    assert_eq!(kept(&handle).await.len(), 1);
    let again = handle.compact(DEFAULT, newest, true).await;
    assert_eq!(again.unwrap_err().code, Code::Compacted);
    let mut frozen = Vec::new();
    for _ in 0..4 {
        frozen.push(handle.freeze(DEFAULT).await.unwrap());
    }
    let waiting = tokio::time::timeout(Duration::from_millis(100), handle.freeze(DEFAULT)).await;
    assert!(waiting.is_err(), "a fifth one waits");
    frozen.pop();
    handle.freeze(DEFAULT).await.unwrap();
    drop(frozen);
    drop(handle);
    cluster.stop_all().await;
}
