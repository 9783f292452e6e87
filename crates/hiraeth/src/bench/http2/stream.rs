//! One call of a connection.

use super::frame::PAYLOAD;

/// Bytes of what gRPC puts before each message: whether it is compressed, and its length.
pub(super) const PREFIX: usize = 5;
/// Bytes of the longest answer that is taken; a server sends no longer ones than this by far.
const MESSAGE: usize = 256 << 20;

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Status {
    /// gRPC's number; 0 is success.
    pub(in super::super) code: u32,
    /// The server's words.
    pub(in super::super) message: String,
}

impl Status {
    pub(in super::super) const OK: Self = Self { code: 0, message: String::new() };
    pub(in super::super) const CANCELLED: u32 = 1;
    pub(in super::super) const UNKNOWN: u32 = 2;
    pub(in super::super) const DEADLINE_EXCEEDED: u32 = 4;
    pub(in super::super) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(in super::super) const INTERNAL: u32 = 13;
    pub(in super::super) const UNAVAILABLE: u32 = 14;

    pub(in super::super) fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// gRPC's name of a code.
pub(in super::super) fn code_name(code: u32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    NAMES.get(code as usize).copied().unwrap_or("UNKNOWN")
}

/// What is known of a call under way.
#[derive(Debug)]
pub(super) struct Stream {
    /// The caller's name of it.
    pub(super) tag: usize,
    /// Bytes the server takes on it.
    pub(super) window: i64,
    /// Bytes it sent that it was not given back yet.
    pub(super) unreturned: usize,
    /// A message of which a part came.
    pub(super) partial: Vec<u8>,
    /// What its headers said.
    pub(super) http: u32,
    pub(super) code: Option<u32>,
    pub(super) message: String,
}

impl Stream {
    pub(super) fn new(tag: usize, window: i64) -> Self {
        let (partial, message) = (Vec::new(), String::new());
        Self { tag, window, unreturned: 0, partial, http: 200, code: None, message }
    }

    pub(super) fn header(&mut self, name: &[u8], value: &[u8]) {
        let number = || std::str::from_utf8(value).ok()?.parse().ok();
        match name {
            b"grpc-status" => self.code = Some(number().unwrap_or(Status::UNKNOWN)),
            b"grpc-message" => self.message = unescape(value),
            b":status" => self.http = number().unwrap_or(0),
            _ => {}
        }
    }

    /// What the server said at the end.
    pub(super) fn status(self) -> Status {
        match self.code {
            Some(0) => Status::OK,
            Some(code) => Status::new(code, self.message),
            None if self.http != 200 => {
                Status::new(Status::UNKNOWN, format!("HTTP status {}", self.http))
            }
            None => Status::new(Status::UNKNOWN, "the answer ended without a status"),
        }
    }

    /// Takes what of a begun message is in `data`; answers the message once it is whole, and how much of
    /// `data` was used. `Err` for one that is compressed or too long.
    pub(super) fn collect(&mut self, data: &[u8]) -> Result<(usize, Option<Vec<u8>>), ()> {
        let mut used = 0;
        if self.partial.len() < PREFIX {
            used = (PREFIX - self.partial.len()).min(data.len());
            self.partial.extend_from_slice(&data[..used]);
        }
        let Some(length) = message_length(&self.partial)? else { return Ok((used, None)) };
        let missing = PREFIX + length - self.partial.len();
        let take = missing.min(data.len() - used);
        if self.partial.capacity() == self.partial.len() {
            // What a message says of its length is believed as its bytes come.
            self.partial.reserve(missing.min(16 * PAYLOAD));
        }
        self.partial.extend_from_slice(&data[used..used + take]);
        used += take;
        if take < missing {
            return Ok((used, None));
        }
        let mut message = std::mem::take(&mut self.partial);
        message.drain(..PREFIX);
        Ok((used, Some(message)))
    }
}

/// The length of the message that begins here, if its prefix is all there.
pub(super) fn message_length(data: &[u8]) -> Result<Option<usize>, ()> {
    let Some(&[compressed, a, b, c, d]) = data.first_chunk::<PREFIX>() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if compressed != 0 || length > MESSAGE { Err(()) } else { Ok(Some(length)) }
}

/// gRPC writes what is not printable as `%` and two digits.
fn unescape(value: &[u8]) -> String {
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%')
            .then(|| after.get(..2).and_then(|two| std::str::from_utf8(two).ok()))
            .flatten()
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        text.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Status, Stream, unescape};

    #[test]
    fn a_message_in_pieces_is_put_together() {
        let mut stream = Stream::new(0, 0);
        let sent = b"\0\0\0\0\x03abc\0\0\0\0\x01d";
        assert_eq!(stream.collect(&sent[..2]), Ok((2, None)));
        assert_eq!(stream.collect(&sent[2..7]), Ok((5, None)));
        assert_eq!(stream.collect(&sent[7..]), Ok((1, Some(b"abc".to_vec()))));
        assert_eq!(stream.collect(&sent[8..]), Ok((6, Some(b"d".to_vec()))));
        assert_eq!(Stream::new(0, 0).collect(&[1, 0, 0, 0, 0]), Err(()), "compressed");
        assert_eq!(Stream::new(0, 0).collect(&[0, 255, 0, 0, 0]), Err(()), "too long");
    }

    #[test]
    fn the_servers_words_come_through() {
        let mut stream = Stream::new(0, 0);
        stream.header(b"grpc-status", b"14");
        stream.header(b"grpc-message", b"no%20leader%");
        assert_eq!(stream.status(), Status::new(14, "no leader%"));
        assert_eq!(unescape(b"%C3%BC%zz"), "\u{fc}%zz");
        let mut stream = Stream::new(0, 0);
        stream.header(b":status", b"503");
        assert_eq!(stream.status().message, "HTTP status 503");
    }
}
