//! Whether this node can serve: asked the way a client would ask it.

use bytes::Bytes;
use node::{Consistency, Handle};
use state::request::RangeRequest;
use types::{Fault, KeyRange, KeyspaceId};

/// Reads from the default keyspace, as a client would.
///
/// # Errors
/// Those of the read.
pub(crate) async fn probe(handle: &Handle, consistency: Consistency) -> Result<(), Fault> {
    let range = KeyRange::single(&Bytes::from_static(b"health"));
    let request = RangeRequest { range, count_only: true, ..RangeRequest::default() };
    handle.range(KeyspaceId::DEFAULT, request, consistency).await.map(drop)
}
