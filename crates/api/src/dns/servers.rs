//! The cluster's own nodes, which are found as Consul's servers are: as nodes, as the service `consul`,
//! and as name servers.

use std::sync::Arc;

use state::directory::{Directory, NodeRecord, Phase};
use state::registry::query::Member;
use state::registry::{DEFAULT_NAMESPACE, Instance, Node, Weights};
use types::Revision;

/// What Consul calls itself, and the port its servers have for one another. The HTTP API registers our
/// nodes so with its first request; until then they are found here.
pub(super) const SERVICE: &str = "consul";
const PORT: u16 = 8300;

/// One of the cluster's nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Server {
    pub(super) name: String,
    /// Where its clients connect, without the port; a name or an address.
    pub(super) host: String,
}

/// Those that are not leaving.
pub(super) fn servers(directory: &Directory) -> Vec<Server> {
    let nodes = directory.nodes.values().filter(|node| node.phase != Phase::Leaving);
    nodes.filter_map(server).collect()
}

fn server(node: &NodeRecord) -> Option<Server> {
    let (host, _) = node.client_address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Server { name: node.name.clone(), host: host.to_owned() })
}

impl Server {
    /// As a node that somebody registered.
    pub(super) fn node(&self) -> Arc<Node> {
        Arc::new(Node {
            name: self.name.as_str().into(),
            id: "".into(),
            address: self.host.as_str().into(),
            tagged_addresses: [].into(),
            meta: [].into(),
            created: Revision::default(),
            modified: Revision::default(),
        })
    }

    /// As an instance of [`SERVICE`].
    pub(super) fn member(&self) -> Member {
        let node = self.node();
        let instance = Instance {
            node: node.name.clone(),
            namespace: DEFAULT_NAMESPACE.into(),
            id: SERVICE.into(),
            service: SERVICE.into(),
            tags: [].into(),
            address: "".into(),
            port: PORT,
            meta: [].into(),
            weights: Weights::default(),
            enable_tag_override: false,
            tagged_addresses: [].into(),
            zone: "".into(),
            extra: [].into(),
            created: Revision::default(),
            modified: Revision::default(),
        };
        Member { node, instance: Arc::new(instance), checks: Vec::new() }
    }
}
