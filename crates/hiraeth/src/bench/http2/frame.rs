//! RFC 9113: frames and what is in their heads.

/// Bytes of a frame's head.
pub(super) const HEAD: usize = 9;
/// The longest payload either side sends unless told otherwise; nobody is told otherwise.
pub(super) const PAYLOAD: usize = 16_384;
/// What a client says first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 0x1;
/// Of SETTINGS and PING.
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

pub(super) const SETTING_TABLE_SIZE: u16 = 1;
pub(super) const SETTING_PUSH: u16 = 2;
pub(super) const SETTING_STREAMS: u16 = 3;
pub(super) const SETTING_WINDOW: u16 = 4;

/// A frame's head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    /// The head at the start of `bytes`, if it is all there.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = bytes.first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
        Some(Self { length, kind, flags, stream })
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        // Payloads are at most 16 KiB.
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        out.extend_from_slice(&[a, b, c, self.kind, self.flags, s0, s1, s2, s3]);
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A frame of `kind` as a whole.
pub(super) fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    Head { length: payload.len(), kind, flags, stream }.write(out);
    out.extend_from_slice(payload);
}

/// The payload without what PADDED and PRIORITY put around it; `None` if they do not fit.
pub(super) fn inner(head: Head, mut payload: &[u8]) -> Option<&[u8]> {
    if head.has(PADDED) {
        let (padding, rest) = payload.split_first()?;
        payload = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    }
    if head.kind == HEADERS && head.has(PRIORITY) {
        payload = payload.get(5..)?;
    }
    Some(payload)
}

#[cfg(test)]
mod tests {
    use super::{DATA, HEAD, HEADERS, Head, PADDED, PRIORITY, inner, write};

    #[test]
    fn heads_are_read_as_they_are_written_and_padding_must_fit() {
        let mut out = Vec::new();
        write(&mut out, DATA, PADDED, 7, &[2, b'a', 0, 0]);
        let head = Head::read(&out).unwrap();
        assert_eq!(head, Head { length: 4, kind: DATA, flags: PADDED, stream: 7 });
        assert_eq!(inner(head, &out[HEAD..]), Some(&b"a"[..]));
        assert_eq!(inner(head, &[4, b'a', 0, 0]), None);
        assert_eq!(Head::read(&out[..8]), None);
        let head = Head { kind: HEADERS, flags: PRIORITY, ..head };
        assert_eq!(inner(head, &[0, 0, 0, 0, 1, 0x88]), Some(&[0x88][..]));
        assert_eq!(inner(head, &[0, 0]), None);
    }
}
