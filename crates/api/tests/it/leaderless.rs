//! What clients see of a node that has lost its cluster.

use std::time::Duration;

use futures::future::join_all;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_request::RequestUnion;
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

use crate::server::Server;

/// Ends all nodes but the first.
async fn alone(cluster: Vec<Server>) -> Server {
    let mut cluster = cluster.into_iter();
    let left = cluster.next().unwrap();
    join_all(cluster.map(Server::stop)).await;
    left
}

fn watch_all() -> impl tokio_stream::Stream<Item = pb::WatchRequest> {
    let create = pb::WatchCreateRequest { range_end: "\0".into(), ..Default::default() };
    let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    tokio_stream::once(request).chain(tokio_stream::pending())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_requires_a_leader_ends_with_it_and_others_stay() {
    let cluster = Server::start_cluster(3).await;
    let mut client = WatchClient::new(cluster[0].channel.clone());
    let mut request = Request::new(watch_all());
    request.metadata_mut().insert("hasleader", "true".parse().unwrap());
    let mut strict = client.watch(request).await.unwrap().into_inner();
    let mut patient = client.watch(watch_all()).await.unwrap().into_inner();
    for stream in [&mut strict, &mut patient] {
        assert!(stream.message().await.unwrap().unwrap().created);
    }

    let left = alone(cluster).await;
    let ended = loop {
        match strict.message().await {
            Ok(Some(response)) => assert!(response.canceled, "{response:?}"),
            ended => break ended.unwrap_err(),
        }
    };
    assert_eq!((ended.code(), ended.message()), (Code::Unavailable, "etcdserver: no leader"));
    let silence = timeout(Duration::from_millis(300), patient.message()).await;
    assert!(silence.is_err(), "{silence:?}");

    let mut request = Request::new(pb::RangeRequest { key: "a".into(), ..Default::default() });
    request.metadata_mut().insert("hasleader", "true".parse().unwrap());
    let refused = KvClient::new(left.channel.clone()).range(request).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "etcdserver: no leader"));
    drop((strict, patient, client));
    left.stop().await;
}

/// A request nobody waits for any more must not stay until the server itself gives up on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_past_its_deadline_is_let_go() {
    const REQUESTS: usize = 40;
    // A node that knows for two election timeouts that it has no quorum does not let anybody wait, nor
    // does one that looked for a leader for so long to learn whether it must ask for passwords.
    let left = alone(Server::start_cluster_with(3, 2_000).await).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let idle = tasks();
    let asked = (0..REQUESTS).map(|_| {
        let mut client = KvClient::new(left.channel.clone());
        let put = pb::PutRequest { key: "a".into(), ..Default::default() };
        let mut request = Request::new(put);
        request.set_timeout(Duration::from_millis(1500));
        tokio::spawn(async move { client.put(request).await.unwrap_err() })
    });
    let asked: Vec<_> = asked.collect();
    let busy = async {
        while tasks() < idle + 2 * REQUESTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_millis(1400), busy).await.expect("each request is a task of the server");
    for status in join_all(asked).await {
        let status = status.unwrap();
        assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status:?}");
    }
    let idle_again = async {
        while tasks() >= idle + REQUESTS / 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // The server would answer by itself after 7 seconds.
    timeout(Duration::from_secs(3), idle_again).await.expect("requests past their deadline stay");
    left.stop().await;
}
