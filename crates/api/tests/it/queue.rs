//! Locks and elections as services: who waits, who is woken, what goes when a client does.

use std::time::Duration;

use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::lease_client::LeaseClient;
use proto::v3electionpb as election;
use proto::v3electionpb::election_client::ElectionClient;
use proto::v3lockpb as lock;
use proto::v3lockpb::lock_client::LockClient;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::server::Server;

/// Long enough for whatever should happen.
const SOON: Duration = Duration::from_secs(10);
/// Long enough for what should not happen to happen.
const QUIET: Duration = Duration::from_millis(200);

async fn grant(server: &Server, id: i64) {
    let mut leases = LeaseClient::new(server.channel.clone());
    leases.lease_grant(pb::LeaseGrantRequest { ttl: 60, id }).await.unwrap();
}

async fn revoke(server: &Server, id: i64) {
    let mut leases = LeaseClient::new(server.channel.clone());
    leases.lease_revoke(pb::LeaseRevokeRequest { id }).await.unwrap();
}

type Locked = Result<lock::LockResponse, Status>;

fn acquire(server: &Server, lease: i64) -> JoinHandle<Locked> {
    let mut client = LockClient::new(server.channel.clone());
    let request = lock::LockRequest { name: "l".into(), lease };
    tokio::spawn(async move { client.lock(request).await.map(tonic::Response::into_inner) })
}

async fn release(server: &Server, key: &bytes::Bytes) {
    let mut client = LockClient::new(server.channel.clone());
    client.unlock(lock::UnlockRequest { key: key.clone() }).await.unwrap();
}

async fn keys(server: &Server, prefix: &'static str, end: &'static str) -> Vec<String> {
    let range =
        pb::RangeRequest { key: prefix.into(), range_end: end.into(), ..Default::default() };
    let found = KvClient::new(server.channel.clone()).range(range).await.unwrap().into_inner();
    found.kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key).into_owned()).collect()
}

async fn until_keys(server: &Server, expected: &[&str]) {
    let wait = async {
        while keys(server, "l/", "l0").await != expected {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.unwrap_or_else(|_| panic!("never {expected:?}"));
}

async fn done<T>(task: JoinHandle<T>) -> T {
    timeout(SOON, task).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_goes_from_hand_to_hand_in_the_order_of_asking() {
    let server = Server::start().await;
    for lease in [0x1a, 0x2b, 0x3c] {
        grant(&server, lease).await;
    }
    let first = done(acquire(&server, 0x1a)).await.unwrap();
    assert_eq!(first.key, "l/1a");
    let again = done(acquire(&server, 0x1a)).await.unwrap();
    assert_eq!(again.key, first.key, "who holds it, gets it");
    let mut second = acquire(&server, 0x2b);
    until_keys(&server, &["l/1a", "l/2b"]).await;
    let third = acquire(&server, 0x3c);
    until_keys(&server, &["l/1a", "l/2b", "l/3c"]).await;
    assert!(timeout(QUIET, &mut second).await.is_err() && !third.is_finished());

    release(&server, &first.key).await;
    let second = done(second).await.unwrap();
    assert_eq!(second.key, "l/2b");
    assert!(second.header.unwrap().revision > first.header.unwrap().revision);
    assert!(!third.is_finished());
    // A lease that ends hands the lock on.
    revoke(&server, 0x2b).await;
    assert_eq!(done(third).await.unwrap().key, "l/3c");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_waiting_leaves_no_key_behind() {
    let server = Server::start().await;
    for lease in [1, 2, 3, 4] {
        grant(&server, lease).await;
    }
    let held = done(acquire(&server, 1)).await.unwrap();
    // A client that goes away.
    let gone = acquire(&server, 2);
    until_keys(&server, &["l/1", "l/2"]).await;
    let behind = acquire(&server, 3);
    until_keys(&server, &["l/1", "l/2", "l/3"]).await;
    gone.abort();
    until_keys(&server, &["l/1", "l/3"]).await;
    // One whose lease ends, with the lock still held by another.
    let expired = acquire(&server, 4);
    until_keys(&server, &["l/1", "l/3", "l/4"]).await;
    revoke(&server, 4).await;
    let status = done(expired).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unknown, "mutex: session is expired"));

    let status = done(acquire(&server, 99)).await.unwrap_err();
    let words = "etcdserver: requested lease not found";
    assert_eq!((status.code(), status.message()), (Code::Unknown, words));
    release(&server, &held.key).await;
    assert_eq!(done(behind).await.unwrap().key, "l/3");

    let own = LockClient::new(server.channel.clone())
        .lock(lock::LockRequest { name: "other".into(), lease: 0 })
        .await
        .unwrap()
        .into_inner();
    let leases = LeaseClient::new(server.channel.clone())
        .lease_leases(pb::LeaseLeasesRequest {})
        .await
        .unwrap()
        .into_inner();
    let keys: Vec<_> = leases.leases.iter().map(|lease| format!("other/{:x}", lease.id)).collect();
    let key = std::str::from_utf8(&own.key).unwrap();
    assert!(keys.iter().any(|made| made == key), "{key} is of a lease made for it: {keys:?}");
    server.stop().await;
}

fn campaign(
    server: &Server,
    lease: i64,
    value: &'static str,
) -> JoinHandle<Result<election::CampaignResponse, Status>> {
    let mut client = ElectionClient::new(server.channel.clone());
    let request = election::CampaignRequest { name: "l".into(), lease, value: value.into() };
    tokio::spawn(async move { client.campaign(request).await.map(tonic::Response::into_inner) })
}

fn told(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_election_is_won_proclaimed_lost_and_observed_without_a_gap() {
    let server = Server::start().await;
    let mut client = ElectionClient::new(server.channel.clone());
    let name = || election::LeaderRequest { name: "l".into() };
    let status = client.leader(name()).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unknown, "election: no leader"));
    let mut observed = client.observe(name()).await.unwrap().into_inner();
    let mut next = async || {
        let response = timeout(SOON, observed.message()).await.unwrap().unwrap().unwrap();
        let kv = response.kv.unwrap();
        assert!(response.header.unwrap().revision >= kv.mod_revision);
        (String::from_utf8(kv.key.into()).unwrap(), String::from_utf8(kv.value.into()).unwrap())
    };
    let seen = |key: &str, value: &str| (key.to_owned(), value.to_owned());

    grant(&server, 1).await;
    grant(&server, 2).await;
    let first = done(campaign(&server, 1, "one")).await.unwrap();
    let leader = first.leader.unwrap();
    assert_eq!((leader.key.as_ref(), leader.lease), (&b"l/1"[..], 1));
    assert_eq!(leader.rev, first.header.unwrap().revision);
    assert_eq!(next().await, seen("l/1", "one"));
    let second = campaign(&server, 2, "two");
    until_keys(&server, &["l/1", "l/2"]).await;
    let again = done(campaign(&server, 1, "uno")).await.unwrap().leader.unwrap();
    assert_eq!(again, leader, "who leads, leads, with another value");
    assert_eq!(next().await, seen("l/1", "uno"));
    let proclaim = |leader: &election::LeaderKey| election::ProclaimRequest {
        leader: Some(leader.clone()),
        value: "eins".into(),
    };
    client.proclaim(proclaim(&leader)).await.unwrap();
    assert_eq!(next().await, seen("l/1", "eins"));
    let read = client.leader(name()).await.unwrap().into_inner().kv.unwrap();
    assert_eq!((read.value.as_ref(), read.create_revision), (&b"eins"[..], leader.rev));
    assert!(!second.is_finished());

    let resign = election::ResignRequest { leader: Some(leader.clone()) };
    client.resign(resign.clone()).await.unwrap();
    let won = done(second).await.unwrap().leader.unwrap();
    assert_eq!(next().await, seen("l/2", "two"));
    let status = client.proclaim(proclaim(&leader)).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unknown, "election: not leader"));
    client.resign(resign).await.unwrap();
    let missing = client.resign(election::ResignRequest::default()).await.unwrap_err();
    assert_eq!(told(&missing), (Code::Unknown, "\"leader\" field must be provided"));
    // One that leads for a moment, and one whose lease ends.
    revoke(&server, won.lease).await;
    for lease in [11, 12] {
        grant(&server, lease).await;
        done(campaign(&server, lease, "short")).await.unwrap();
        revoke(&server, lease).await;
    }
    assert_eq!(next().await, seen("l/b", "short"));
    assert_eq!(next().await, seen("l/c", "short"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_outlives_the_leader() {
    let mut cluster = Server::start_cluster(3).await;
    let leader = leader_of(&cluster).await;
    let dead = cluster.remove(leader);
    let (holder, waiter) = (&cluster[0], &cluster[1]);
    grant(&dead, 1).await;
    grant(&dead, 2).await;
    let held = done(acquire(holder, 1)).await.unwrap();
    let mut waiting = acquire(waiter, 2);
    until_keys(holder, &["l/1", "l/2"]).await;
    dead.stop().await;
    assert!(timeout(QUIET, &mut waiting).await.is_err());
    let mut client = LockClient::new(holder.channel.clone());
    let unlock = lock::UnlockRequest { key: held.key };
    let release = async {
        while client.unlock(unlock.clone()).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, release).await.unwrap();
    assert_eq!(done(waiting).await.unwrap().key, "l/2");
    for server in cluster {
        server.stop().await;
    }
}

async fn leader_of(cluster: &[Server]) -> usize {
    use proto::etcdserverpb::maintenance_client::MaintenanceClient;
    for (at, server) in cluster.iter().enumerate() {
        let mut client = MaintenanceClient::new(server.channel.clone());
        let status = client.status(pb::StatusRequest {}).await.unwrap().into_inner();
        if status.leader == status.header.unwrap().member_id {
            return at;
        }
    }
    panic!("nobody leads");
}

/// A client that numbers its requests has a call of a recipe carried out as it is: each write of it is one of
/// its own, and none is answered with what the other one came to.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_beside_a_campaign_is_not_that_of_its_writes() {
    let server = Server::start().await;
    grant(&server, 7).await;
    let mut client = ElectionClient::new(server.channel.clone());
    for (number, value) in [("9.1.0", "first"), ("9.2.0", "second")] {
        let (name, value) = ("e".into(), value.into());
        let campaign = election::CampaignRequest { name, lease: 7, value };
        let mut request = tonic::Request::new(campaign);
        request.metadata_mut().insert("hiraeth-number", number.parse().unwrap());
        timeout(SOON, client.campaign(request)).await.unwrap().unwrap();
    }
    let leader = client.leader(election::LeaderRequest { name: "e".into() }).await.unwrap();
    assert_eq!(leader.into_inner().kv.unwrap().value, "second");
    server.stop().await;
}
