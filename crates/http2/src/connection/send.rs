//! Answers.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Connection;
use crate::error::Reason;
use crate::frame::{self, HEAD_BYTES, flag, kind};
use crate::hpack;
use crate::stream::{StreamKey, Waits};

/// Compression flag and length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX_BYTES: usize = 5;
/// `:status: 200` and `content-type: application/grpc`, a literal with the name's number.
const GRPC_HEADERS: &[u8] = b"\x88\x0f\x10\x10application/grpc";
/// `grpc-status: 0`.
const GRPC_TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the output.
    Whole,
    /// The windows have no room for it; nothing of it was taken.
    NoRoom,
    /// The stream is over.
    Gone,
}

impl Connection {
    /// Answers a gRPC call with one message and success, if the windows have room for it now.
    /// `fields` are told beside it. `encode` appends exactly `bytes` bytes.
    pub fn respond_unary<T: AsRef<[u8]>>(
        &mut self,
        key: StreamKey,
        fields: &[(T, T)],
        bytes: usize,
        encode: impl FnOnce(&mut BytesMut),
    ) -> Sent {
        let data = PREFIX_BYTES + bytes;
        let Some(stream) = self.streams.get(key) else { return Sent::Gone };
        let room = stream.outflow.room().min(self.outflow.room()).min(self.peer.frame_bytes);
        if data > room || stream.answered || u32::try_from(bytes).is_err() {
            return Sent::NoRoom;
        }
        stream.outflow.take(data);
        self.outflow.take(data);
        let rest = HEAD_BYTES * 3 + GRPC_HEADERS.len() + GRPC_TRAILERS.len();
        self.output.reserve(rest + data);
        self.grpc_headers(key, fields);
        let out = &mut self.output;
        frame::put_head(out, data, kind::DATA, 0, key.id());
        out.put_u8(0);
        out.put_u32(bytes as u32);
        let before = out.len();
        encode(out);
        assert_eq!(out.len() - before, bytes, "a message is as long as it says");
        let flags = flag::END_HEADERS | flag::END_STREAM;
        frame::put_head(out, GRPC_TRAILERS.len(), kind::HEADERS, flags, key.id());
        out.put_slice(GRPC_TRAILERS);
        self.budget.useful();
        self.ended(key);
        Sent::Whole
    }

    fn grpc_headers<T: AsRef<[u8]>>(&mut self, key: StreamKey, fields: &[(T, T)]) {
        if fields.is_empty() && !self.peer.table_shrunk {
            let length = GRPC_HEADERS.len();
            frame::put_head(&mut self.output, length, kind::HEADERS, flag::END_HEADERS, key.id());
            self.output.put_slice(GRPC_HEADERS);
            return;
        }
        self.put_block(key.id(), 0, |out| {
            out.put_slice(GRPC_HEADERS);
            for (name, value) in fields {
                hpack::put_literal(out, name.as_ref(), value.as_ref());
            }
        });
    }

    /// Sends how an answer begins; with `ends`, that is all of it.
    pub fn headers<T: AsRef<[u8]>>(
        &mut self,
        key: StreamKey,
        status: u16,
        fields: &[(T, T)],
        ends: bool,
    ) {
        let Some(stream) = self.streams.get(key) else { return };
        if std::mem::replace(&mut stream.answered, true) {
            return;
        }
        self.put_block(key.id(), if ends { flag::END_STREAM } else { 0 }, |out| {
            hpack::put_status(out, status);
            for (name, value) in fields {
                hpack::put_literal(out, name.as_ref(), value.as_ref());
            }
        });
        if ends {
            self.ended(key);
        }
    }

    /// Sends what follows the data, and with that the end.
    pub fn trailers<T: AsRef<[u8]>>(&mut self, key: StreamKey, fields: &[(T, T)]) {
        if self.streams.get(key).is_none() {
            return;
        }
        self.put_block(key.id(), flag::END_STREAM, |out| {
            for (name, value) in fields {
                hpack::put_literal(out, name.as_ref(), value.as_ref());
            }
        });
        self.ended(key);
    }

    /// Sends as much of `data` as the windows have room for, and takes that away from it; if that was
    /// all and `ends` is said, the stream ends with it. What is left is told of by
    /// [`super::Event::Capacity`] as soon as there is room.
    pub fn data(&mut self, key: StreamKey, data: &mut Bytes, ends: bool) {
        loop {
            let Some(stream) = self.streams.get(key) else { return data.clear() };
            if data.is_empty() && !ends {
                return;
            }
            let own = stream.outflow.room();
            let room = own.min(self.outflow.room());
            if room == 0 && !data.is_empty() {
                // In the queue at once if its own window is open: only the connection's is not.
                if stream.waits == Waits::No {
                    stream.waits = if own == 0 { Waits::Window } else { Waits::Turn };
                    if own > 0 {
                        self.turns.push_back(key);
                    }
                }
                return;
            }
            let bytes = data.len().min(room).min(self.peer.frame_bytes);
            stream.outflow.take(bytes);
            self.outflow.take(bytes);
            let is_last = ends && bytes == data.len();
            let flags = if is_last { flag::END_STREAM } else { 0 };
            self.output.reserve(HEAD_BYTES + bytes);
            frame::put_head(&mut self.output, bytes, kind::DATA, flags, key.id());
            self.output.put_slice(&data[..bytes]);
            data.advance(bytes);
            self.budget.useful();
            if is_last {
                return self.ended(key);
            }
        }
    }

    /// We sent the end of a stream. A client that has not would send for nothing, and is told
    /// (RFC 9113, 8.1).
    fn ended(&mut self, key: StreamKey) {
        self.budget.answered();
        let receives = self.streams.get(key).is_some_and(|stream| stream.receives);
        if receives {
            self.reset(key, Reason::NO_ERROR);
        } else {
            self.close(key);
        }
    }

    /// Writes a header block, in as many frames as it takes.
    fn put_block(&mut self, stream: u32, flags: u8, put: impl FnOnce(&mut BytesMut)) {
        let out = &mut self.output;
        let start = out.len();
        frame::put_head(out, 0, kind::HEADERS, flags | flag::END_HEADERS, stream);
        if std::mem::take(&mut self.peer.table_shrunk) {
            // The table that we do not use has no bytes (RFC 7541, 4.2).
            out.put_u8(0x20);
        }
        put(out);
        let length = out.len() - start - HEAD_BYTES;
        let most = self.peer.frame_bytes;
        if length <= most {
            let [.., a, b, c] = (length as u64).to_be_bytes();
            out[start..start + 3].copy_from_slice(&[a, b, c]);
            return;
        }
        let block = out.split_off(start + HEAD_BYTES);
        out.truncate(start);
        let mut parts = block.chunks(most).peekable();
        let (mut which, mut flags) = (kind::HEADERS, flags);
        while let Some(part) = parts.next() {
            let last = if parts.peek().is_none() { flag::END_HEADERS } else { 0 };
            frame::put_head(out, part.len(), which, flags | last, stream);
            out.put_slice(part);
            (which, flags) = (kind::CONTINUATION, 0);
        }
    }
}
