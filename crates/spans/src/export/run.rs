//! What brings spans to a collector, for as long as the process is there.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proto::otlp::traces::Resource;
use proto::otlp::traces::trace_service_client::TraceServiceClient;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::encode;
use super::endpoint::Endpoint;
use crate::sink::Sink;
use crate::span::Span;

/// Spans in one message.
const TOGETHER: usize = 512;
/// How long a collector may take over it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pauses after it failed, doubled up to the second of these: what waits meanwhile is bounded by its queue.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a process that ends tries to get rid of what is left.
const FAREWELL: Duration = Duration::from_secs(2);

/// Brings spans to a collector.
pub struct Exporter {
    sink: Arc<Sink>,
    endpoint: Endpoint,
    resource: Resource,
}

impl Exporter {
    pub(crate) fn new(sink: Arc<Sink>, endpoint: Endpoint, node: String) -> Self {
        Self { sink, endpoint, resource: encode::resource(&node) }
    }

    /// Until `stopping` ends, and a moment longer for what is left.
    pub async fn run(self, stopping: impl Future<Output = ()>) {
        let mut client = TraceServiceClient::new(self.endpoint.connect());
        let mut last = Vec::new();
        tokio::select! {
            () = self.export(&mut client, &mut last) => {}
            () = pin!(stopping) => {}
        }
        let rest = async {
            while !self.fill(&mut last).is_empty() {
                if self.send(&mut client, &last).await.is_err() {
                    return;
                }
                last.clear();
            }
        };
        let _ = timeout(FAREWELL, rest).await;
        self.sink.drop_spans(last.len());
    }

    /// What was not brought away yet stays in `batch`. While one message is on its way the next gathers, so
    /// batches grow with what there is.
    async fn export(&self, client: &mut TraceServiceClient<Channel>, batch: &mut Vec<Span>) {
        let mut pause = None;
        loop {
            if self.fill(batch).is_empty() {
                self.sink.news.notified().await;
                continue;
            }
            match self.send(client, batch).await {
                Ok(()) => {
                    if pause.take().is_some() {
                        tracing::info!(endpoint = %self.endpoint, "the collector of traces is back");
                    }
                    batch.clear();
                }
                Err(status) => {
                    let before = pause.map_or(FIRST_PAUSE, |pause: Duration| pause * 2);
                    let next = before.min(LONGEST_PAUSE);
                    if pause.replace(next).is_none() {
                        // Once, until it is back: how many were lost is counted.
                        let why = status.message();
                        tracing::warn!(
                            endpoint = %self.endpoint,
                            code = ?status.code(),
                            why,
                            "the collector takes no traces; it is asked by OTLP over gRPC, which is mostly \
                             port 4317"
                        );
                    }
                    if !may_pass(status.code()) {
                        self.sink.drop_spans(batch.len());
                        batch.clear();
                    }
                    sleep(next).await;
                }
            }
        }
    }

    fn fill<'a>(&self, batch: &'a mut Vec<Span>) -> &'a [Span] {
        if batch.is_empty() {
            *batch = self.sink.take(TOGETHER);
        }
        batch
    }

    async fn send(
        &self,
        client: &mut TraceServiceClient<Channel>,
        batch: &[Span],
    ) -> Result<(), Status> {
        let request = encode::request(&self.resource, batch);
        let answer = timeout(PATIENCE, client.export(request)).await;
        let late = |_| Status::deadline_exceeded("it did not answer in time");
        let answer = answer.map_err(late)??.into_inner();
        let refused = answer.partial_success.map_or(0, |told| told.rejected_spans);
        let refused = usize::try_from(refused).unwrap_or(0).min(batch.len());
        self.sink.drop_spans(refused);
        self.sink.exported.fetch_add((batch.len() - refused) as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether the same may be taken later (OTLP 1.7, "Failures").
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted
    )
}
