//! Lets in clients whose `:authority` is a URL.
//!
//! etcd's Go client before 3.5 dials a member by the URL it was told (`Maintenance.Status`, so
//! `etcdctl endpoint status --cluster`), and sends `:authority: http://127.0.0.1:2379`. Servers in
//! Go take that; `h2` ends the stream with `PROTOCOL_ERROR`, before anything of ours sees the request.
//!
//! So the bytes are changed before `h2` reads them: `http://` becomes `httpx--`, `https://` becomes
//! `httpsx--`. Nothing here reads the authority, it only has to be one. These letters are as long as
//! those they replace, as plain text and in HPACK's Huffman code. So no length on the wire changes,
//! and the entry in our dynamic table (RFC 7541, 4.1) is exactly as large as the peer believes:
//! both evict the same entries, and every later index means the same header to both.
//!
//! Only the first request of a connection is looked at. If its authority is in order, as it almost
//! always is, the rest passes with one comparison for each read. If it was changed, every later request is
//! looked at too, since the peer sends the header again once its table has lost it.

mod hpack;
mod inspection;
mod stream;

#[cfg(test)]
mod tests;

pub(crate) use stream::Inspected;
