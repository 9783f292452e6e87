use node::Handle;
use types::NodeId;

/// What an etcd's file has of the cluster it is from. `etcdctl snapshot restore` puts the new one's in
/// its place.
#[derive(Default)]
pub(in super::super) struct Surroundings {
    /// The members' records: key and value, by key.
    pub(super) members: Vec<(Vec<u8>, Vec<u8>)>,
    /// Who votes, as etcd writes it.
    pub(super) voters: Vec<u64>,
}

impl Surroundings {
    pub(in super::super) fn of(handle: &Handle) -> Self {
        let directory = handle.directory();
        let mut members: Vec<_> = directory
            .nodes
            .values()
            .map(|node| {
                let url = |address: &String| {
                    Some(address).filter(|it| !it.is_empty()).map(|it| format!("http://{it}"))
                };
                let member = serde_json::json!({
                    "id": node.id.get(),
                    "peerURLs": [url(&node.peer_address)],
                    "name": node.name,
                    "clientURLs": url(&node.client_address).into_iter().collect::<Vec<_>>(),
                });
                (format!("{:x}", node.id.get()).into_bytes(), member.to_string().into_bytes())
            })
            .collect();
        members.sort();
        let voters = directory.nodes.keys().copied().map(NodeId::get).collect();
        Self { members, voters }
    }
}
