use client::Client;

use super::Server;

/// Region of keyspace `default`.
const DEFAULT: u64 = types::RegionId::DEFAULT.get();

/// A node that leads, by its place among the servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Leadership {
    pub(crate) at: usize,
    pub(crate) term: u64,
}

/// Asks all servers at once.
pub(super) async fn find(asker: &Client, servers: &[Server]) -> Option<Leadership> {
    let asked: Vec<_> = servers
        .iter()
        .map(|server| {
            let (asker, address) = (asker.clone(), server.addresses.client.clone());
            tokio::spawn(async move { asker.node_status(&address).await })
        })
        .collect();
    let mut newest: Option<(u64, String)> = None;
    for answer in asked {
        let Ok(Ok(status)) = answer.await else { continue };
        let Some(region) = status.regions.iter().find(|region| region.id == DEFAULT) else {
            continue;
        };
        let leader = status.nodes.iter().find(|node| node.id == region.leader);
        if let Some(leader) = leader {
            newest = newest.max(Some((region.term, leader.name.clone())));
        }
    }
    let (term, name) = newest?;
    let at = servers.iter().position(|server| server.name == name)?;
    // A dead leader is still told of until the others elect another.
    servers[at].is_running().then_some(Leadership { at, term })
}
