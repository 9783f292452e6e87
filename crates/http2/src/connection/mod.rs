//! One connection: what came is taken apart in `receive`, `control` and `request`, what goes is put
//! together in `send`.

mod control;
mod receive;
mod request;
mod send;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use self::send::Sent;
use crate::budget::Budget;
use crate::error::{ConnectionError, Reason};
use crate::flow::{INITIAL, Inflow, Outflow};
use crate::frame::{self, kind, setting};
use crate::head::{Fields, RequestHead};
use crate::hpack::Decoder;
use crate::limits::{FRAME_BYTES, Limits, TABLE_BYTES};
use crate::recent::Recent;
use crate::stream::{StreamKey, Streams};

/// What a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A request began. If it `ends`, that was all of it.
    Request {
        /// Its stream.
        stream: StreamKey,
        /// How it began.
        head: Arc<RequestHead>,
        /// Whether nothing follows.
        ends: bool,
    },
    /// Data of a request. Once it was used, [`Connection::used`] is to be told.
    Data {
        /// Its stream.
        stream: StreamKey,
        /// A part of what was received, not copied.
        bytes: Bytes,
        /// Whether nothing follows.
        ends: bool,
    },
    /// What followed the data, and with that the end of a request.
    Trailers {
        /// Its stream.
        stream: StreamKey,
        /// The fields.
        fields: Fields,
    },
    /// The stream is over before its end: the client gave it up, or broke the rules on it.
    Reset {
        /// The stream, which is no more.
        stream: StreamKey,
        /// Why.
        reason: Reason,
    },
    /// There is room for data that [`Connection::data`] did not take whole.
    Capacity {
        /// Its stream.
        stream: StreamKey,
    },
    /// The answer to [`Connection::ping`].
    Pong,
}

/// The server's side of one connection.
///
/// The caller reads into a buffer and calls [`Self::next`] until there is no event, then writes what
/// is in [`Self::output`]. It stops reading while much of that is not written: each byte read makes a
/// bounded number of bytes to be written, so memory is bounded by that.
pub struct Connection {
    limits: Limits,
    budget: Budget,
    decoder: Decoder,
    recent: Recent,
    streams: Streams,
    output: BytesMut,
    stage: Stage,
    /// A header block that did not come in one frame.
    gathered: Option<Gathered>,
    /// The highest number of a request's stream.
    last: u32,
    inflow: Inflow,
    outflow: Outflow,
    /// Streams that wait for the connection's window.
    turns: VecDeque<StreamKey>,
    peer: Peer,
    leaving: Leaving,
    refuses: bool,
}

/// What a client must say first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Preface,
    Settings,
    Open,
}

struct Gathered {
    stream: u32,
    ends: bool,
    block: BytesMut,
    frames: u32,
}

/// What the client asked for by SETTINGS.
struct Peer {
    window: u32,
    frame_bytes: usize,
    /// The client made its header table smaller and has to be told that we noticed.
    table_shrunk: bool,
}

/// How far the end of the connection has come (RFC 9113, 6.8).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// Requests may be on the way that the client sent before it knew.
    Announced,
    Now,
}

impl Connection {
    /// A connection that has received nothing, and has its settings to write.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let mut output = BytesMut::new();
        let settings = [
            (setting::MAX_CONCURRENT_STREAMS, limits.streams),
            (setting::INITIAL_WINDOW_SIZE, limits.stream_window),
            (setting::MAX_HEADER_LIST_SIZE, limits.header_bytes),
        ];
        frame::put_settings(&mut output, &settings);
        let wider = limits.connection_window.saturating_sub(INITIAL);
        if wider > 0 {
            frame::put_word(&mut output, kind::WINDOW_UPDATE, 0, wider);
        }
        Self {
            budget: Budget::new(&limits),
            decoder: Decoder::new(TABLE_BYTES),
            recent: Recent::default(),
            streams: Streams::default(),
            output,
            stage: Stage::Preface,
            gathered: None,
            last: 0,
            inflow: Inflow::new(limits.connection_window),
            outflow: Outflow::new(INITIAL),
            turns: VecDeque::new(),
            peer: Peer { window: INITIAL, frame_bytes: FRAME_BYTES, table_shrunk: false },
            leaving: Leaving::No,
            refuses: false,
            limits,
        }
    }

    /// What is to be written. The caller takes away what it wrote.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Streams that are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Whether everything was said and answered after [`Self::leave`].
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.leaving == Leaving::Now && self.streams.len() == 0
    }

    /// Whether the client ever sent a request.
    #[must_use]
    pub fn has_had_requests(&self) -> bool {
        self.last > 0
    }

    /// Seconds went by. What a client may do without use is counted by the second.
    pub fn seconds_passed(&mut self, seconds: u32) {
        self.budget.seconds_passed(seconds);
    }

    /// From now on, or no longer, requests are refused unseen.
    pub fn refuse_requests(&mut self, refuses: bool) {
        self.refuses = refuses;
    }

    /// Tells the client why the connection ends. Nothing may be received after that.
    pub fn fail(&mut self, error: ConnectionError) {
        self.leaving = Leaving::Now;
        frame::put_go_away(&mut self.output, self.last, error.reason.0, error.words);
    }
}
