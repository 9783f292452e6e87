//! The way to a collector, by OTLP over gRPC.

mod encode;
mod endpoint;
mod run;

pub use endpoint::{Endpoint, WrongEndpoint};
pub use run::Exporter;
