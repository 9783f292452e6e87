//! What a node has of tracing: nothing, or a sampler and a queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::context::Context;
use crate::export::{Endpoint, Exporter};
use crate::sample::Sampler;
use crate::sink::{Counts, Sink};
use crate::span::{Active, Kind, Text, Trace};

/// How a node traces.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its spans go.
    pub endpoint: Endpoint,
    /// The node's name, as collectors are told it.
    pub node: String,
    /// Of the requests that bring no context, so many are traced: 0 for none, 1 for all.
    pub ratio: f64,
    /// Requests traced in one second at most, whoever wants them.
    pub per_second: u32,
}

/// Begins traces, or does not. Cheap to clone; the default traces nothing.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Inner>>);

struct Inner {
    sampler: Sampler,
    sink: Arc<Sink>,
}

impl Tracer {
    /// One that traces, and what brings its spans away: to be run.
    #[must_use]
    pub fn new(settings: Settings) -> (Self, Exporter) {
        let sink = Arc::new(Sink::new());
        let sampler = Sampler::new(settings.ratio, settings.per_second);
        let exporter = Exporter::new(Arc::clone(&sink), settings.endpoint, settings.node);
        (Self(Some(Arc::new(Inner { sampler, sink }))), exporter)
    }

    /// Whether anything is ever traced.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A request came with this `traceparent`, if any: its span, if it is traced. `name` is asked for then
    /// only.
    #[must_use]
    pub fn request<N: Into<Text>>(
        &self,
        traceparent: Option<&[u8]>,
        name: impl FnOnce() -> N,
    ) -> Option<Box<Active>> {
        let Inner { sampler, sink } = self.0.as_deref()?;
        let above = traceparent.and_then(Context::parse);
        let wanted = match above {
            Some(context) => context.is_sampled(),
            None => sampler.draws(|| sink.number()),
        };
        if !wanted {
            return None;
        }
        if !sampler.has_room() {
            sink.limited.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        sink.traces.fetch_add(1, Ordering::Relaxed);
        let (above, parent) = match above {
            Some(context) => (context, Some(context.span)),
            None => {
                let mut trace = [0; 16];
                trace[..8].copy_from_slice(&sink.number().to_be_bytes());
                trace[8..].copy_from_slice(&sink.number().to_be_bytes());
                (Context { trace, span: [0; 8], sampled: true }, None)
            }
        };
        Some(Active::begin(sink, above, parent, name().into(), Kind::Server))
    }

    /// Another node works on a request that is traced there. Its own bounds hold for it.
    #[must_use]
    pub fn join(&self, context: Context) -> Option<Trace> {
        let inner = self.0.as_deref().filter(|_| context.is_sampled())?;
        Some(Trace { sink: Arc::clone(&inner.sink), context })
    }

    /// What became of spans so far; `None` where nothing is traced.
    #[must_use]
    pub fn counts(&self) -> Option<Counts> {
        self.0.as_deref().map(|inner| inner.sink.counts())
    }
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.is_on() { "on" } else { "off" })
    }
}
