//! The cluster's members: who they are, and how they change.

use std::time::Duration;

use state::command::Command;
use state::directory::{Directory, NodeRecord, Part, Phase};
use state::response::Response;
use tokio::time::timeout;
use types::{Code, Fault, NodeId, RegionId};

use super::Handle;
use crate::answer::{Answer, Consistency, Member};
use crate::{forward, read};

/// How long a removal waits until the member's replicas are gone; they go on leaving after that.
const LEAVE: Duration = Duration::from_secs(5);
/// Election timeouts in which a member must be heard before others are added or removed.
const TIMEOUTS_TO_BE_HEARD: u32 = 2;
/// Entries a learner may lack anywhere to be given a vote.
const IN_SYNC: u64 = 1_000;
const PLAIN: &str = "http://";
const TLS: &str = "https://";

impl Handle {
    /// The members of the cluster, read from this node's copy in any case: `Follower` is
    /// `Linearizable` here, and so is `Lease` unless this node leads. One that was removed is not among
    /// them, even while its replicas are still going.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn members(&self, consistency: Consistency) -> Result<Answer<Vec<Member>>, Fault> {
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        let age = read::confirm(&self.shared, &meta, consistency).await?;
        let mut answer = self.known_members()?;
        answer.header.age = age;
        Ok(answer)
    }

    /// Adds a member, which is then to be started with this cluster to join. Its replicas receive first;
    /// with `Part::Voter` they get their vote as soon as they caught up, so that nothing ever waits for
    /// one that is not there yet. Answers the new member, and all.
    ///
    /// # Errors
    /// `BadMemberUrls`, `PeerUrlExists`, `TooManyLearners`, `NotEnoughStarted`, `LimitReached`;
    /// `Unhealthy` while a voter is not heard; as [`Self::propose`].
    pub async fn add_member(
        &self,
        peer_urls: &[String],
        part: Part,
    ) -> Result<(Member, Answer<Vec<Member>>), Fault> {
        let peer_address = self.peer_address(peer_urls)?;
        let directory = self.shared.directory();
        if part == Part::Voter && !directory.bears_another_voter() {
            return Err(Code::NotEnoughStarted.into());
        }
        let silent = self.silent(voters(&directory), 0).await;
        if !silent.is_empty() {
            let text = format!("not every voting member is heard: {silent:?}");
            return Err(Fault::new(Code::Unhealthy, text));
        }
        match self.change_members(Command::AddNode { peer_address, part }).await? {
            Response::Node(node) => Ok((self.member(&node), self.known_members()?)),
            _ => Err(Fault::new(Code::Internal, "a node was asked for")),
        }
    }

    /// Adds the member that is to take the place of another, or answers it if it was added already. Where
    /// every voter is heard it will vote as soon as it caught up, if `old` does. Where `old` is not, or
    /// others with `force`, it is a learner first: one more that votes while one is lost would only be one
    /// more that can be lost.
    ///
    /// # Errors
    /// `MemberNotFound`; `PeerUrlExists` where the address is that of `old`; as [`Self::add_member`].
    pub async fn replace_member(
        &self,
        old: NodeId,
        peer_address: &str,
        force: bool,
    ) -> Result<NodeRecord, Fault> {
        let directory = self.shared.directory();
        let Some(place) = directory.nodes.get(&old) else {
            return Err(Code::MemberNotFound.into());
        };
        let mut nodes = directory.nodes.values();
        if let Some(known) = nodes.find(|node| node.peer_address == peer_address) {
            return match known.id == old {
                true => Err(Code::PeerUrlExists.into()),
                false => Ok(known.clone()),
            };
        }
        let silent = self.silent(voters(&directory), 0).await;
        let others: Vec<NodeId> = silent.iter().copied().filter(|node| *node != old).collect();
        if !others.is_empty() && !force {
            let text = format!("not every other voting member is heard: {others:?}");
            return Err(Fault::new(Code::Unhealthy, text));
        }
        let part = if silent.is_empty() { place.part } else { Part::Learner };
        if part == Part::Voter && !directory.bears_another_voter() {
            return Err(Code::NotEnoughStarted.into());
        }
        let peer_address = peer_address.to_owned();
        match self.change_members(Command::AddNode { peer_address, part }).await? {
            Response::Node(node) => Ok(node),
            _ => Err(Fault::new(Code::Internal, "a node was asked for")),
        }
    }

    /// Has a learner vote. It is one that lacks little; where it still lacks something its replicas
    /// catch up before they vote.
    ///
    /// # Errors
    /// `MemberNotFound`, `MemberNotLearner`, `LearnerNotReady`, `NotEnoughStarted`; as
    /// [`Self::propose`].
    pub async fn promote_member(&self, node: NodeId) -> Result<Answer<Vec<Member>>, Fault> {
        let directory = self.shared.directory();
        if directory.nodes.get(&node).is_some_and(|known| known.part == Part::Learner) {
            self.must_be_in_sync(&directory, node).await?;
        }
        self.change_members(Command::PromoteNode { node }).await?;
        self.known_members()
    }

    /// Removes a member for good. From then on it is in no list; its replicas go one after the other,
    /// leadership first, which this waits for, but not for long.
    ///
    /// # Errors
    /// `MemberNotFound`; `NotEnoughStarted` and `Unhealthy` where those that stay would be no majority;
    /// as [`Self::propose`].
    pub async fn remove_member(&self, node: NodeId) -> Result<Answer<Vec<Member>>, Fault> {
        let directory = self.shared.directory();
        if !directory.bears_loss_of(node) {
            return Err(Code::NotEnoughStarted.into());
        }
        if directory.nodes.get(&node).is_some_and(|known| known.part == Part::Voter) {
            let stay: Vec<NodeId> = voters(&directory).filter(|other| *other != node).collect();
            let may_lack = stay.len().saturating_sub(1) / 2;
            let heard = stay.len() - self.silent(stay.iter().copied(), may_lack).await.len();
            if heard <= stay.len() / 2 {
                let text = format!("only {heard} of the {} others that vote are heard", stay.len());
                return Err(Fault::new(Code::Unhealthy, text));
            }
        }
        self.change_members(Command::RemoveNode { node }).await?;
        // Its own end is not for itself to wait for.
        if node != self.shared.node() {
            let mut directory = self.shared.watch_directory();
            let gone = directory.wait_for(|directory| !directory.nodes.contains_key(&node));
            drop(timeout(LEAVE, gone).await);
        }
        self.known_members()
    }

    /// Says that a member is reached elsewhere. The others dial it there from now on; what the member
    /// itself is told at its next start counts more.
    ///
    /// # Errors
    /// `MemberNotFound`, `BadMemberUrls`, `PeerUrlExists`; as [`Self::propose`].
    pub async fn update_member(
        &self,
        node: NodeId,
        peer_urls: &[String],
    ) -> Result<Answer<Vec<Member>>, Fault> {
        let peer_address = self.peer_address(peer_urls)?;
        self.change_members(Command::UpdateNode { node, peer_address }).await?;
        self.known_members()
    }

    /// Has a member rid itself of the replicas of sharded keyspaces, or take some again; answers at once, and
    /// they go one after the other, as fast as is healthy.
    ///
    /// # Errors
    /// `MemberNotFound`; as [`Self::propose`].
    pub async fn drain_member(&self, node: NodeId, drain: bool) -> Result<NodeRecord, Fault> {
        match self.change_members(Command::DrainNode { node, drain }).await? {
            Response::Node(node) => Ok(node),
            _ => Err(Fault::new(Code::Internal, "a node was asked for")),
        }
    }

    async fn change_members(&self, command: Command) -> Result<Response, Fault> {
        state::check(&command)?;
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        let applied = forward::propose(&self.shared, &meta, command).await?;
        applied.outcome.result
    }

    fn known_members(&self) -> Result<Answer<Vec<Member>>, Fault> {
        let meta = self.shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        // What was applied is told a moment later than who waits for it is answered.
        let body = {
            let machine = meta.machine.read();
            let nodes =
                machine.directory().into_iter().flat_map(|directory| directory.nodes.values());
            nodes
                .filter(|node| node.phase != Phase::Leaving)
                .map(|node| self.member(node))
                .collect()
        };
        Ok(Answer { header: self.header_of(&meta), body })
    }

    /// A member as clients are told of it. What this node speaks is taken for what all do.
    fn member(&self, node: &NodeRecord) -> Member {
        let config = &self.shared.config;
        let url = |address: &String, tls| format!("{}{address}", if tls { TLS } else { PLAIN });
        let clients = Some(&node.client_address).filter(|address| !address.is_empty());
        Member {
            id: node.id,
            name: node.name.clone(),
            peer_urls: vec![url(&node.peer_address, config.peer_tls.is_some())],
            client_urls: clients.map(|it| url(it, config.client_tls)).into_iter().collect(),
            is_learner: node.part == Part::Learner,
        }
    }

    /// The one address in a member's peer URLs. Whether links have TLS is for the nodes' settings to say, so
    /// that plain URLs are taken there, too.
    fn peer_address(&self, urls: &[String]) -> Result<String, Fault> {
        let bad = |why: String| Fault::new(Code::BadMemberUrls, why);
        let [url] = urls else {
            return Err(bad(format!("a member has one peer URL, not {}", urls.len())));
        };
        let with_tls = self.shared.config.peer_tls.as_ref().and_then(|_| url.strip_prefix(TLS));
        let address = with_tls.or_else(|| url.strip_prefix(PLAIN)).ok_or_else(|| {
            bad(match url.starts_with(TLS) {
                true => format!("{url:?}: links between nodes are not encrypted in this cluster"),
                false => format!("{url:?} is not http://host:port"),
            })
        })?;
        Ok(address.trim_end_matches('/').to_owned())
    }

    /// Those who are not heard. While they are more than `may_lack` they are waited for, though not for
    /// long: one that was started a moment ago, or whose link broke, will be heard.
    async fn silent(&self, nodes: impl Iterator<Item = NodeId>, may_lack: usize) -> Vec<NodeId> {
        let nodes: Vec<NodeId> = nodes.collect();
        let silent = || nodes.iter().copied().filter(|node| !self.is_heard(*node)).collect();
        let few = async {
            loop {
                let heard = self.shared.live.heard.notified();
                let silent: Vec<NodeId> = silent();
                if silent.len() <= may_lack {
                    return silent;
                }
                heard.await;
            }
        };
        let patience = self.shared.config.election_timeout() * TIMEOUTS_TO_BE_HEARD;
        timeout(patience, few).await.unwrap_or_else(|_| silent())
    }

    fn is_heard(&self, node: NodeId) -> bool {
        node == self.shared.node() || self.shared.live.liveness.lock().is_alive(node)
    }

    /// A learner is ready when every region has a replica there that is heard and lacks little, as far as
    /// its own node and the leaders here can tell.
    async fn must_be_in_sync(&self, directory: &Directory, node: NodeId) -> Result<(), Fault> {
        let not_ready = |why: String| Err(Fault::new(Code::LearnerNotReady, why));
        // Those of sharded keyspaces go to nodes that vote.
        let mut everywhere = directory.regions.values().filter(|region| region.placed().is_none());
        let missing = everywhere.find(|region| region.peer_on(node).is_none());
        if let Some(region) = missing {
            return not_ready(format!("region {} has no replica there yet", region.id));
        }
        let seen = self.nodes().into_iter().find(|seen| seen.node == node);
        if !seen.is_some_and(|seen| self.is_heard(node) && seen.summary.lag <= IN_SYNC) {
            return not_ready("it is not heard, or has much to apply".to_owned());
        }
        let is_everywhere =
            |region| directory.regions.get(&region).is_none_or(|region| region.placed().is_none());
        let leads = self.cluster_view().await?.leads;
        for led in leads.into_iter().filter(|led| is_everywhere(led.region)) {
            let replica = led.replicas.iter().find(|replica| replica.node == node);
            if replica.is_none_or(|replica| replica.lag > IN_SYNC) {
                return not_ready(format!("it lacks much of region {}", led.region));
            }
        }
        Ok(())
    }
}

fn voters(directory: &Directory) -> impl Iterator<Item = NodeId> + '_ {
    directory.nodes.values().filter(|node| node.votes()).map(|node| node.id)
}
