use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::request_op::Request as Op;
use proto::etcdserverpb::response_op::Response as OpAnswer;
use proto::hiraeth::v1 as native;
use proto::hiraeth::v1::keyspaces_client::KeyspacesClient;
use proto::hiraeth::v1::node_client::NodeClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Request, Status};

use crate::server::Server;

fn put(key: &'static str, value: impl Into<Vec<u8>>) -> pb::PutRequest {
    let value: Vec<u8> = value.into();
    pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() }
}

fn get(key: &'static str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.into(), ..Default::default() }
}

fn told(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_is_read_and_errors_are_etcds() {
    let server = Server::start().await;
    let mut kv = KvClient::new(server.channel.clone());
    let made = kv.put(put("a", "1")).await.unwrap().into_inner().header.unwrap();
    assert_eq!(made.revision, 2, "a keyspace begins at revision 1");
    let read = kv.range(get("a")).await.unwrap().into_inner();
    assert_eq!(read.header, Some(made));
    assert_eq!((read.kvs[0].value.as_ref(), read.kvs[0].version, read.count), (&b"1"[..], 1, 1));

    let op = |request| pb::RequestOp { request: Some(request) };
    let txn = pb::TxnRequest {
        success: vec![op(Op::RequestPut(put("a", "2"))), op(Op::RequestRange(get("a")))],
        ..Default::default()
    };
    let done = kv.txn(txn).await.unwrap().into_inner();
    let Some(OpAnswer::ResponseRange(range)) = &done.responses[1].response else { panic!() };
    assert_eq!((range.kvs[0].value.as_ref(), range.kvs[0].mod_revision), (&b"2"[..], 3));

    let twice = pb::TxnRequest {
        success: vec![op(Op::RequestPut(put("a", "2"))), op(Op::RequestPut(put("a", "3")))],
        ..Default::default()
    };
    let duplicate = kv.txn(twice).await.unwrap_err();
    let future = kv.range(pb::RangeRequest { revision: 9, ..get("a") }).await.unwrap_err();
    let compact = pb::CompactionRequest { revision: 3, physical: true };
    kv.compact(compact).await.unwrap();
    let compacted = kv.range(pb::RangeRequest { revision: 2, ..get("a") }).await.unwrap_err();
    let large = kv.put(put("a", vec![0; 1_572_864])).await.unwrap_err();
    let larger = kv.put(put("a", vec![0; 2_200_000])).await.unwrap_err();
    let leased = kv.put(pb::PutRequest { lease: 77, ..put("a", "") }).await.unwrap_err();
    let expected = [
        (&duplicate, Code::InvalidArgument, "etcdserver: duplicate key given in txn request"),
        (&future, Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision"),
        (&compacted, Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted"),
        (&large, Code::InvalidArgument, "etcdserver: request is too large"),
        (&larger, Code::ResourceExhausted, "grpc: received message larger than max"),
        (&leased, Code::NotFound, "etcdserver: requested lease not found"),
    ];
    for (status, code, words) in expected {
        assert_eq!(told(status), (code, words));
    }
    server.stop().await;
}

fn within<T>(keyspace: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("hiraeth-keyspace", keyspace.parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn keyspaces_are_apart() {
    let server = Server::start().await;
    let mut kv = KvClient::new(server.channel.clone());
    let mut keyspaces = KeyspacesClient::new(server.channel.clone());
    let unknown = kv.put(within("other", put("a", "1"))).await.unwrap_err();
    let words =
        "hiraeth: keyspace not found: other; create it with `hiraeth keyspace create other`";
    assert_eq!(told(&unknown), (Code::NotFound, words));

    let create = native::CreateKeyspaceRequest { name: "other".to_owned(), ..Default::default() };
    let made = keyspaces.create(create.clone()).await.unwrap().into_inner().keyspace.unwrap();
    let again = keyspaces.create(create).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    kv.put(within("other", put("a", "1"))).await.unwrap();
    assert_eq!(kv.range(get("a")).await.unwrap().into_inner().count, 0);
    assert_eq!(kv.range(within("other", get("a"))).await.unwrap().into_inner().count, 1);

    let mut node = NodeClient::new(server.channel.clone());
    let status = node.status(native::NodeStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.cluster.len(), 32);
    let region = status.regions.iter().find(|region| region.id == made.region).unwrap();
    assert_eq!((region.leader, region.role()), (status.node, native::Role::Leader));
    assert_eq!((region.revision, region.keyspace), (2, made.id));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_node_says_so_on_the_client_port() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let request = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with(r#"{"health":"true","reason":""}"#), "{answer}");
    server.stop().await;
}
