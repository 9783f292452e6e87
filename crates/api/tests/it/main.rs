//! The front doors of a real node, over a real socket.

mod kv;
mod server;
mod watch;
