//! etcd's `Watch`. It is not the generated service: what many clients watch is encoded once
//! ([`frame`]), and the generated one can only send messages it encodes itself.

mod codec;
mod frame;
mod service;
mod stream;
mod translate;

pub use service::WatchService;

#[cfg(test)]
mod tests;
