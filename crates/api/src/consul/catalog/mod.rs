//! `/v1/catalog`: everything that is registered, whichever way.

mod read;
mod write;

pub(super) use read::{
    datacenters, node, node_services, nodes, nothing, service, services, wanted,
};
pub(super) use write::{deregister, register};
