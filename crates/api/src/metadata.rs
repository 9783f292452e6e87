//! What clients say beside the request, in gRPC metadata.

use node::Handle;
use tonic::Status;
use tonic::metadata::MetadataMap;
use types::{Code, KeyspaceId};

use crate::error;

/// Names the keyspace a request is for; without it, it is for `default`.
pub(crate) const KEYSPACE: &str = "hiraeth-keyspace";
/// etcd's: the request is to fail at once while no leader is known.
const REQUIRE_LEADER: &str = "hasleader";

/// The keyspace a request is for, once what the client requires is met.
///
/// # Errors
/// `NotFound` for an unknown keyspace, `Unavailable` when a leader is required and none is known.
pub(crate) fn admit(handle: &Handle, metadata: &MetadataMap) -> Result<KeyspaceId, Status> {
    let keyspace = keyspace(handle, metadata)?;
    if requires_leader(metadata) && !handle.has_leader(keyspace) {
        return Err(error::status_of(Code::NoLeader));
    }
    Ok(keyspace)
}

/// Whether the request is to be served only while a leader is known.
pub(crate) fn requires_leader(metadata: &MetadataMap) -> bool {
    metadata.get(REQUIRE_LEADER).is_some_and(|value| value.as_bytes() == b"true")
}

fn keyspace(handle: &Handle, metadata: &MetadataMap) -> Result<KeyspaceId, Status> {
    let Some(value) = metadata.get(KEYSPACE) else {
        return handle.keyspace(None).map_err(|fault| error::status(&fault));
    };
    let name = value.to_str().map_err(|_| {
        Status::invalid_argument("hiraeth: the metadata `hiraeth-keyspace` is not plain text")
    })?;
    handle.keyspace(Some(name)).map_err(|fault| match fault.code {
        Code::KeyspaceNotFound => Status::not_found(not_found(name)),
        _ => error::status(&fault),
    })
}

fn not_found(name: &str) -> String {
    format!("hiraeth: keyspace not found: {name}; create it with `hiraeth keyspace create {name}`")
}
