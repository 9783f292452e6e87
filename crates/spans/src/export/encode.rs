//! Spans as OTLP has them.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use proto::otlp::traces::span::Kind as SpanKind;
use proto::otlp::traces::status::Code;
use proto::otlp::traces::value::Of;
use proto::otlp::traces::{
    self as pb, ExportTraceServiceRequest, KeyValue, Resource, ResourceSpans, Scope, ScopeSpans,
    Status,
};

use crate::span::{Kind, Span, Value};

/// The flags of a span whose parent may be elsewhere: sampled, as all are that come here.
const SAMPLED: u32 = 1;

/// Who says it.
pub(super) fn resource(node: &str) -> Resource {
    let text = |name: &str, text: &str| attribute(name, Of::Text(text.to_owned()));
    Resource {
        attributes: vec![
            text("service.name", "hiraeth"),
            text("service.instance.id", node),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ],
    }
}

pub(super) fn request(resource: &Resource, spans: &[Span]) -> ExportTraceServiceRequest {
    let scope = Scope { name: "hiraeth".to_owned() };
    let spans = ScopeSpans { scope: Some(scope), spans: spans.iter().map(encode).collect() };
    let of_node = ResourceSpans { resource: Some(resource.clone()), scope_spans: vec![spans] };
    ExportTraceServiceRequest { resource_spans: vec![of_node] }
}

fn encode(span: &Span) -> pb::Span {
    let kind = match span.kind {
        Kind::Internal => SpanKind::Internal,
        Kind::Server => SpanKind::Server,
        Kind::Client => SpanKind::Client,
    };
    let status = span
        .error
        .as_ref()
        .map(|why| Status { message: why.to_string(), code: Code::Error.into() });
    let bytes = Bytes::copy_from_slice;
    pb::Span {
        trace_id: bytes(&span.context.trace),
        span_id: bytes(&span.context.span),
        parent_span_id: span.parent.map_or_else(Bytes::new, |parent| bytes(&parent)),
        flags: SAMPLED,
        name: span.name.to_string(),
        kind: kind.into(),
        start_time_unix_nano: nanos(span.start),
        end_time_unix_nano: nanos(span.end),
        attributes: span.attributes.iter().map(|(name, value)| encode_value(name, value)).collect(),
        status,
    }
}

fn encode_value(name: &str, value: &Value) -> KeyValue {
    attribute(
        name,
        match value {
            Value::Text(text) => Of::Text(text.to_string()),
            Value::Number(number) => Of::Number(*number),
        },
    )
}

fn attribute(name: &str, value: Of) -> KeyValue {
    let value = Some(pb::Value { of: Some(value) });
    KeyValue { key: name.to_owned(), value }
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
