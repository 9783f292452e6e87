//! Too much at once.

use bytes::Bytes;
use tokio::task::JoinSet;
use types::Code;

use super::world::{Cluster, DEFAULT, all, put, read};

#[tokio::test(flavor = "multi_thread")]
async fn more_than_fits_is_refused_at_once_and_what_is_taken_is_done() {
    let cluster = Cluster::start(3, |_| ()).await;
    let leader = cluster.leader(&[0, 1, 2]).await;
    for at in [leader, (leader + 1) % 3] {
        let handle = cluster.handle(at);
        let mut tasks = JoinSet::new();
        for number in 0..6_000 {
            let handle = handle.clone();
            tasks.spawn(async move {
                let key = format!("{at}-{number:05}");
                (key.clone(), handle.propose(DEFAULT, put(&key, "x")).await)
            });
        }
        let answers = tasks.join_all().await;
        let refused = answers.iter().filter(|(_, answer)| answer.is_err()).count();
        let there = read(&handle, all()).await.unwrap().body.kvs;
        let there: std::collections::BTreeSet<Bytes> = there.into_iter().map(|kv| kv.key).collect();
        for (key, answer) in &answers {
            match answer {
                Ok(_) => assert!(there.contains(key.as_bytes()), "{key} was acknowledged"),
                Err(fault) => {
                    assert_eq!(fault.code, Code::TooManyRequests);
                    assert!(!there.contains(key.as_bytes()), "{key} was refused");
                }
            }
        }
        assert!(refused < 6_000, "something was taken");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_refused_and_the_largest_is_not() {
    let cluster = Cluster::start(3, |_| ()).await;
    for handle in cluster.handles() {
        let limit = types::limits::REQUEST_BYTES;
        let fits = handle.propose(DEFAULT, put("large", vec![1; limit - 64])).await;
        fits.unwrap();
        let over = handle.propose(DEFAULT, put("large", vec![1; limit + 8192])).await;
        assert_eq!(over.unwrap_err().code, Code::RequestTooLarge);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_large_values_is_cut_by_its_bytes() {
    let cluster = Cluster::start(1, |config| {
        config.log_region_bytes = 2 << 20;
        config.log_bytes = 6 << 20;
        config.log_segment_bytes = 1 << 20;
    })
    .await;
    let handle = cluster.handle(0);
    for number in 0..120 {
        let value = vec![u8::try_from(number).unwrap(); 200_000];
        handle.propose(DEFAULT, put("key", value)).await.unwrap();
    }
    let log = cluster.configs[0].data_dir.join("log");
    let bytes = || -> u64 {
        let files = std::fs::read_dir(&log).unwrap();
        files.map(|file| file.unwrap().metadata().map_or(0, |data| data.len())).sum()
    };
    // 24 MB were written; kept are the newest entries and a few files for use again.
    super::world::until("a short log", || async { bytes() < 12 << 20 }).await;
    drop(handle);
    cluster.stop_all().await;
}
