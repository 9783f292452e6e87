use std::time::Duration;

/// Bounds of the transport.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Frames waiting for one peer.
    pub queue_frames: usize,
    /// Bytes waiting for one peer.
    pub queue_bytes: usize,
    /// Bytes of one frame or of one chunk of a snapshot.
    pub frame_bytes: usize,
    /// Connections taken at once.
    pub connections: usize,
    /// Snapshots sent at once.
    pub snapshots_out: usize,
    /// Snapshots taken at once.
    pub snapshots_in: usize,
    /// How long a connection may take to be made, and a handshake to be answered.
    pub connect: Duration,
    /// Silence after which a peer is asked for a sign of life.
    pub keepalive_interval: Duration,
    /// How long the sign of life may take before the link counts as down.
    pub keepalive_timeout: Duration,
    /// The shortest pause before a lost link is dialled again; it doubles with every failure.
    pub backoff_min: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_frames: 4_096,
            queue_bytes: 64 << 20,
            frame_bytes: 16 << 20,
            connections: 1_024,
            snapshots_out: 2,
            snapshots_in: 2,
            connect: Duration::from_secs(2),
            keepalive_interval: Duration::from_secs(1),
            keepalive_timeout: Duration::from_secs(3),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// Bytes of one message on the wire: a full frame and the few bytes around it.
    pub(super) fn message_bytes(&self) -> usize {
        self.frame_bytes.saturating_add(1_024)
    }
}

/// HTTP/2 flow control: bytes under way on one stream before the receiver has to ask for more.
pub(super) const STREAM_WINDOW: u32 = 4 << 20;
/// The same for all streams of a connection.
pub(super) const CONNECTION_WINDOW: u32 = 8 << 20;
/// Bytes of one HTTP/2 frame; large ones cost less per byte, small ones let others in between.
pub(super) const HTTP2_FRAME: u32 = 256 << 10;
/// Chunks of a snapshot read ahead of the network or of the disk.
pub(super) const READ_AHEAD: usize = 4;
