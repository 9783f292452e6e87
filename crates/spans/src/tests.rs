//! A tracer with a collector, and without one.

use std::sync::Arc;

use parking_lot::Mutex;
use proto::otlp::traces::Span;
use proto::otlp::traces::trace_service_server::{TraceService, TraceServiceServer};
use proto::otlp::traces::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::sink::WAITING;
use crate::{Endpoint, Exporter, Kind, Settings, Tracer};

const PARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    news: Arc<Notify>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let of_nodes = request.into_inner().resource_spans.into_iter();
        let spans = of_nodes.flat_map(|it| it.scope_spans).flat_map(|it| it.spans);
        self.spans.lock().extend(spans);
        self.news.notify_one();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn tracer(endpoint: &str, ratio: f64, per_second: u32) -> (Tracer, Exporter) {
    let endpoint = Endpoint::parse(endpoint).unwrap();
    Tracer::new(Settings { endpoint, node: "n1".to_owned(), ratio, per_second })
}

#[tokio::test]
async fn a_collector_gets_what_ended_also_what_ends_last() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let collector = Collector::default();
    let service = TraceServiceServer::new(collector.clone());
    let server = tonic::transport::Server::builder().add_service(service);
    let serving = tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let (tracer, exporter) = tracer(&at, 0.0, 100);
    let (stop, stopped) = oneshot::channel::<()>();
    let exporting = tokio::spawn(exporter.run(async { drop(stopped.await) }));

    let mut request = tracer.request(Some(PARENT), || "asked").unwrap();
    request.number("n", 7_u64);
    let mut inner = request.trace().begin("inside", Kind::Internal);
    inner.fail("it broke");
    drop((inner, request));
    while collector.spans.lock().len() < 2 {
        collector.news.notified().await;
    }
    drop(tracer.request(Some(PARENT), || "the last").unwrap());
    drop(stop);
    exporting.await.unwrap();
    serving.abort();

    let spans = collector.spans.lock();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (asked, inside) = (named("asked"), named("inside"));
    assert_eq!(asked.trace_id[..4], [0x4b, 0xf9, 0x2f, 0x35]);
    assert_eq!(asked.parent_span_id[..], [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert_eq!((&inside.trace_id, &inside.parent_span_id), (&asked.trace_id, &asked.span_id));
    assert_eq!(inside.status.as_ref().unwrap().message, "it broke");
    assert!(inside.start_time_unix_nano >= asked.start_time_unix_nano);
    assert!(inside.end_time_unix_nano <= asked.end_time_unix_nano);
    assert_eq!(named("the last").trace_id, asked.trace_id);
    let counts = tracer.counts().unwrap();
    assert_eq!((counts.traces, counts.exported, counts.dropped), (2, 3, 0));
}

#[tokio::test]
async fn without_a_collector_spans_are_dropped_and_nobody_waits() {
    // Bound, so that nobody else has it, and never accepted from.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (tracer, exporter) = tracer(&silent.local_addr().unwrap().to_string(), 0.0, u32::MAX);
    let exporting = tokio::spawn(exporter.run(std::future::pending()));
    // One thread, and nothing here gives it up: none of them can have waited for the exporter.
    for _ in 0..20_000 {
        drop(tracer.request(Some(PARENT), || "asked").unwrap());
    }
    let counts = tracer.counts().unwrap();
    assert_eq!((counts.exported, counts.dropped), (0, 20_000 - WAITING as u64));
    exporting.abort();
}

#[test]
fn who_is_traced_is_for_the_client_to_say_and_for_the_limit() {
    let (off, clients_only) = (Tracer::default(), tracer("http://localhost", 0.0, 2).0);
    assert!(!off.is_on() && off.request(Some(PARENT), || "asked").is_none());
    for none in [None, Some(UNSAMPLED), Some(b"garbage".as_slice()), Some(&[0xff; 300])] {
        assert!(clients_only.request(none, || -> String { unreachable!() }).is_none());
    }
    let all = tracer("http://localhost", 1.0, 100).0;
    assert!(all.request(None, || "asked").is_some());
    assert!(all.request(Some(b"garbage"), || "asked").is_some());
    assert!(all.request(Some(UNSAMPLED), || "asked").is_none(), "its client does not want it");
    // However long this takes, ten thousand take fewer seconds than that.
    let taken = (0..10_000).filter(|_| clients_only.request(Some(PARENT), || "asked").is_some());
    let taken = taken.count() as u64;
    let counts = clients_only.counts().unwrap();
    assert!((2..1_000).contains(&taken), "{taken}");
    assert_eq!((counts.traces, counts.limited), (taken, 10_000 - taken));
}
