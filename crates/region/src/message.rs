//! A Raft message with the region it belongs to.

use consensus::Message;
use types::RegionId;

/// What travels between the replicas of a region.
#[derive(Clone, Debug)]
pub struct RegionMessage {
    /// The region.
    pub region: RegionId,
    /// The Raft message; its sender and receiver are peers of that region.
    pub message: Message,
}
