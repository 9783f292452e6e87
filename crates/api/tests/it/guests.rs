//! What one client may take up of a node.

use std::time::Duration;

use futures::future::try_join_all;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_request::RequestUnion;
use tokio::time::sleep;
use tonic::{Code, Status, Streaming};

use crate::server::Server;

/// The bound that docs/protocol.md tells.
const STREAMS: usize = 4_096;

async fn watch(server: &Server) -> Result<Streaming<pb::WatchResponse>, Status> {
    let create = pb::WatchCreateRequest { key: "a".into(), ..Default::default() };
    let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    // Nothing more is asked, so that dropping the answers is the end of the stream.
    let mut client = WatchClient::new(server.channel.clone());
    Ok(client.watch(tokio_stream::once(request)).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_has_so_many_streams_and_still_its_other_requests() {
    let server = Server::start().await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS / 256 {
        streams.extend(try_join_all((0..256).map(|_| watch(&server))).await.unwrap());
    }
    let refused = watch(&server).await.unwrap_err();
    let words = "etcdserver: too many requests";
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, words));
    let put = pb::PutRequest { key: "a".into(), ..Default::default() };
    KvClient::new(server.channel.clone()).put(put).await.unwrap();
    // What is given back can be had again.
    streams.pop();
    while watch(&server).await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    drop(streams);
    server.stop().await;
}
