//! What servers tell of themselves and of the cluster.

use proto::etcdserverpb as pb;
use proto::etcdserverpb::cluster_client::ClusterClient;
use proto::etcdserverpb::maintenance_client::MaintenanceClient;
use proto::hiraeth::v1::node_client::NodeClient;
use proto::hiraeth::v1::{BarrierRequest, BarrierResponse, NodeStatusRequest, NodeStatusResponse};
use proto::hiraeth::v1::{DrainNodeRequest, NodeInfo, RemoveNodeRequest, ReplaceNodeRequest};
use proto::hiraeth::v1::{HotRequest, HotResponse};
use proto::hiraeth::v1::{StatsRequest, StatsResponse};
use proto::hiraeth::v1::{VerifyLeaderRequest, VerifyLeaderResponse};
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::call::{ANSWER_BYTES, Repeat};
use crate::{Client, Error};

/// A server of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its number.
    pub id: u64,
    /// Its name; empty until it was first seen.
    pub name: String,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it was first seen.
    pub client_urls: Vec<String>,
    /// Whether it receives, but does not vote yet.
    pub is_learner: bool,
}

fn service(channel: Channel) -> NodeClient<Channel> {
    NodeClient::new(channel).max_decoding_message_size(ANSWER_BYTES)
}

impl Client {
    /// What some server knows of itself and the cluster.
    ///
    /// # Errors
    /// No answer.
    pub async fn any_node_status(&self) -> Result<NodeStatusResponse, Error> {
        let message = NodeStatusRequest {};
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).status(request).await
        });
        answer.await
    }

    /// Has a server rid itself of the replicas of sharded keyspaces, or take some again. They go one
    /// after the other from then on.
    ///
    /// # Errors
    /// No such server; no answer.
    pub async fn drain_node(&self, node: u64, drain: bool) -> Result<NodeInfo, Error> {
        let message = DrainNodeRequest { node, drain };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).drain(request).await
        });
        answer.await?.node.ok_or(Error::Malformed("a server was drained, but which is missing"))
    }

    /// Adds a server, which is to be started then so that it joins: its peers will reach it at `address`,
    /// `host:port`. It votes as soon as it caught up.
    ///
    /// # Errors
    /// The address is taken, a server is not heard; no answer, and then perhaps [`Error::outcome_unknown`].
    pub async fn add_node(&self, address: &str) -> Result<u64, Error> {
        let peer_ur_ls = vec![format!("http://{address}")];
        let message = pb::MemberAddRequest { peer_ur_ls, is_learner: false };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            ClusterClient::new(channel).member_add(request).await
        });
        let member = answer.await?.member;
        member.map(|it| it.id).ok_or(Error::Malformed("a server was added, but which is missing"))
    }

    /// Adds the server that is to take the place of another, or answers it if it was added already; then it
    /// is to be started so that it joins. It is a learner where not every server that votes is heard, until
    /// it is promoted. With `force` also while others than `node` are not heard.
    ///
    /// # Errors
    /// No such server; the address is that of `node`; another server is not heard; no answer, and then
    /// perhaps [`Error::outcome_unknown`].
    pub async fn replace_node(
        &self,
        node: u64,
        address: &str,
        force: bool,
    ) -> Result<NodeInfo, Error> {
        let message = ReplaceNodeRequest { node, peer_address: address.to_owned(), force };
        // Asked again it answers the one that was added.
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).replace(request).await
        });
        answer.await?.node.ok_or(Error::Malformed("a server was added, but which is missing"))
    }

    /// Has a server vote that only received so far.
    ///
    /// # Errors
    /// It lacks much yet; no such server; no answer, and then perhaps [`Error::outcome_unknown`].
    pub async fn promote_node(&self, node: u64) -> Result<(), Error> {
        let message = pb::MemberPromoteRequest { id: node };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            ClusterClient::new(channel).member_promote(request).await
        });
        answer.await.map(drop)
    }

    /// Removes a server for good; answers whether it has gone already. If not, its replicas still go one
    /// after the other.
    ///
    /// # Errors
    /// No such server; those that stay would be no majority; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn remove_node(&self, node: u64) -> Result<bool, Error> {
        let message = RemoveNodeRequest { node };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            service(channel).remove(request).await
        });
        Ok(answer.await?.gone)
    }

    /// What the server at `address`, `host:port`, knows of itself and the cluster. It need not be
    /// among this client's endpoints, and no other is asked instead.
    ///
    /// # Errors
    /// No answer.
    pub async fn node_status(&self, address: &str) -> Result<NodeStatusResponse, Error> {
        let channel = self.channel_to(address)?;
        let mut service = service(channel);
        self.once(address, service.status(self.request(NodeStatusRequest {}))).await
    }

    /// The Raft groups of the server at `address`, closely: of one region (0 for all), of one keyspace
    /// (empty for all).
    ///
    /// # Errors
    /// As [`Self::node_status`]; an unknown keyspace or region.
    pub async fn raft_stats(
        &self,
        address: &str,
        region: u64,
        keyspace: &str,
    ) -> Result<StatsResponse, Error> {
        let channel = self.channel_to(address)?;
        let mut service = service(channel);
        let request = StatsRequest { region, keyspace: keyspace.to_owned() };
        self.once(address, service.stats(self.request(request))).await
    }

    /// What clients ask the server at `address` for most: in one keyspace (empty for all), with at most so
    /// many keys of each region (0 for all that are known).
    ///
    /// # Errors
    /// As [`Self::node_status`]; an unknown keyspace; `PermissionDenied`.
    pub async fn hot(
        &self,
        address: &str,
        keyspace: &str,
        keys: u32,
    ) -> Result<HotResponse, Error> {
        let channel = self.channel_to(address)?;
        let request = HotRequest { keyspace: keyspace.to_owned(), keys };
        let asked = async {
            let request = self.named(&channel, request).await?;
            service(channel).hot(request).await
        };
        self.once(address, asked).await
    }

    /// etcd's `Maintenance.Status` of the server at `address`.
    ///
    /// # Errors
    /// As [`Self::node_status`]; an unknown keyspace.
    pub async fn maintenance_status(&self, address: &str) -> Result<pb::StatusResponse, Error> {
        let channel = self.channel_to(address)?;
        let mut service = MaintenanceClient::new(channel);
        self.once(address, service.status(self.request(pb::StatusRequest {}))).await
    }

    /// Answers once the server at `address` has applied everything that was committed in this
    /// client's keyspace before.
    ///
    /// # Errors
    /// As [`Self::node_status`]; no leader; an unknown keyspace.
    pub async fn barrier(&self, address: &str) -> Result<BarrierResponse, Error> {
        let channel = self.channel_to(address)?;
        let asked = async {
            let request = self.named(&channel, BarrierRequest {}).await?;
            service(channel).barrier(request).await
        };
        self.once(address, asked).await
    }

    /// Who leads this client's keyspace, and in which term, as a quorum confirms now.
    ///
    /// # Errors
    /// No leader; an unknown keyspace; no answer.
    pub async fn verify_leader(&self) -> Result<VerifyLeaderResponse, Error> {
        let message = VerifyLeaderRequest {};
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).verify_leader(request).await
        });
        answer.await
    }

    pub(crate) async fn once<A>(
        &self,
        address: &str,
        sent: impl Future<Output = Result<tonic::Response<A>, tonic::Status>>,
    ) -> Result<A, Error> {
        let after = self.shared.options.timeout;
        match timeout(after, sent).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(Error::of_call(address, &status)),
            Err(_) => Err(Error::TimedOut { after, outcome_unknown: false, last: None }),
        }
    }

    /// The servers of the cluster, confirmed by a majority.
    ///
    /// # Errors
    /// No answer.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let message = pb::MemberListRequest { linearizable: true };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            ClusterClient::new(channel).member_list(request).await
        });
        let member = |member: pb::Member| Member {
            id: member.id,
            name: member.name,
            peer_urls: member.peer_ur_ls,
            client_urls: member.client_ur_ls,
            is_learner: member.is_learner,
        };
        Ok(answer.await?.members.into_iter().map(member).collect())
    }
}
