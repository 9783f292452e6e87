//! Every way to read, while leaders come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use node::{Age, Consistency, Handle};
use state::request::{TxnOp, TxnRequest};
use state::response::Response;
use tokio::task::JoinHandle;
use types::{Code, Fault};

use super::world::{Cluster, DEFAULT, one, put, until, within};

const CONFIRMED: [Consistency; 3] =
    [Consistency::Linearizable, Consistency::Lease, Consistency::Follower];

/// The number a key holds; 0 before the first write.
async fn number(handle: &Handle, consistency: Consistency) -> Result<u64, Fault> {
    let answer = handle.range(DEFAULT, one("number"), consistency).await?;
    let value = answer.body.kvs.first().map(|kv| kv.value.clone());
    Ok(value.map_or(0, |value| std::str::from_utf8(&value).unwrap().parse().unwrap()))
}

/// Writes 1, 2, 3 and so on through some nodes; knows up to where it was told that it is done.
struct Counting {
    told: Arc<AtomicU64>,
    writing: JoinHandle<()>,
}

impl Counting {
    fn start(handles: Vec<Handle>) -> Self {
        let told = Arc::new(AtomicU64::new(0));
        let own = Arc::clone(&told);
        let writing = tokio::spawn(async move {
            for number in 1_u64.. {
                let handle = &handles[usize::try_from(number).unwrap() % handles.len()];
                // The one writer is told of each before it writes the next: values never go back.
                while let Err(fault) =
                    handle.propose(DEFAULT, put("number", number.to_string())).await
                {
                    if fault.code == Code::ShuttingDown {
                        return;
                    }
                }
                own.store(number, Ordering::Release);
            }
        });
        Self { told, writing }
    }

    fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    async fn reaches(&self, number: u64) {
        until("progress", || async { self.told() >= number }).await;
    }

    async fn stop(self) {
        self.writing.abort();
        drop(self.writing.await);
    }
}

/// Reads over and over; whatever is answered is no older than what was told done before the read.
/// Answers how many reads were answered.
fn check(handle: Handle, consistency: Consistency, told: Arc<AtomicU64>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let before = told.load(Ordering::Acquire);
            match number(&handle, consistency).await {
                Ok(now) => assert!(now >= before, "{consistency:?}: {now} after {before}"),
                Err(fault) => assert!(
                    matches!(fault.code, Code::NoLeader | Code::Timeout | Code::LeaderChanged),
                    "{fault:?}"
                ),
            }
            // Others are to have a turn even if no read waits.
            tokio::task::yield_now().await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mode_reads_what_was_written_on_every_node() {
    let cluster = Cluster::start(3, |_| ()).await;
    let handles = cluster.handles();
    for round in 1..=10_u64 {
        for writer in &handles {
            let text = round.to_string();
            let wrote = writer.propose(DEFAULT, put("number", text.clone())).await.unwrap();
            for reader in &handles {
                for mode in CONFIRMED {
                    let answer = reader.range(DEFAULT, one("number"), mode).await.unwrap();
                    assert_eq!(answer.body.kvs[0].value, text, "{mode:?}");
                    assert_eq!(answer.header.revision, wrote.header.revision);
                    assert_eq!((answer.header.member, answer.header.age), (reader.node(), None));
                    let read = TxnOp::Range(one("number"));
                    let txn = TxnRequest { success: vec![read], ..TxnRequest::default() };
                    let answer = reader.txn(DEFAULT, txn, mode).await.unwrap().body;
                    let Response::Txn { responses, .. } = answer else { panic!("{answer:?}") };
                    let [Response::Range(range)] = &responses[..] else { panic!("{responses:?}") };
                    assert_eq!(range.kvs[0].value, text, "{mode:?}");
                    assert!(reader.leases(DEFAULT, mode).await.unwrap().body.is_empty());
                }
            }
        }
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_for_the_link_is_read_here() {
    let cluster = Cluster::start(3, |_| ()).await;
    for at in 0..6 {
        let value = vec![b'x'; 1_000_000];
        cluster.handle(0).propose(DEFAULT, put(&format!("key-{at}"), value)).await.unwrap();
    }
    for handle in cluster.handles() {
        let all = super::world::all();
        let answer = handle.range(DEFAULT, all, Consistency::Lease).await.unwrap();
        assert_eq!(answer.body.kvs.len(), 6);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mode_but_stale_goes_back_while_leadership_moves() {
    let cluster = Cluster::start(3, |_| ()).await;
    let counting = Counting::start(cluster.handles());
    let mut checks = Vec::new();
    for handle in cluster.handles() {
        for mode in CONFIRMED {
            checks.push(check(handle.clone(), mode, Arc::clone(&counting.told)));
        }
    }
    for _ in 0..20 {
        let before = counting.told();
        let leader = cluster.leader(&[0, 1, 2]).await;
        cluster.node(leader).hand_over().await;
        counting.reaches(before + 5).await;
    }
    for check in checks {
        check.abort();
        let end = check.await;
        assert!(end.as_ref().is_err_and(|end| end.is_cancelled()), "{end:?}");
    }
    counting.stop().await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_reads_nothing_old_by_its_lease() {
    let cluster = Cluster::start_with_wire(3, |_| ()).await;
    let lonely = cluster.handle(2);
    for round in 0..3 {
        cluster.make_leader(2).await;
        let counting = Counting::start(cluster.handles()[..2].to_vec());
        counting.reaches(20).await;
        let told = Arc::clone(&counting.told);
        let leases: Vec<_> =
            (0..2).map(|_| check(lonely.clone(), Consistency::Lease, Arc::clone(&told))).collect();
        let verified = within("a leader", lonely.verify_leader(DEFAULT)).await.unwrap();
        assert_eq!(verified.body, lonely.node());
        if round == 1 {
            // In the middle of giving its leadership away.
            let node = cluster.node(2);
            tokio::join!(node.hand_over(), async { cluster.proxies[0].set_silent(true) });
        } else {
            cluster.proxies[0].set_silent(true);
        }
        // The others elect a leader and write on.
        let before = counting.told();
        counting.reaches(before + 200).await;
        let elsewhere = cluster.handle(0).verify_leader(DEFAULT).await.unwrap();
        assert_ne!(elsewhere.body, lonely.node());
        assert!(elsewhere.header.term > verified.header.term);
        let refused = within("an answer", lonely.verify_leader(DEFAULT)).await;
        assert!(
            refused.is_err_and(|fault| matches!(fault.code, Code::NoLeader | Code::Timeout)),
            "nobody confirms it"
        );
        cluster.proxies[0].set_silent(false);
        let before = counting.told();
        counting.reaches(before + 20).await;
        for lease in leases {
            lease.abort();
            let end = lease.await;
            assert!(end.as_ref().is_err_and(|end| end.is_cancelled()), "{end:?}");
        }
        counting.stop().await;
        // The next round counts from 1 again.
        cluster.handle(0).propose(DEFAULT, put("number", "0")).await.unwrap();
    }
    for handle in cluster.handles() {
        let leader = within("a leader", handle.verify_leader(DEFAULT)).await.unwrap();
        assert_eq!(leader.header.member, handle.node());
    }
    drop(lonely);
    cluster.stop_all().await;
}

async fn age(handle: &Handle) -> Duration {
    let answer = handle.range(DEFAULT, one("number"), Consistency::Stale).await.unwrap();
    match answer.header.age {
        Some(Age::Known(age)) => age,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_says_how_old_its_answers_are_and_refuses_the_rest() {
    let cluster = Cluster::start_with_wire(3, |_| ()).await;
    let lonely = cluster.handle(2);
    // As a leader that lost its followers, and as a follower that lost its leader.
    for leads in [true, false] {
        cluster.make_leader(if leads { 2 } else { 0 }).await;
        let wrote = cluster.handle(0).propose(DEFAULT, put("number", "1")).await.unwrap();
        let hour = Consistency::StaleWithin(Duration::from_secs(3600));
        until("the write", || async {
            let answer = lonely.range(DEFAULT, one("number"), hour).await.unwrap();
            answer.header.revision >= wrote.header.revision
        })
        .await;
        cluster.proxies[0].set_silent(true);
        let mut last = age(&lonely).await;
        for _ in 0..5 {
            until("a growing age", || async { age(&lonely).await > last }).await;
            last = age(&lonely).await;
        }
        cluster.handle(0).propose(DEFAULT, put("number", "2")).await.unwrap();
        assert_eq!(number(&lonely, Consistency::Stale).await.unwrap(), 1, "it is cut off");
        assert_eq!(number(&lonely, hour).await.unwrap(), 1);
        let refused = number(&lonely, Consistency::StaleWithin(last)).await.unwrap_err();
        assert_eq!(refused.code, Code::TooStale, "{refused}");
        let answers = join_all(CONFIRMED.map(|mode| number(&lonely, mode)));
        for (mode, answer) in CONFIRMED.iter().zip(within("answers", answers).await) {
            let refused = answer.unwrap_err();
            let codes = [Code::NoLeader, Code::Timeout, Code::LeaderChanged];
            assert!(codes.contains(&refused.code), "{mode:?}: {refused:?}");
        }
        let cut_off = age(&lonely).await;
        cluster.proxies[0].set_silent(false);
        until("a fresh copy", || async { age(&lonely).await < cut_off }).await;
        until("the write", || async { number(&lonely, Consistency::Stale).await == Ok(2) }).await;
        for mode in CONFIRMED {
            assert_eq!(within("an answer", number(&lonely, mode)).await.unwrap(), 2);
        }
    }
    drop(lonely);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_barrier_the_own_copy_has_what_was_written_before() {
    let cluster = Cluster::start(3, |_| ()).await;
    let handles = cluster.handles();
    for round in 1..=30_u64 {
        let at = usize::try_from(round).unwrap() % 3;
        let wrote = handles[at].propose(DEFAULT, put("number", round.to_string())).await.unwrap();
        let other = &handles[(at + 1) % 3];
        let barrier = other.barrier(DEFAULT).await.unwrap();
        assert_eq!(barrier.header.revision, wrote.header.revision, "a barrier writes nothing");
        assert_eq!(number(other, Consistency::Stale).await.unwrap(), round);
    }
    cluster.stop_all().await;
}
