//! Traces of OpenTelemetry: what a request that is traced did, when, and on which node.
//!
//! A [`Tracer`] decides which requests are traced, an [`Active`] span is one thing that takes time, a
//! [`Trace`] is where more of them begin, on this node or, by its [`Context`], on another. What is done
//! waits in a queue with a bound until an [`Exporter`] has brought it to a collector. Who is not traced has
//! nothing of all this, and pays one look at an `Option`.

mod context;
mod current;
mod export;
mod sample;
mod sink;
mod span;
mod tracer;

#[cfg(test)]
mod tests;

pub use context::{CONTEXT_BYTES, Context, TRACEPARENT};
pub use current::{current, within};
pub use export::{Endpoint, Exporter, WrongEndpoint};
pub use sink::Counts;
pub use span::{Active, Kind, Text, Trace};
pub use tracer::{Settings, Tracer};
