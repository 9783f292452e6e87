use bytes::{Buf, BytesMut};

use super::{Connection, Event, Leaving, Stage};
use crate::error::{ConnectionError, Reason};
use crate::frame::{HEAD_BYTES, Head, flag, kind, unpadded};
use crate::limits::FRAME_BYTES;
use crate::stream::Waits;

/// What an HTTP/2 client says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Connection {
    /// Takes from `input` until there is an event; none if `input` has no more whole frame.
    ///
    /// # Errors
    /// When the client broke the rules so that the connection cannot go on. It was told why: what is
    /// in [`Self::output`] is to be written, and the connection closed.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ConnectionError> {
        self.step(input).inspect_err(|error| self.fail(*error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ConnectionError> {
        loop {
            if let Some(event) = self.capacity() {
                return Ok(Some(event));
            }
            if self.stage == Stage::Preface {
                let known = input.len().min(PREFACE.len());
                if input[..known] != PREFACE[..known] {
                    return Err(ConnectionError::protocol("not the preface of HTTP/2"));
                }
                if known < PREFACE.len() {
                    return Ok(None);
                }
                input.advance(known);
                self.stage = Stage::Settings;
            }
            let Some(head) = Head::parse(input) else { return Ok(None) };
            if head.length > FRAME_BYTES {
                return Err(ConnectionError::size("a frame longer than 16,384 bytes"));
            }
            let whole = HEAD_BYTES + head.length;
            self.check_order(&head)?;
            if input.len() < whole {
                return Ok(None);
            }
            let event = if head.kind == kind::DATA {
                self.data_frame(&head, input)?
            } else {
                let event = self.frame(&head, &input[HEAD_BYTES..whole]);
                input.advance(whole);
                event?
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn check_order(&mut self, head: &Head) -> Result<(), ConnectionError> {
        if self.stage == Stage::Settings {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(ConnectionError::protocol("the first frame is not SETTINGS"));
            }
            self.stage = Stage::Open;
        }
        match &self.gathered {
            Some(block) if head.kind != kind::CONTINUATION || head.stream != block.stream => {
                Err(ConnectionError::protocol("a header block is not continued"))
            }
            None if head.kind == kind::CONTINUATION => {
                Err(ConnectionError::protocol("a continuation of no header block"))
            }
            _ => Ok(()),
        }
    }

    fn frame(&mut self, head: &Head, payload: &[u8]) -> Result<Option<Event>, ConnectionError> {
        match head.kind {
            kind::HEADERS => self.headers_frame(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::PRIORITY => self.priority(head, payload).map(|()| None),
            kind::RST_STREAM => self.reset_frame(head, payload),
            kind::SETTINGS => self.settings(head, payload).map(|()| None),
            kind::PUSH_PROMISE => Err(ConnectionError::protocol("a client cannot push")),
            kind::PING => self.ping_frame(head, payload),
            // A client that leaves ends its streams and closes; until then nothing changes.
            kind::GOAWAY => self.budget.control(1).map(|()| None),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            // Others are ignored (RFC 9113, 5.5).
            _ => self.budget.control(1).map(|()| None),
        }
    }

    fn data_frame(
        &mut self,
        head: &Head,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, ConnectionError> {
        let payload = &input[HEAD_BYTES..HEAD_BYTES + head.length];
        let range = unpadded(head, payload)
            .ok_or(ConnectionError::protocol("more padding than payload"))?;
        if head.stream == 0 || self.is_idle(head.stream) {
            return Err(ConnectionError::protocol("data on a stream that was not opened"));
        }
        // Padding counts (RFC 9113, 6.1), and so does what comes on a stream that is gone.
        if !self.inflow.take(head.length) {
            let words = "more data than the connection's window";
            return Err(ConnectionError::new(Reason::FLOW_CONTROL_ERROR, words));
        }
        let ends = head.has(flag::END_STREAM);
        input.advance(HEAD_BYTES + range.start);
        let data = input.split_to(range.len());
        input.advance(head.length - range.end);
        if data.is_empty() && !ends {
            self.budget.control(1)?;
        } else {
            self.budget.useful();
        }
        let Some(key) = self.streams.find(head.stream) else {
            self.budget.control(1)?;
            self.used_of_connection(head.length);
            return Ok(None);
        };
        let Some(stream) = self.streams.get(key) else { return Ok(None) };
        let fault = if !stream.receives {
            Some(Reason::STREAM_CLOSED)
        } else if !stream.inflow.take(head.length) {
            Some(Reason::FLOW_CONTROL_ERROR)
        } else {
            None
        };
        stream.unused += head.length;
        if let Some(reason) = fault {
            return self.fault(key, reason).map(Some);
        }
        stream.receives = !ends;
        self.used(key, head.length - data.len());
        Ok(Some(Event::Data { stream: key, bytes: data.freeze(), ends }))
    }

    /// So much of a stream's data was used, and may be followed by more.
    pub fn used(&mut self, key: crate::StreamKey, bytes: usize) {
        let Some(stream) = self.streams.get(key) else { return };
        let bytes = bytes.min(stream.unused);
        stream.unused -= bytes;
        // Nothing more comes after the end.
        let wider = if stream.receives { stream.inflow.used(bytes) } else { None };
        if let Some(wider) = wider {
            crate::frame::put_word(&mut self.output, kind::WINDOW_UPDATE, key.id(), wider);
        }
        self.used_of_connection(bytes);
    }

    pub(super) fn used_of_connection(&mut self, bytes: usize) {
        if let Some(wider) = self.inflow.used(bytes) {
            crate::frame::put_word(&mut self.output, kind::WINDOW_UPDATE, 0, wider);
        }
    }

    /// Whether a stream's number was not used yet, or cannot be. Once we have left, requests that
    /// were on the way are not looked at, nor is what belongs to them.
    pub(super) fn is_idle(&self, stream: u32) -> bool {
        stream.is_multiple_of(2) || stream > self.last && self.leaving != Leaving::Now
    }

    /// The next stream that may send of those that wait for the connection's window.
    fn capacity(&mut self) -> Option<Event> {
        while self.outflow.room() > 0 {
            let key = self.turns.pop_front()?;
            let Some(stream) = self.streams.get(key) else { continue };
            if stream.outflow.room() > 0 {
                stream.waits = Waits::No;
                return Some(Event::Capacity { stream: key });
            }
            stream.waits = Waits::Window;
        }
        None
    }
}
