/// What one client may ask of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams open at once; more are refused.
    pub streams: u32,
    /// Bytes a client may send ahead on one stream; below 2^31.
    pub stream_window: u32,
    /// Bytes a client may send ahead on all streams together; at least 65,535, below 2^31.
    pub connection_window: u32,
    /// Bytes of a request's header list, counted as RFC 9113, 6.5.2 does.
    pub header_bytes: u32,
    /// Frames of no use a second: pings, settings, priorities, empty data, and the like.
    pub control_frames: u32,
    /// Requests given up a second, once as many as there may be streams have been.
    pub resets: u32,
}

/// Bytes of the longest frame a client may send: what RFC 9113 begins with, never raised.
pub(crate) const FRAME_BYTES: usize = 16_384;
/// Frames one header block may come in.
pub(crate) const BLOCK_FRAMES: u32 = 16;
/// Bytes of the dynamic table for requests (RFC 7541, 4.2): the initial size, never changed.
pub(crate) const TABLE_BYTES: usize = 4_096;
