//! `grpc.health.v1`: a service serves while a linearizable read works, not just while the process is up.

mod service;
mod watched;

pub(crate) use service::HealthService;
