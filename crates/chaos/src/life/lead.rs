//! Who leads the registry's region.

use std::time::{Duration, Instant};

use anyhow::bail;
use client::Client;
use client::native::{NodeStatusResponse, RegionInfo};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use tokio::time::{sleep, timeout};
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;

use crate::servers::Server;

/// The keyspace of Consul's API and `hiraeth.v1.Registry`.
pub(super) const REGISTRY: &str = "registry";
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(300);

/// Moves leadership to server `at`, and waits until it leads.
pub(super) async fn lead(
    client: &Client,
    servers: &[Server],
    here: &[bool],
    at: usize,
) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let target = node(client, &servers[at]).await;
        for (server, here) in servers.iter().zip(here) {
            let Some((target, _)) = target.filter(|_| *here) else { continue };
            let Some((own, leader)) = node(client, server).await else { continue };
            if own != leader {
                continue;
            }
            if own == target {
                return Ok(());
            }
            // Refused where the target is behind: then once more.
            drop(timeout(ANSWER, hand_over(&server.addresses.client, target)).await);
        }
        sleep(AGAIN).await;
    }
    bail!("{} does not lead after {PATIENCE:?}", servers[at].name)
}

/// A server's number, and who leads as far as it knows.
async fn node(client: &Client, server: &Server) -> Option<(u64, u64)> {
    let status = client.node_status(&server.addresses.client).await.ok()?;
    Some((status.node, registry(&status)?.leader))
}

/// The registry's region, as a server knows it.
pub(super) fn registry(status: &NodeStatusResponse) -> Option<&RegionInfo> {
    let keyspace = status.keyspaces.iter().find(|keyspace| keyspace.name == REGISTRY)?;
    status.regions.iter().find(|region| region.id == keyspace.region)
}

async fn hand_over(address: &str, target: u64) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let mut request = Request::new(pb::MoveLeaderRequest { target_id: target });
    request.metadata_mut().insert("hiraeth-keyspace", MetadataValue::from_static(REGISTRY));
    MaintenanceClient::new(channel).move_leader(request).await?;
    Ok(())
}
