//! What is held while a server does not answer and its connection does not end.

use std::time::{Duration, Instant};

use client::{Client, Lock, Operation, Options, Put, Txn};
use tokio::time::timeout;

use crate::line::{SOON, in_time, line, stands, take, waits};
use crate::program::DEADLINE;
use crate::server::{Single, Three};
use crate::wire::Wire;

/// Tests share their machine; a client that waits for a silent server takes three times as long.
const SLACK: Duration = Duration::from_secs(2);

async fn client(endpoints: &[&str]) -> Client {
    Client::connect(endpoints.iter().copied(), Options::default()).await.unwrap()
}

/// A server that sees a client gone leaves the client its place, in which it stands by another server.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_line_outlives_the_server_it_was_taken_by() {
    let three = Three::start().await;
    tokio::join!(
        keeps_its_place(&three, "locked", Lock::exclusive("locked")),
        keeps_its_place(&three, "led", Lock::leader("led", "me")),
        keeps_its_place(&three, "shared", Lock::shared("shared")),
    );
}

async fn keeps_its_place(three: &Three, name: &'static str, lock: Lock) {
    let [first, second, third] = [0, 1, 2].map(|at| three.servers[at].client.as_str());
    let wire = Wire::to(first).await;
    let (other, own) = (client(&[second]).await, client(&[&wire.address, second, third]).await);
    let held = take(&other, &Lock::exclusive(name)).await.unwrap();
    let mut waiting = stands(&own, &lock, name, 2).await;
    let mut last = stands(&client(&[third]).await, &Lock::exclusive(name), name, 3).await;
    let places = line(&other, name).await;
    wire.falls_silent_and_the_server_sees_it();
    assert!(waits(&mut waiting).await && waits(&mut last).await);
    held.unlock().await.unwrap();
    let mut held = tokio::select! {
        held = waiting => held.unwrap(),
        _ = &mut last => panic!("{name}: who came later has it first"),
    };
    assert_eq!((held.key(), held.fence()), (&places[1].key, places[1].create_revision), "{name}");
    assert!(waits(&mut last).await, "{name}: both have it");
    assert!(timeout(SOON, held.lost()).await.is_err(), "{name}");
    held.unlock().await.unwrap();
    in_time(last).await.unlock().await.unwrap();
}

/// Without any server that answers, a holder knows when its time is over; and what it writes then is not
/// written.
#[tokio::test(flavor = "multi_thread")]
async fn who_hears_no_server_holds_no_longer_than_its_lease() {
    const TTL: Duration = Duration::from_secs(2);
    let single = Single::start().await;
    let wire = Wire::to(&single.server.client).await;
    let direct = single.client().await;
    let lock = Lock::exclusive("job").ttl_seconds(2);
    let mut held = take(&client(&[&wire.address]).await, &lock).await.unwrap();
    let next = stands(&direct, &lock, "job", 2).await;
    wire.falls_silent();
    let silent = Instant::now();
    let told = tokio::spawn(async move {
        held.lost().await;
        (Instant::now(), held)
    });
    let (told, next) = tokio::join!(told, async {
        let next = next.await.unwrap();
        (Instant::now(), next)
    });
    let ((lost_at, held), (next_at, next)) = (told.unwrap(), next);
    assert!(lost_at < silent + TTL + SLACK, "{:?}", lost_at - silent);
    assert!(lost_at < next_at + SLACK, "{:?}", lost_at - next_at);
    assert!(next.fence() > held.fence());
    for (held, is_written) in [(&held, false), (&next, true)] {
        let put = Operation::Put(Put::new("written", "1"));
        let txn = Txn::new().when([held.guard()]).then([put]);
        assert_eq!(direct.txn(txn).await.unwrap().succeeded, is_written);
    }
}

/// The server counts from when it made the lease, which may be long before its answer comes.
#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_lease_counts_from_before_it_was_asked_for() {
    const TTL: Duration = Duration::from_secs(4);
    let single = Single::start().await;
    let wire = Wire::to(&single.server.client).await;
    let client = client(&[&wire.address]).await;
    let asked = Instant::now();
    wire.is_mute(true);
    let granted = tokio::spawn({
        let client = client.clone();
        async move { client.grant_lease(4, 0).await.unwrap() }
    });
    tokio::time::sleep(TTL * 3 / 4).await;
    wire.is_mute(false);
    let granted = granted.await.unwrap();
    wire.falls_silent();
    let mut kept = client.keep_granted(&granted);
    let lost = kept.lost().await;
    assert!(asked.elapsed() < TTL + SLACK, "{:?}", asked.elapsed());
    assert!(matches!(lost, client::Error::TimedOut { after: TTL, .. }), "{lost:?}");
}

/// One server of several that does not answer costs nobody what it holds, and nothing is left over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_outlives_a_silent_server_and_is_given_back() {
    let single = Single::start().await;
    let direct = single.server.client.as_str();
    let to = || Wire::to(direct);
    let wires = [to().await, to().await, to().await, to().await];
    let [kept, given_back, given_up, late] =
        wires.each_ref().map(|wire| [wire.address.as_str(), direct]);
    let all = single.client().await;
    tokio::join!(
        async {
            let client = client(&kept).await;
            let mut held = take(&client, &Lock::exclusive("kept").ttl_seconds(2)).await.unwrap();
            wires[0].falls_silent();
            // Renewals of another lease are the clock: seven of them are twice as long as it lives.
            let clock = all.grant_lease(2, 0).await.unwrap().id;
            let mut renewals = all.renewals(clock);
            for _ in 0..7 {
                tokio::select! {
                    biased;
                    lost = held.lost() => panic!("{lost}"),
                    renewed = renewals.next() => drop(renewed.unwrap()),
                }
            }
            assert_eq!(line(&all, "kept").await[0].create_revision, held.fence());
        },
        async {
            let client = client(&given_back).await;
            let held = take(&client, &Lock::exclusive("back").ttl_seconds(60)).await.unwrap();
            wires[1].falls_silent();
            held.unlock().await.unwrap();
            assert!(line(&all, "back").await.is_empty());
        },
        async {
            // The lease is asked for in vain for longer than it lives, and then of another server.
            wires[3].falls_silent();
            let client = Client::lazy(late, Options::default()).unwrap();
            let held = take(&client, &Lock::exclusive("late").ttl_seconds(2)).await.unwrap();
            held.unlock().await.unwrap();
        },
        async {
            // Given up when the lease was made, and the answer is still under way.
            let client = client(&given_up).await;
            wires[2].is_mute(true);
            let made = |ttl: i64| {
                let all = &all;
                async move {
                    let mut made = 0;
                    for id in all.leases().await.unwrap() {
                        let left = all.lease_time_to_live(id, false).await;
                        made += usize::from(left.is_ok_and(|it| it.granted_seconds == ttl));
                    }
                    made
                }
            };
            let give_up = async {
                while made(77).await == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let lock = Lock::exclusive("up").ttl_seconds(77);
            assert!(client.hold(&lock, give_up).await.unwrap().is_none());
            wires[2].is_mute(false);
            let gone = async {
                while made(77).await > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(DEADLINE, gone).await.expect("the lease is given back");
        },
    );
}
