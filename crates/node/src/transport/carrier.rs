use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use types::{Fault, NodeId};

/// A snapshot to send, read piece by piece on a thread that may block. An error ends it; its words
/// go to both sides' logs.
pub type Chunks = Box<dyn Iterator<Item = Result<Bytes, String>> + Send>;

/// What a node needs to reach the others: frames, and snapshots beside them. Implemented over gRPC
/// and in memory.
pub trait Carrier: env::Net {
    /// Says which other nodes there are, and where; links to those not named end.
    fn set_peers(&self, peers: Vec<(NodeId, String)>);

    /// Judges every link anew and ends those that would not be taken now. To be called whenever what
    /// [`super::Admission`] knows has changed.
    fn review(&self);

    /// Sends a snapshot to a node that is named, at no more than `throttle` bytes a second, beside
    /// the frames. Ok means that the receiver's sink finished. Dropping the future gives it up.
    ///
    /// # Errors
    /// `TooManyRequests` when as many as allowed are under way here or there, `MemberNotFound`,
    /// `Timeout` when the connection failed, `Internal` when the chunks ended with an error, and
    /// what the receiver's sink answered.
    fn send_snapshot(
        &self,
        to: NodeId,
        chunks: Chunks,
        throttle: Option<NonZeroU64>,
    ) -> BoxFuture<'static, Result<(), Fault>>;

    /// Why there is no link to a node, if that is so and something is known.
    fn trouble(&self, node: NodeId) -> Option<String>;

    /// The identity of a node's data directory, as it told when the link that is up was made.
    fn identity(&self, node: NodeId) -> Option<u128>;

    /// Sends what is queued within a short time, ends every link, and frees the port. Nothing is
    /// delivered afterwards.
    fn shutdown(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// Takes snapshots that other nodes send.
pub trait SnapshotReceiver: Send + Sync {
    /// A member starts to send one. Called on a thread that may block, as is the sink.
    ///
    /// # Errors
    /// Why it cannot be taken; told to the sender.
    fn begin(&self, from: NodeId) -> Result<Box<dyn SnapshotSink>, Fault>;
}

/// Takes one snapshot; ends with `finish` or `abort`.
pub trait SnapshotSink: Send {
    /// The next piece, in order.
    ///
    /// # Errors
    /// Why it cannot go on; told to the sender, and `abort` follows.
    fn accept(&mut self, chunk: Bytes) -> Result<(), Fault>;
    /// Everything arrived.
    ///
    /// # Errors
    /// Why the snapshot is not good after all; told to the sender.
    fn finish(self: Box<Self>) -> Result<(), Fault>;
    /// It will not be completed.
    fn abort(self: Box<Self>);
}
