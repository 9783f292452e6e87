//! As much of HTTP/2 and gRPC as a client needs that asks much and must cost little: the generator shares
//! its processors with the servers it measures. Nothing here does I/O: bytes go in and out.

mod connection;
mod frame;
mod headers;
mod huffman;
mod stream;

pub(super) use connection::{Connection, Event};
pub(super) use stream::{Status, code_name};
