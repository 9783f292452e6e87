//! Frames that begin and end requests.

use std::sync::Arc;

use bytes::BytesMut;

use super::{Connection, Event, Gathered, Leaving};
use crate::error::{ConnectionError, Reason};
use crate::frame::{self, Head, flag, kind, unpadded};
use crate::head::{self, Block, RequestHead};
use crate::limits::BLOCK_FRAMES;
use crate::stream::StreamKey;

/// Bytes of a stream dependency and its weight, long without a meaning.
const PRIORITY_BYTES: usize = 5;
/// "Request Header Fields Too Large".
const TOO_LARGE: u16 = 431;

impl Connection {
    pub(super) fn headers_frame(
        &mut self,
        head: &Head,
        payload: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        let mut range = unpadded(head, payload)
            .ok_or(ConnectionError::protocol("more padding than payload"))?;
        if head.has(flag::PRIORITY) {
            range.start += PRIORITY_BYTES;
        }
        let block = payload.get(range).ok_or(ConnectionError::size("HEADERS cut short"))?;
        if head.stream.is_multiple_of(2) {
            return Err(ConnectionError::protocol("a client's streams have odd numbers"));
        }
        let ends = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.block(head.stream, ends, block);
        }
        let block = BytesMut::from(block);
        self.gathered = Some(Gathered { stream: head.stream, ends, block, frames: 1 });
        Ok(None)
    }

    pub(super) fn continuation(
        &mut self,
        head: &Head,
        payload: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        let Some(mut gathered) = self.gathered.take() else { return Ok(None) };
        gathered.block.extend_from_slice(payload);
        gathered.frames += 1;
        // One that is too long is read all the same, to be refused by itself: all others would end with it.
        let most = self.limits.header_bytes as usize * 16;
        if gathered.frames > BLOCK_FRAMES || gathered.block.len() > most {
            return Err(ConnectionError::calm("a header block without end"));
        }
        if head.has(flag::END_HEADERS) {
            return self.block(gathered.stream, gathered.ends, &gathered.block);
        }
        self.gathered = Some(gathered);
        Ok(None)
    }

    /// A whole header block.
    fn block(
        &mut self,
        id: u32,
        ends: bool,
        block: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        if id <= self.last {
            return self.trailers_block(id, ends, block);
        }
        self.budget.useful();
        let before = self.decoder.changes();
        let read = match self.recent.get(block, before) {
            Some(head) => Ok(Arc::clone(head)),
            None => match self.read(block, false)? {
                Block::Fields(head) => {
                    let head = Arc::new(head);
                    if self.decoder.changes() == before {
                        self.recent.put(block, before, &head);
                    }
                    Ok(head)
                }
                fault => Err(fault),
            },
        };
        // It said so, and knows which streams are not looked at.
        if self.leaving == Leaving::Now {
            return Ok(None);
        }
        self.last = id;
        let key = self.streams.open(id, self.peer.window, self.limits.stream_window);
        if let Some(stream) = self.streams.get(key) {
            stream.receives = !ends;
        }
        match read {
            _ if self.refuses || self.streams.len() > self.limits.streams as usize => {
                self.budget.reset()?;
                self.reset(key, Reason::REFUSED_STREAM);
            }
            Ok(head) => return Ok(Some(Event::Request { stream: key, head, ends })),
            Err(Block::TooLong) => {
                self.budget.reset()?;
                self.headers::<[u8; 0]>(key, TOO_LARGE, &[], true);
            }
            Err(_) => {
                self.budget.reset()?;
                self.reset(key, Reason::PROTOCOL_ERROR);
            }
        }
        Ok(None)
    }

    fn trailers_block(
        &mut self,
        id: u32,
        ends: bool,
        block: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        let read = self.read(block, true)?;
        let Some(key) = self.streams.find(id) else {
            // Of a stream that we ended, perhaps; the client may not have known.
            self.budget.control(1)?;
            return Ok(None);
        };
        let Some(stream) = self.streams.get(key) else { return Ok(None) };
        if !stream.receives {
            return self.fault(key, Reason::STREAM_CLOSED).map(Some);
        }
        match read {
            Block::Fields(RequestHead { fields, .. }) if ends => {
                stream.receives = false;
                Ok(Some(Event::Trailers { stream: key, fields }))
            }
            _ => self.fault(key, Reason::PROTOCOL_ERROR).map(Some),
        }
    }

    fn read(&mut self, block: &[u8], is_trailers: bool) -> Result<Block, ConnectionError> {
        let most = self.limits.header_bytes as usize;
        head::read(&mut self.decoder, block, most, is_trailers)
    }

    pub(super) fn reset_frame(
        &mut self,
        head: &Head,
        payload: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        let word: [u8; 4] = payload
            .try_into()
            .map_err(|_| ConnectionError::size("a RST_STREAM that is not 4 bytes"))?;
        if self.is_idle(head.stream) {
            return Err(ConnectionError::protocol("a reset of a stream that was not opened"));
        }
        let Some(key) = self.streams.find(head.stream) else {
            return self.budget.control(1).map(|()| None);
        };
        self.budget.reset()?;
        self.close(key);
        Ok(Some(Event::Reset { stream: key, reason: Reason(u32::from_be_bytes(word)) }))
    }

    /// The client broke the rules on one stream.
    pub(super) fn fault(
        &mut self,
        key: StreamKey,
        reason: Reason,
    ) -> Result<Event, ConnectionError> {
        self.budget.reset()?;
        self.reset(key, reason);
        Ok(Event::Reset { stream: key, reason })
    }

    /// Ends a stream at once.
    pub fn reset(&mut self, key: StreamKey, reason: Reason) {
        if self.close(key) {
            frame::put_word(&mut self.output, kind::RST_STREAM, key.id(), reason.0);
        }
    }

    /// Forgets a stream; what it did not use counts as used. Says whether there was one.
    pub(super) fn close(&mut self, key: StreamKey) -> bool {
        let Some(stream) = self.streams.close(key) else { return false };
        self.used_of_connection(stream.unused);
        true
    }
}
