//! Members that come and go, as an operator has it.

use std::time::Duration;

use anyhow::{Context, bail};
use client::native::NodeInfo;
use client::{Client, Options};
use proto::etcdserverpb::MoveLeaderRequest;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use tokio::time::{Instant, sleep};
use tonic::transport::Endpoint;

use super::Servers;

/// A change of members is over within this.
const CHANGE: Duration = Duration::from_secs(60);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// The last of a server's arguments is whom it joins.
const JOIN: &str = "--join";
/// What a node is that votes.
const MEMBER: &str = "member";

impl Servers {
    /// The place where no member is, if there is one.
    pub(crate) fn vacant(&self) -> Option<usize> {
        (0..self.places()).find(|at| !self.here.contains(at))
    }

    /// Adds a new member at a place where there is none: with nothing in its directory, and another number
    /// than whoever was there before. It serves and votes when this ends.
    pub(crate) async fn add(&mut self, at: usize) -> anyhow::Result<()> {
        let peer = self.all[at].addresses.peer.clone();
        let others: Vec<&str> =
            self.here.iter().map(|at| self.all[*at].addresses.peer.as_str()).collect();
        let join = [JOIN.to_owned(), others.join(",")];
        let client = self.client_of_members()?;
        let deadline = Instant::now() + CHANGE;
        // Refused for as long as somebody else is on the way; perhaps carried out though no answer came.
        while self.node_at(&client, at).await?.is_none() {
            let asked = client.add_node(&peer).await;
            if Instant::now() > deadline {
                asked.with_context(|| format!("{} is not added", self.name(at)))?;
                bail!("{} was added {CHANGE:?} ago, and no member knows it", self.name(at));
            }
            sleep(LOOK).await;
        }
        let server = &mut self.all[at];
        match std::fs::remove_dir_all(&server.data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        server.members = format!("{}={peer}", server.name);
        let joined = server.arguments.iter().position(|word| word == JOIN);
        server.arguments.truncate(joined.unwrap_or(server.arguments.len()));
        server.arguments.extend(join);
        self.start_one(at)?;
        self.here.push(at);
        self.here.sort_unstable();
        while self.node_at(&client, at).await?.is_none_or(|node| node.phase != MEMBER) {
            if Instant::now() > deadline {
                bail!("{} was added and is no member after {CHANGE:?}", self.name(at));
            }
            sleep(LOOK).await;
        }
        self.await_health().await.map(drop)
    }

    /// Removes a member for good; its process may run on for a moment.
    pub(crate) async fn remove(&mut self, at: usize, drain: bool) -> anyhow::Result<()> {
        let client = self.client_of_members()?;
        let deadline = Instant::now() + CHANGE;
        let mut is_drained = !drain;
        while let Some(node) = self.node_at(&client, at).await? {
            let asked = match is_drained {
                true => client.remove_node(node.id).await.map(drop),
                false => client.drain_node(node.id, true).await.map(|_| is_drained = true),
            };
            if Instant::now() > deadline {
                asked.with_context(|| format!("{} is not removed", self.name(at)))?;
                bail!("{} is {} for {CHANGE:?} and does not go", self.name(at), node.phase);
            }
            sleep(LOOK).await;
        }
        self.here.retain(|other| *other != at);
        Ok(())
    }

    /// Asks the leader of keyspace `default` to hand over to a member; whether it did.
    pub(crate) async fn hand_over(&self, leader: usize, to: usize) -> anyhow::Result<bool> {
        let client = self.client_of_members()?;
        let Some(node) = self.node_at(&client, to).await? else { return Ok(false) };
        let address = format!("http://{}", self.all[leader].addresses.client);
        let channel = Endpoint::from_shared(address)?.timeout(CHANGE).connect_lazy();
        let request = MoveLeaderRequest { target_id: node.id };
        Ok(MaintenanceClient::new(channel).move_leader(request).await.is_ok())
    }

    fn client_of_members(&self) -> anyhow::Result<Client> {
        let here = self.here.iter().map(|at| self.all[*at].addresses.client.clone());
        Ok(Client::lazy(here, Options { timeout: REQUEST, ..Options::default() })?)
    }

    /// What the members know of the one at a place.
    async fn node_at(&self, client: &Client, at: usize) -> anyhow::Result<Option<NodeInfo>> {
        let deadline = Instant::now() + CHANGE;
        loop {
            match client.any_node_status().await {
                Ok(status) => {
                    let peer = &self.all[at].addresses.peer;
                    return Ok(status.nodes.into_iter().find(|node| node.peer_address == *peer));
                }
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => sleep(LOOK).await,
            }
        }
    }
}
