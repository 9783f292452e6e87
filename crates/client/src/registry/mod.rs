//! The registry: instances that are kept alive, and services that are followed.

mod instance;
mod kept;
mod link;
mod pick;
mod queries;
mod service;
mod session;

pub use instance::{Instance, Standing};
pub use kept::KeptInstance;
pub use queries::{Drain, ServiceCount};
pub use service::Service;
pub use session::Registry;
