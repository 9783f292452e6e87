//! What became of traces, where there are any.

use node::Handle;

use super::text::{Kind::Counter, Text};

pub(super) fn write(text: &mut Text, handle: &Handle) {
    let counts = handle.tracer().counts().unwrap_or_default();
    for (name, help, count) in [
        ("hiraeth_traces_total", "Requests that were traced.", counts.traces),
        (
            "hiraeth_traces_limited_total",
            "Requests that were to be traced and were not: too many in one second.",
            counts.limited,
        ),
        ("hiraeth_trace_spans_exported_total", "Spans that a collector took.", counts.exported),
        (
            "hiraeth_trace_spans_dropped_total",
            "Spans that were dropped: the collector is away, slow, or did not take them.",
            counts.dropped,
        ),
    ] {
        text.one(name, Counter, help, count);
    }
}
