//! Frames between nodes.

use bytes::Bytes;
use types::NodeId;

/// The link to a node cannot take a frame now: its queue is full or it is not connected. Raft copes
/// with a lost frame; a request's sender must be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

/// Sends frames to other nodes; what a frame holds is `node`'s business. Frames of one pair of nodes
/// and one lane arrive in order or not at all, at most once, and any may be lost.
pub trait Net: Send + Sync {
    /// Queues `frame` for `to` without waiting.
    ///
    /// # Errors
    /// [`Refused`] when the link is down or its queue full; the frame is dropped.
    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), Refused>;

    /// The same for a frame that must not wait behind those of [`Net::send`]: it may overtake them,
    /// and has a bound of its own. A net without such a lane sends it like any other.
    ///
    /// # Errors
    /// As [`Net::send`].
    fn send_urgent(&self, to: NodeId, frame: Bytes) -> Result<(), Refused> {
        self.send(to, frame)
    }
}

/// Takes what arrives.
pub trait Inbox: Send + Sync {
    /// A frame from a node that proved to belong to this cluster.
    fn deliver(&self, from: NodeId, frame: Bytes);
    /// The link to a node came up (`true`) or went down.
    fn link(&self, peer: NodeId, up: bool);
}
