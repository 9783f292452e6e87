//! Frames about the connection and its windows.

use super::{Connection, Event, Leaving};
use crate::error::{ConnectionError, Reason};
use crate::flow::WIDEST;
use crate::frame::{self, Head, flag, kind, setting};
use crate::stream::Waits;

/// What our pings carry: those that ask whether the client is there,
const ASKING: [u8; 8] = *b"hiraeth?";
/// and the one that finds out when it has seen that we leave.
const LEAVING: [u8; 8] = *b"hiraeth!";
/// HEADER_TABLE_SIZE until a client says otherwise.
const INITIAL_TABLE: u32 = 4_096;
/// Streams whose windows are changed for the price of one control frame.
const STREAMS_FOR_ONE: usize = 64;

impl Connection {
    /// Asks the client whether it is there; the answer is [`Event::Pong`].
    pub fn ping(&mut self) {
        frame::put_ping(&mut self.output, 0, ASKING);
    }

    /// Begins to end the connection: the client is told, what it sent before it knew is answered.
    pub fn leave(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Announced;
            let all = u32::MAX >> 1;
            frame::put_go_away(&mut self.output, all, Reason::NO_ERROR.0, "the server stops");
            frame::put_ping(&mut self.output, 0, LEAVING);
        }
    }

    pub(super) fn ping_frame(
        &mut self,
        head: &Head,
        payload: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        let payload: [u8; 8] =
            payload.try_into().map_err(|_| ConnectionError::size("a PING that is not 8 bytes"))?;
        if head.stream != 0 {
            return Err(ConnectionError::protocol("a PING on a stream"));
        }
        self.budget.control(1)?;
        if !head.has(flag::ACK) {
            frame::put_ping(&mut self.output, flag::ACK, payload);
            return Ok(None);
        }
        if payload == LEAVING && self.leaving == Leaving::Announced {
            self.leaving = Leaving::Now;
            let reason = Reason::NO_ERROR.0;
            frame::put_go_away(&mut self.output, self.last, reason, "the server stops");
        }
        Ok((payload == ASKING).then_some(Event::Pong))
    }

    pub(super) fn priority(&mut self, head: &Head, payload: &[u8]) -> Result<(), ConnectionError> {
        if head.stream == 0 {
            return Err(ConnectionError::protocol("a PRIORITY on no stream"));
        }
        if payload.len() != 5 {
            return Err(ConnectionError::size("a PRIORITY that is not 5 bytes"));
        }
        self.budget.control(1)
    }

    pub(super) fn settings(&mut self, head: &Head, payload: &[u8]) -> Result<(), ConnectionError> {
        if head.stream != 0 {
            return Err(ConnectionError::protocol("SETTINGS on a stream"));
        }
        if head.has(flag::ACK) {
            if !payload.is_empty() {
                return Err(ConnectionError::size("acknowledged SETTINGS that are not empty"));
            }
            return self.budget.control(1);
        }
        if !payload.len().is_multiple_of(6) {
            return Err(ConnectionError::size("SETTINGS cut short"));
        }
        let streams = self.streams.len() / STREAMS_FOR_ONE;
        self.budget.control(u32::try_from(streams).unwrap_or(u32::MAX).saturating_add(1))?;
        let mut window = self.peer.window;
        for pair in payload.chunks_exact(6) {
            let [a, b, c, d, e, f] = *pair else { continue };
            let (name, value) = (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
            match name {
                setting::HEADER_TABLE_SIZE => self.peer.table_shrunk |= value < INITIAL_TABLE,
                setting::ENABLE_PUSH if value > 1 => {
                    return Err(ConnectionError::protocol("ENABLE_PUSH is 0 or 1"));
                }
                setting::INITIAL_WINDOW_SIZE if i64::from(value) > WIDEST => {
                    let words = "INITIAL_WINDOW_SIZE is below 2^31";
                    return Err(ConnectionError::new(Reason::FLOW_CONTROL_ERROR, words));
                }
                setting::INITIAL_WINDOW_SIZE => window = value,
                setting::MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return Err(ConnectionError::protocol("MAX_FRAME_SIZE is of 14 to 24 bits"));
                }
                setting::MAX_FRAME_SIZE => self.peer.frame_bytes = value as usize,
                _ => {}
            }
        }
        self.change_windows(window)?;
        frame::put_head(&mut self.output, 0, kind::SETTINGS, flag::ACK, 0);
        Ok(())
    }

    /// What streams may begin with goes for those that began, too (RFC 9113, 6.9.2).
    fn change_windows(&mut self, window: u32) -> Result<(), ConnectionError> {
        let by = i64::from(window) - i64::from(self.peer.window);
        self.peer.window = window;
        if by == 0 {
            return Ok(());
        }
        for (key, stream) in self.streams.each() {
            if !stream.outflow.change(by) {
                return Err(too_wide());
            }
            if stream.waits == Waits::Window && stream.outflow.room() > 0 {
                stream.waits = Waits::Turn;
                self.turns.push_back(key);
            }
        }
        Ok(())
    }

    pub(super) fn window_update(
        &mut self,
        head: &Head,
        payload: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        let word: [u8; 4] = payload
            .try_into()
            .map_err(|_| ConnectionError::size("a WINDOW_UPDATE that is not 4 bytes"))?;
        let by = u32::from_be_bytes(word) & (u32::MAX >> 1);
        self.budget.control(1)?;
        if head.stream == 0 {
            if by == 0 {
                return Err(ConnectionError::protocol("a WINDOW_UPDATE by nothing"));
            }
            if !self.outflow.change(i64::from(by)) {
                return Err(too_wide());
            }
            return Ok(None);
        }
        if self.is_idle(head.stream) {
            return Err(ConnectionError::protocol("a WINDOW_UPDATE of a stream not opened"));
        }
        // One for a stream that is over was on its way when that ended.
        let Some(key) = self.streams.find(head.stream) else { return Ok(None) };
        let Some(stream) = self.streams.get(key) else { return Ok(None) };
        if by == 0 {
            return self.fault(key, Reason::PROTOCOL_ERROR).map(Some);
        }
        if !stream.outflow.change(i64::from(by)) {
            return self.fault(key, Reason::FLOW_CONTROL_ERROR).map(Some);
        }
        if stream.waits == Waits::Window && stream.outflow.room() > 0 {
            stream.waits = Waits::Turn;
            self.turns.push_back(key);
        }
        Ok(None)
    }
}

fn too_wide() -> ConnectionError {
    ConnectionError::new(Reason::FLOW_CONTROL_ERROR, "a window of 2^31 bytes or more")
}
