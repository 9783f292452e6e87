//! Finding the header blocks among the frames a client sends (RFC 9113, 4.1).

use tokio::io::ReadBuf;

use super::hpack;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
const HEAD: usize = 9;
/// Bytes of the longest frame `h2` takes unless told otherwise; a longer one is its to refuse.
const FRAME_BYTES: usize = 16_384;
const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

enum Next {
    Preface,
    Frame,
    /// Bytes of a frame that is of no interest.
    Skip(usize),
    Nothing,
}

/// What a client sent, as far as it is not handed on. Holds back one frame of headers at most.
pub(super) struct Inspection {
    held: Vec<u8>,
    /// Bytes of `held` that may be handed on.
    checked: usize,
    next: Next,
}

impl Inspection {
    pub(super) fn new() -> Self {
        Self { held: Vec::new(), checked: 0, next: Next::Preface }
    }

    /// Whether there is something to hand on.
    pub(super) fn ready(&self) -> bool {
        self.checked > 0
    }

    /// Whether nothing is held, nor will be.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.next, Next::Nothing) && self.held.is_empty()
    }

    pub(super) fn hand_on(&mut self, to: &mut ReadBuf<'_>) {
        let bytes = self.checked.min(to.remaining());
        to.put_slice(&self.held[..bytes]);
        self.held.drain(..bytes);
        self.checked -= bytes;
    }

    /// Takes what the client sent next; nothing if it sends no more.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        if bytes.is_empty() {
            self.next = Next::Nothing;
        }
        while let Some(bytes) = self.step() {
            self.checked += bytes;
        }
    }

    /// Bytes more that may be handed on; `None` if that cannot be said before more is there.
    fn step(&mut self) -> Option<usize> {
        let rest = &mut self.held[self.checked..];
        let known = rest.len();
        match self.next {
            Next::Preface if !rest.starts_with(PREFACE) && !PREFACE.starts_with(rest) => {
                self.next = Next::Nothing;
                Some(0)
            }
            Next::Preface => {
                (known >= PREFACE.len()).then(|| self.next = Next::Frame)?;
                Some(PREFACE.len())
            }
            Next::Frame => {
                let [a, b, c, kind, flags, ..] = *rest.get(..HEAD)? else { return None };
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                if kind != HEADERS {
                    self.next = Next::Skip(HEAD + length);
                } else if length > FRAME_BYTES {
                    self.next = Next::Nothing;
                } else {
                    let payload = rest.get_mut(HEAD..HEAD + length)?;
                    let changed = block(payload, flags).is_some_and(hpack::change_authority);
                    self.next = if changed { Next::Skip(HEAD + length) } else { Next::Nothing };
                }
                Some(0)
            }
            Next::Skip(left) => {
                let bytes = left.min(known);
                self.next = if bytes < left { Next::Skip(left - bytes) } else { Next::Frame };
                (bytes > 0).then_some(bytes)
            }
            Next::Nothing => (known > 0).then_some(known),
        }
    }
}

/// The header block in a frame of headers, or its first part (RFC 9113, 6.2).
fn block(payload: &mut [u8], flags: u8) -> Option<&mut [u8]> {
    let (mut start, mut end) = (0, payload.len());
    if flags & PADDED != 0 {
        end = end.checked_sub(usize::from(*payload.first()?))?;
        start += 1;
    }
    if flags & PRIORITY != 0 {
        start += 5;
    }
    payload.get_mut(start..end)
}
