//! Who leads the registry's region.

use std::time::{Duration, Instant};

use anyhow::bail;
use client::Client;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;

use crate::servers::Server;

/// Region of keyspace `default`.
const DEFAULT: u64 = types::RegionId::DEFAULT.get();
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
    let region = status.regions.iter().find(|region| region.id == DEFAULT)?;
    Some((status.node, region.leader))
}

async fn hand_over(address: &str, target: u64) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let request = pb::MoveLeaderRequest { target_id: target };
    MaintenanceClient::new(channel).move_leader(request).await?;
    Ok(())
}
