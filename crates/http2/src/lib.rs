//! The server's side of HTTP/2 (RFC 9113, RFC 7541) for one connection, without I/O: bytes of the
//! client in, events out; answers in, bytes for the client out.
//!
//! It exists because gRPC's small calls need little of what a general library does for each of them:
//! no object per stream beyond one slot, no map of headers, no queue of frames. Answers are encoded
//! straight into the one buffer that is written next.
//!
//! Memory is bounded by [`Limits`], whatever the client does: what a window does not take stays with
//! the caller, and control frames without use are counted and end the connection.

mod budget;
mod connection;
mod error;
mod flow;
mod frame;
mod head;
mod hpack;
mod limits;
mod recent;
mod stream;

pub use connection::{Connection, Event, Sent};
pub use error::{ConnectionError, Reason};
pub use head::{Fields, RequestHead};
pub use limits::Limits;
pub use stream::StreamKey;
