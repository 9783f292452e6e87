//! Traces of requests, as a collector gets them from three nodes.

use std::sync::Arc;
use std::time::Duration;

use node::types::KeyspaceId;
use parking_lot::Mutex;
use proto::etcdserverpb::PutRequest;
use proto::etcdserverpb::kv_client::KvClient;
use proto::otlp::traces::span::Kind;
use proto::otlp::traces::trace_service_server::{TraceService, TraceServiceServer};
use proto::otlp::traces::value::Of;
use proto::otlp::traces::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use proto::otlp::traces::{KeyValue, Span};
use spans::{Endpoint, Settings, Tracer};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::server::Server;
use crate::web::ask;

/// What a client says of the span that it asks in.
const CLIENT: [u8; 8] = *b"\0client!";

fn traceparent(trace: u8, flags: u8) -> String {
    format!("00-{trace:032x}-{:016x}-{flags:02x}", u64::from_be_bytes(CLIENT))
}

/// A span, and the node that it is from.
#[derive(Clone)]
struct Told {
    node: String,
    span: Span,
}

impl Told {
    fn attribute(&self, name: &str) -> Option<String> {
        attribute(&self.span.attributes, name)
    }

    fn is(&self, kind: Kind, attributes: &[(&str, &str)]) -> bool {
        let has = |(name, value): &(&str, &str)| self.attribute(name).as_deref() == Some(value);
        self.span.kind() == kind && attributes.iter().all(has)
    }
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == name)?.value.clone()?.of?;
    Some(match found {
        Of::Text(text) => text,
        Of::Number(number) => number.to_string(),
    })
}

#[derive(Clone, Default)]
struct Collector {
    told: Arc<Mutex<Vec<Told>>>,
    news: Arc<Notify>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_node in request.into_inner().resource_spans {
            let resource = of_node.resource.unwrap().attributes;
            assert_eq!(attribute(&resource, "service.name").as_deref(), Some("hiraeth"));
            let node = attribute(&resource, "service.instance.id").unwrap();
            let spans = of_node.scope_spans.into_iter().flat_map(|it| it.spans);
            self.told.lock().extend(spans.map(|span| Told { node: node.clone(), span }));
        }
        self.news.notify_one();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// One that listens, and its address.
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, address)
    }

    fn of(&self, trace: u8) -> Vec<Told> {
        let told = self.told.lock();
        told.iter().filter(|it| it.span.trace_id.last() == Some(&trace)).cloned().collect()
    }

    /// The spans of a trace, once it is whole: what was asked, and the leader's work in three steps.
    async fn whole(&self, trace: u8) -> Vec<Told> {
        let whole = async {
            loop {
                let spans = self.of(trace);
                let has = |name| spans.iter().any(|it| it.span.name == name);
                let asked = spans.iter().any(|it| it.span.parent_span_id[..] == CLIENT);
                if asked && has("propose") && has("propose.apply") {
                    return spans;
                }
                self.news.notified().await;
            }
        };
        let late = |_| {
            let spans: Vec<_> = self.of(trace).into_iter().map(|it| it.span.name).collect();
            panic!("trace {trace} does not become whole: {spans:?}")
        };
        timeout(Duration::from_secs(20), whole).await.unwrap_or_else(late)
    }
}

fn tracer(collector: &str, node: &str, per_second: u32) -> Tracer {
    let endpoint = Endpoint::parse(collector).unwrap();
    let settings = Settings { endpoint, node: node.to_owned(), ratio: 0.0, per_second };
    let (tracer, exporter) = Tracer::new(settings);
    tokio::spawn(exporter.run(std::future::pending()));
    tracer
}

fn put(trace: Option<String>) -> Request<PutRequest> {
    let (key, value) = ("secret/key".into(), "secret value".into());
    let mut request = Request::new(PutRequest { key, value, ..PutRequest::default() });
    if let Some(trace) = trace {
        request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    }
    request
}

/// That a trace goes from the client's span to what was done at the leader; answers whether that was another
/// node.
fn chain(spans: &[Told], asked: &[(&str, &str)]) -> bool {
    let under = |parent: &[u8]| -> Vec<&Told> {
        spans.iter().filter(|it| it.span.parent_span_id[..] == *parent).collect()
    };
    let [server] = under(&CLIENT)[..] else { panic!("one span under the client's") };
    assert!(server.is(Kind::Server, asked), "{:?}", server.span);
    let inside = under(&server.span.span_id);
    let forwards: Vec<_> = inside.iter().filter(|it| it.span.name == "forward").collect();
    let (leader, goes_on) = match forwards[..] {
        [] => {
            let propose = inside.iter().find(|it| it.span.name == "propose").unwrap();
            assert!(propose.is(Kind::Internal, &[]) && propose.node == server.node);
            (*propose, false)
        }
        // Leadership may have moved; where it stays, there is one.
        [.., forward] => {
            assert!(forward.is(Kind::Client, &[("rpc.method", "Propose")]));
            assert_eq!(forward.node, server.node);
            let [propose] = under(&forward.span.span_id)[..] else { panic!("one proposal") };
            assert!(propose.is(Kind::Server, &[]) && propose.node != server.node);
            assert_eq!(forward.attribute("hiraeth.node"), Some(propose.node[1..].to_owned()));
            (propose, true)
        }
    };
    for about in ["hiraeth.region", "hiraeth.keyspace", "hiraeth.index"] {
        assert!(leader.attribute(about).is_some_and(|it| it != "0"), "{about}");
    }
    let mut last = leader.span.start_time_unix_nano;
    for name in ["propose.queue", "propose.log", "propose.apply"] {
        let steps = under(&leader.span.span_id);
        let step = &steps.iter().find(|it| it.span.name == name).unwrap().span;
        assert!(step.start_time_unix_nano >= last, "{name} begins after what is before it");
        last = step.start_time_unix_nano;
    }
    for told in spans {
        assert!(!format!("{:?}", told.span).contains("secret"), "{:?}", told.span);
    }
    goes_on
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_client_to_the_leader_whoever_is_asked() {
    let (collector, address) = Collector::start().await;
    let servers = Server::start_traced(3, |node| tracer(&address, node, 1_000)).await;
    for server in &servers {
        // Whoever hears of a node hears with it what that node takes.
        while !server.handle().nodes().iter().all(|node| node.summary.traces) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    for (at, server) in (1..).zip(&servers) {
        let mut kv = KvClient::new(server.channel.clone());
        // Makes the keyspace of Consul's keys, and is not traced: nobody asks for it.
        let made = ask(server, "PUT", "/v1/kv/secret/key", "", b"secret value").await;
        assert_eq!(made.status, 200);
        kv.put(put(None)).await.unwrap();
        kv.put(put(Some(traceparent(at, 1)))).await.unwrap();
        let head = format!("traceparent: {}\r\n", traceparent(10 + at, 1));
        let answer = ask(server, "PUT", "/v1/kv/secret/key", &head, b"secret value").await;
        assert_eq!(answer.body, b"true");
    }
    let etcd = [
        ("rpc.system", "grpc"),
        ("rpc.service", "etcdserverpb.KV"),
        ("rpc.method", "Put"),
        ("rpc.grpc.status_code", "0"),
    ];
    let consul = [
        ("http.request.method", "PUT"),
        ("http.route", "/v1/kv/*"),
        ("http.response.status_code", "200"),
    ];
    let mut forwarded = (0, 0);
    for at in 1..=3 {
        forwarded.0 += u32::from(chain(&collector.whole(at).await, &etcd));
        forwarded.1 += u32::from(chain(&collector.whole(10 + at).await, &consul));
    }
    assert!(forwarded.0 >= 2 && forwarded.1 >= 2, "two of three do not lead: {forwarded:?}");
    let traces: u64 = servers.iter().map(|it| it.handle().tracer().counts().unwrap().traces).sum();
    assert_eq!(traces, 6, "and nobody else was traced");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_traceparent_and_a_collector_that_is_away_cost_no_request() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let server = Server::start_traced(1, |node| tracer(&address, node, u32::MAX)).await.remove(0);
    let counts = || server.handle().tracer().counts().unwrap();
    let mut kv = KvClient::new(server.channel.clone());
    let long = "0".repeat(4_000);
    for wrong in ["", "garbage", "00-0-0-0", &traceparent(0, 1), &traceparent(1, 0), &long] {
        kv.put(put(Some(wrong.to_owned()))).await.unwrap();
        let head = format!("traceparent: {wrong}\r\n");
        assert_eq!(ask(&server, "PUT", "/v1/kv/a", &head, b"a").await.status, 200, "{wrong:?}");
    }
    assert_eq!((counts().traces, counts().dropped), (0, 0));

    // More spans than wait at once.
    for _ in 0..30 {
        let puts = (0..64).map(|_| {
            let mut kv = kv.clone();
            async move { kv.put(put(Some(traceparent(1, 1)))).await }
        });
        for answer in futures::future::join_all(puts).await {
            answer.unwrap();
        }
    }
    assert_eq!(counts().traces, 30 * 64);
    assert!(counts().dropped > 0, "{:?}", counts());
    let metrics = ask(&server, "GET", "/metrics", "", b"").await;
    let text = String::from_utf8(metrics.body).unwrap();
    let line = text.lines().find(|line| line.starts_with("hiraeth_trace_spans_dropped_total"));
    assert!(line.is_some_and(|line| !line.ends_with(" 0")), "{line:?}");
    assert!(server.handle().has_leader(KeyspaceId::DEFAULT));
    server.stop().await;
}
