//! What was let in before is looked at again when rights change.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::v3electionpb as wire;
use proto::v3electionpb::election_client::ElectionClient;
use proto::v3lockpb::LockRequest;
use proto::v3lockpb::lock_client::LockClient;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::Streaming;

use super::raw::{Way, call_with, token, users, with_token};
use crate::server::Server;

fn create(key: &'static str, id: i64) -> pb::WatchRequest {
    let create = pb::WatchCreateRequest { key: key.into(), watch_id: id, ..Default::default() };
    pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}

async fn next(stream: &mut Streaming<pb::WatchResponse>) -> pb::WatchResponse {
    let next = timeout(Duration::from_secs(10), stream.message()).await;
    next.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_the_right_to_read_and_others_of_the_stream_go_on() {
    let servers = Server::start_cluster(3).await;
    let mut auth = users(&servers[0].channel).await;
    let root = token(&mut auth, "root").await;
    let bob = token(&mut auth, "bob").await;
    // On another node than the one where rights are changed.
    let mut watch = WatchClient::new(servers[1].channel.clone());
    let (requests, receiver) = tokio::sync::mpsc::channel(8);
    let orders = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut stream = watch.watch(with_token(orders, Some(&bob))).await.unwrap().into_inner();
    requests.send(create("a/1", 1)).await.unwrap();
    requests.send(create("b", 2)).await.unwrap();
    assert!(next(&mut stream).await.created);
    let refused = next(&mut stream).await;
    assert!(refused.created && refused.canceled, "{refused:?}");
    let denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    assert_eq!((refused.watch_id, refused.cancel_reason.as_str()), (-1, denied));

    let perm = proto::authpb::Permission { key: "c".into(), ..Default::default() };
    let grant = pb::AuthRoleGrantPermissionRequest { name: "app".into(), perm: Some(perm) };
    auth.role_grant_permission(with_token(grant, Some(&root))).await.unwrap();
    requests.send(create("c", 3)).await.unwrap();
    let made = next(&mut stream).await;
    assert!(made.created && !made.canceled, "what was granted holds at once: {made:?}");

    let revoke = pb::AuthRoleRevokePermissionRequest {
        role: "app".into(),
        key: "a/".into(),
        range_end: "a0".into(),
    };
    auth.role_revoke_permission(with_token(revoke, Some(&root))).await.unwrap();
    let ended = next(&mut stream).await;
    assert!(ended.canceled && !ended.created, "{ended:?}");
    assert_eq!((ended.watch_id, ended.cancel_reason.as_str()), (1, denied));
    // Nothing of it is told any more, and the other watch goes on.
    let mut kv = KvClient::new(servers[2].channel.clone());
    for key in ["a/1", "c"] {
        let put = pb::PutRequest { key: key.into(), ..Default::default() };
        kv.put(with_token(put, Some(&root))).await.unwrap();
    }
    let event = next(&mut stream).await;
    assert_eq!((event.watch_id, event.events.len()), (3, 1), "{event:?}");

    // A user that is gone watches nothing.
    let delete = pb::AuthUserDeleteRequest { name: "bob".into() };
    auth.user_delete(with_token(delete, Some(&root))).await.unwrap();
    let ended = next(&mut stream).await;
    let invalid = "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    assert_eq!((ended.watch_id, ended.cancel_reason.as_str()), (3, invalid));
    drop((requests, stream));
    for server in servers {
        server.stop().await;
    }
}

/// Nobody who was let in while auth was off stays in without a name, on any node.
#[tokio::test(flavor = "multi_thread")]
async fn switching_auth_on_holds_on_every_node_at_once() {
    let servers = Server::start_cluster(3).await;
    let mut streams = Vec::new();
    for server in &servers {
        let (requests, receiver) = tokio::sync::mpsc::channel(8);
        let orders = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let mut watch = WatchClient::new(server.channel.clone());
        let mut stream = watch.watch(orders).await.unwrap().into_inner();
        requests.send(create("k", 1)).await.unwrap();
        assert!(next(&mut stream).await.created);
        streams.push((requests, stream));
    }
    let mut auth = users(&servers[0].channel).await;
    for server in &servers {
        let mut kv = KvClient::new(server.channel.clone());
        let put = pb::PutRequest { key: "k".into(), ..Default::default() };
        let refused = kv.put(put).await.unwrap_err();
        assert_eq!(refused.message(), "etcdserver: user name is empty");
    }
    for (_, stream) in &mut streams {
        let ended = next(stream).await;
        assert!(ended.canceled && ended.cancel_reason.ends_with("user name is empty"), "{ended:?}");
    }
    // A token of one node is taken by the others, and so is its end.
    let root = token(&mut auth, "root").await;
    for server in &servers {
        let mut kv = KvClient::new(server.channel.clone());
        let get = pb::RangeRequest { key: "k".into(), ..Default::default() };
        kv.range(with_token(get, Some(&root))).await.unwrap();
    }
    let change = pb::AuthUserChangePasswordRequest {
        name: "root".into(),
        password: "other".into(),
        ..Default::default()
    };
    auth.user_change_password(with_token(change, Some(&root))).await.unwrap();
    for server in &servers {
        let mut kv = KvClient::new(server.channel.clone());
        let get = pb::RangeRequest { key: "k".into(), serializable: true, ..Default::default() };
        let refused = kv.range(with_token(get, Some(&root))).await.unwrap_err();
        assert_eq!(refused.message(), "etcdserver: invalid auth token");
    }
    drop(streams);
    for server in servers {
        server.stop().await;
    }
}

/// The head of a request says nothing yet: what counts is when there is something to be carried out.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_after_auth_is_on_is_held_against_it() {
    let server = Server::start().await;
    let begin = |(method, way)| {
        let (message, messages) = oneshot::channel::<Bytes>();
        let messages = messages.into_stream().filter_map(async |message| message.ok());
        let channel = server.channel.clone();
        let call = async move { call_with(&channel, method, Box::pin(messages), None, way).await };
        (message, tokio::spawn(call))
    };
    let calls = [
        ("etcdserverpb.KV/Put", Way::Usual),
        ("etcdserverpb.KV/Put", Way::Service),
        ("etcdserverpb.Maintenance/Snapshot", Way::Usual),
        ("etcdserverpb.Cluster/MemberRemove", Way::Usual),
    ];
    let calls = calls.map(begin);
    let mut auth = users(&server.channel).await;
    for (message, call) in calls {
        // To others than Put its only field means nothing.
        let put = pb::PutRequest { key: "a/1".into(), ..Default::default() };
        // Nobody takes it where the head itself was late enough to be refused.
        let _ = message.send(put.encode_to_vec().into());
        let refused = call.await.unwrap().unwrap_err();
        assert_eq!(refused.message(), "etcdserver: user name is empty");
    }
    let root = token(&mut auth, "root").await;
    let get = pb::RangeRequest { key: "a/1".into(), ..Default::default() };
    let mut kv = KvClient::new(server.channel.clone());
    let found = kv.range(with_token(get, Some(&root))).await.unwrap().into_inner();
    assert_eq!(found.count, 0);
    server.stop().await;
}

/// Who observes an election is told of it for as long as it may read it.
#[tokio::test(flavor = "multi_thread")]
async fn observing_an_election_ends_with_the_right_to_read_it() {
    let server = Server::start().await;
    let mut auth = users(&server.channel).await;
    let (root, bob) = (token(&mut auth, "root").await, token(&mut auth, "bob").await);
    let mut election = ElectionClient::new(server.channel.clone());
    let campaign = wire::CampaignRequest { name: "a/e".into(), value: "1".into(), lease: 0 };
    let won = election.campaign(with_token(campaign, Some(&bob))).await.unwrap().into_inner();
    let observe = wire::LeaderRequest { name: "a/e".into() };
    let observe = election.observe(with_token(observe, Some(&bob))).await;
    let mut stream = observe.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().kv.unwrap().value, "1");
    let revoke = pb::AuthRoleRevokePermissionRequest {
        role: "app".into(),
        key: "a/".into(),
        range_end: "a0".into(),
    };
    auth.role_revoke_permission(with_token(revoke, Some(&root))).await.unwrap();
    let proclaim = wire::ProclaimRequest { leader: won.leader, value: "2".into() };
    election.proclaim(with_token(proclaim, Some(&root))).await.unwrap();
    let ended = timeout(Duration::from_secs(10), stream.message()).await.unwrap().unwrap_err();
    assert_eq!(ended.message(), "etcdserver: permission denied");
    server.stop().await;
}

/// Who stands in a line for a lock, and may not look at its place any more, does not wait for its turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_a_lock_ends_with_the_right_to_it() {
    let server = Server::start().await;
    let mut auth = users(&server.channel).await;
    let root = token(&mut auth, "root").await;
    let bob = token(&mut auth, "bob").await;
    let acquire = async |token: &str| {
        let mut locks = LockClient::new(server.channel.clone());
        let request = LockRequest { name: "a/lock".into(), lease: 0 };
        locks.lock(with_token(request, Some(token))).await.map(tonic::Response::into_inner)
    };
    acquire(&root).await.unwrap();
    let revoke = async {
        let mut kv = KvClient::new(server.channel.clone());
        let line = || pb::RangeRequest {
            key: "a/lock/".into(),
            range_end: "a/lock0".into(),
            ..Default::default()
        };
        while kv.range(with_token(line(), Some(&root))).await.unwrap().into_inner().count < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let revoke = pb::AuthRoleRevokePermissionRequest {
            role: "app".into(),
            key: "a/".into(),
            range_end: "a0".into(),
        };
        auth.role_revoke_permission(with_token(revoke, Some(&root))).await.unwrap();
    };
    let both = async { tokio::join!(acquire(&bob), revoke).0 };
    let refused = timeout(Duration::from_secs(10), both).await.unwrap().unwrap_err();
    assert!(refused.message().ends_with("permission denied"), "{refused:?}");
    server.stop().await;
}
