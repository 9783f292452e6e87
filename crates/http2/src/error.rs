use std::fmt;

/// An error code (RFC 9113, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub u32);

impl Reason {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0);
    /// The peer does not keep to the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// A fault of our own.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// More was sent than a window allows, or a window grew too large.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// A frame for a stream that its sender had ended.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame of an impossible size.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// The request was not looked at, and may be sent again.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The request is not wanted any more.
    pub const CANCEL: Self = Self(8);
    /// A header block that cannot be decoded.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// The peer makes work without use.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
}

/// Why a connection ends: told to the client by GOAWAY, and in words for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// What the client is told.
    pub reason: Reason,
    /// What it did.
    pub words: &'static str,
}

impl ConnectionError {
    pub(crate) const fn new(reason: Reason, words: &'static str) -> Self {
        Self { reason, words }
    }

    pub(crate) const fn protocol(words: &'static str) -> Self {
        Self::new(Reason::PROTOCOL_ERROR, words)
    }

    pub(crate) const fn calm(words: &'static str) -> Self {
        Self::new(Reason::ENHANCE_YOUR_CALM, words)
    }

    pub(crate) const fn size(words: &'static str) -> Self {
        Self::new(Reason::FRAME_SIZE_ERROR, words)
    }

    pub(crate) const fn compression(words: &'static str) -> Self {
        Self::new(Reason::COMPRESSION_ERROR, words)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (HTTP/2 error code {})", self.words, self.reason.0)
    }
}

impl std::error::Error for ConnectionError {}
