use proto::etcdserverpb as pb;
use proto::etcdserverpb::kv_client::KvClient;
use proto::etcdserverpb::lease_client::LeaseClient;
use proto::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_request::RequestUnion;
use proto::mvccpb::event::EventType;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::server::Server;

/// A watch stream: what is sent, and what comes back.
struct Watcher {
    requests: mpsc::Sender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
}

impl Watcher {
    async fn open(server: &Server) -> Self {
        let (requests, receiver) = mpsc::channel(8);
        let mut client = WatchClient::new(server.channel.clone());
        let responses = client.watch(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        Self { requests, responses }
    }

    async fn send(&self, union: RequestUnion) {
        self.requests.send(pb::WatchRequest { request_union: Some(union) }).await.unwrap();
    }

    async fn create(&mut self, create: pb::WatchCreateRequest) -> pb::WatchResponse {
        self.send(RequestUnion::CreateRequest(create)).await;
        let response = self.next().await;
        assert!(response.created, "{response:?}");
        response
    }

    async fn next(&mut self) -> pb::WatchResponse {
        self.responses.message().await.unwrap().unwrap()
    }
}

fn all() -> pb::WatchCreateRequest {
    pb::WatchCreateRequest { range_end: "\0".into(), ..Default::default() }
}

async fn put(server: &Server, key: &'static str, bytes: usize) -> i64 {
    let mut kv = KvClient::new(server.channel.clone());
    let value = vec![b'v'; bytes].into();
    let put = pb::PutRequest { key: key.into(), value, ..Default::default() };
    kv.put(put).await.unwrap().into_inner().header.unwrap().revision
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_from_any_revision_on() {
    let server = Server::start().await;
    let first = put(&server, "a", 1).await;
    put(&server, "a", 2).await;
    let mut watcher = Watcher::open(&server).await;
    let past = pb::WatchCreateRequest { start_revision: first, prev_kv: true, ..all() };
    let id = watcher.create(past).await.watch_id;
    let mut events = Vec::new();
    while events.len() < 2 {
        let response = watcher.next().await;
        assert_eq!(response.watch_id, id);
        events.extend(response.events);
    }
    assert!(events[0].prev_kv.is_none());
    assert_eq!(events[1].prev_kv, events[0].kv, "the record before is the one written before");

    let puts = pb::WatchCreateRequest { filters: vec![1], watch_id: 44, ..all() };
    assert_eq!(watcher.create(puts.clone()).await.watch_id, 44);
    let again = watcher.create(puts).await;
    assert!(again.canceled);
    assert_eq!(again.cancel_reason, "mvcc: duplicate watch ID provided on the WatchStream");

    KvClient::new(server.channel.clone())
        .delete_range(pb::DeleteRangeRequest { key: "a".into(), ..Default::default() })
        .await
        .unwrap();
    let deleted = watcher.next().await;
    assert_eq!((deleted.watch_id, deleted.events[0].r#type()), (id, EventType::Delete));
    watcher.send(RequestUnion::ProgressRequest(pb::WatchProgressRequest {})).await;
    let progress = watcher.next().await;
    assert_eq!((progress.watch_id, progress.events.len()), (-1, 0), "44 leaves deletes out");
    assert_eq!(progress.header.unwrap().revision, deleted.header.unwrap().revision);

    watcher.send(RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: id })).await;
    let canceled = watcher.next().await;
    assert_eq!((canceled.watch_id, canceled.canceled), (id, true));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_start_is_refused_with_where_to_start() {
    let server = Server::start().await;
    for _ in 0..3 {
        put(&server, "a", 1).await;
    }
    let compact = pb::CompactionRequest { revision: 4, physical: false };
    KvClient::new(server.channel.clone()).compact(compact).await.unwrap();
    let mut watcher = Watcher::open(&server).await;
    let id = watcher.create(pb::WatchCreateRequest { start_revision: 2, ..all() }).await.watch_id;
    let refused = watcher.next().await;
    assert_eq!((refused.watch_id, refused.canceled, refused.compact_revision), (id, true, 4));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_node_ends_streams_with_words() {
    let server = Server::start().await;
    let mut watcher = Watcher::open(&server).await;
    watcher.create(all()).await;
    let Watcher { requests, mut responses } = watcher;
    server.stop().await;
    let mut last = responses.message().await;
    while let Ok(Some(response)) = last {
        assert!(response.canceled, "{response:?}");
        last = responses.message().await;
    }
    let status = last.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "etcdserver: server stopped")
    );
    drop(requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_lives_as_etcds_do() {
    let server = Server::start().await;
    let mut leases = LeaseClient::new(server.channel.clone());
    let grant = pb::LeaseGrantRequest { ttl: 60, id: 7 };
    let granted = leases.lease_grant(grant).await.unwrap().into_inner();
    assert_eq!((granted.id, granted.ttl), (7, 60));
    let again = leases.lease_grant(grant).await.unwrap_err();
    assert_eq!(again.message(), "etcdserver: lease already exists");

    // More than are renewed together, each answered in its turn.
    let asked = (0..600).map(|at| pb::LeaseKeepAliveRequest { id: 7 + at % 2 });
    let renewals = leases.lease_keep_alive(tokio_stream::iter(asked)).await.unwrap();
    let mut renewals = renewals.into_inner();
    for at in 0..600 {
        let renewed = renewals.message().await.unwrap().unwrap();
        let wanted = if at % 2 == 0 { (7, 60) } else { (8, 0) };
        assert_eq!((renewed.id, renewed.ttl), wanted, "answer {at}");
    }
    assert!(renewals.message().await.unwrap().is_none(), "ends when the client has asked all");

    let left = pb::LeaseTimeToLiveRequest { id: 8, keys: false };
    assert_eq!(leases.lease_time_to_live(left).await.unwrap().into_inner().ttl, -1);
    let revoke = pb::LeaseRevokeRequest { id: 8 };
    let status = leases.lease_revoke(revoke).await.unwrap_err();
    assert_eq!(status.message(), "etcdserver: requested lease not found");
    let listed = leases.lease_leases(pb::LeaseLeasesRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.leases, [pb::LeaseStatus { id: 7 }]);
    server.stop().await;
}
