//! How frames begin (RFC 9113, 4.1).

use bytes::{BufMut, BytesMut};

/// Bytes of a frame's head.
pub(crate) const HEAD_BYTES: usize = 9;

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the payload.
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, d, e, f, g, ..] = *bytes else { return None };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        // The bit before the stream's number is reserved.
        let stream = u32::from_be_bytes([d & 0x7f, e, f, g]);
        Some(Self { length, kind, flags, stream })
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a head; `length` is below 2^24.
pub(crate) fn put_head(out: &mut BytesMut, length: usize, kind: u8, flags: u8, stream: u32) {
    let [.., a, b, c] = (length as u64).to_be_bytes();
    let [d, e, f, g] = stream.to_be_bytes();
    out.put_slice(&[a, b, c, kind, flags, d, e, f, g]);
}

pub(crate) fn put_word(out: &mut BytesMut, kind: u8, stream: u32, word: u32) {
    put_head(out, 4, kind, 0, stream);
    out.put_u32(word);
}

pub(crate) fn put_ping(out: &mut BytesMut, flags: u8, payload: [u8; 8]) {
    put_head(out, payload.len(), kind::PING, flags, 0);
    out.put_slice(&payload);
}

pub(crate) fn put_go_away(out: &mut BytesMut, last: u32, reason: u32, words: &str) {
    put_head(out, 8 + words.len(), kind::GOAWAY, 0, 0);
    out.put_u32(last);
    out.put_u32(reason);
    out.put_slice(words.as_bytes());
}

pub(crate) fn put_settings(out: &mut BytesMut, settings: &[(u16, u32)]) {
    put_head(out, settings.len() * 6, kind::SETTINGS, 0, 0);
    for &(name, value) in settings {
        out.put_u16(name);
        out.put_u32(value);
    }
}

/// What is left of a payload without padding (RFC 9113, 6.1): the range of it, or `None` if there is
/// more padding than payload.
pub(crate) fn unpadded(head: &Head, payload: &[u8]) -> Option<std::ops::Range<usize>> {
    if !head.has(flag::PADDED) {
        return Some(0..payload.len());
    }
    let padding = usize::from(*payload.first()?);
    let end = payload.len().checked_sub(padding)?;
    (end >= 1).then_some(1..end)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{Head, put_head, unpadded};

    proptest! {
        #[test]
        fn a_head_is_read_as_it_was_written(
            length in 0_usize..1 << 24, kind: u8, flags: u8, stream in 0_u32..1 << 31,
        ) {
            let mut out = BytesMut::new();
            put_head(&mut out, length, kind, flags, stream);
            prop_assert_eq!(Head::parse(&out), Some(Head { length, kind, flags, stream }));
            prop_assert_eq!(Head::parse(&out[..8]), None);
        }
    }

    #[test]
    fn padding_must_fit() {
        let head = Head { length: 3, kind: 0, flags: 8, stream: 1 };
        assert_eq!(unpadded(&head, &[2, 0, 0]), Some(1..1));
        assert_eq!(unpadded(&head, &[3, 0, 0]), None);
        assert_eq!(unpadded(&head, &[]), None);
    }
}
