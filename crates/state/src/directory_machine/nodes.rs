//! Nodes come and go. What is refused here depends on the directory alone; who asks has looked at who
//! is heard before.

use types::{Batch, Code, Epoch, Fault, NodeId, PeerId, RegionId, limits};

use super::{DirectoryMachine, NODE, REMOVED, Writer, key};
use crate::check::check_address;
use crate::directory::{NodeRecord, Part, Phase};
use crate::response::Response;

/// What a command answers, and whether the directory is another one now.
type Answer = Result<(Response, bool), Fault>;

impl DirectoryMachine {
    /// A node tells who it is, at every start.
    pub(super) fn register(&mut self, node: &NodeRecord, batch: &mut Batch) -> Answer {
        let known = self.known(node.id).map_err(|fault| {
            let detail = format!("node {} ({}) is not part of this cluster", node.id, node.name);
            Fault::new(fault.code, detail)
        })?;
        if known.identity != 0 && known.identity != node.identity {
            return Err(Fault::new(
                Code::ClusterMismatch,
                format!(
                    "node {} ({}) was here before with another data directory, so what it had \
                     promised is lost; remove the member and add it again",
                    node.id, known.name
                ),
            ));
        }
        // What it is to be is not for itself to say.
        let (part, phase, is_draining) = (known.part, known.phase, known.is_draining);
        let node = NodeRecord { part, phase, is_draining, ..node.clone() };
        if *known == node {
            return Ok((Response::Done, false));
        }
        self.put_node(node, batch);
        Ok((Response::Done, true))
    }

    pub(super) fn add_node(&mut self, address: &str, part: Part, batch: &mut Batch) -> Answer {
        self.must_be_formed()?;
        self.must_be_free(address)?;
        let nodes = &self.directory.nodes;
        if nodes.len() >= limits::NODES || self.last_node >= u64::from(u32::MAX) {
            let detail = format!("a cluster holds at most {} nodes", limits::NODES);
            return Err(Fault::new(Code::LimitReached, detail));
        }
        match part {
            Part::Learner => {
                let learners = nodes.values().filter(|node| node.part == Part::Learner).count();
                if learners >= limits::LEARNERS {
                    return Err(Code::TooManyLearners.into());
                }
            }
            Part::Voter if !self.directory.bears_another_voter() => {
                return Err(Code::NotEnoughStarted.into());
            }
            Part::Voter => {}
        }
        self.last_node += 1;
        let node = NodeRecord {
            id: NodeId(self.last_node),
            identity: 0,
            name: String::new(),
            peer_address: address.to_owned(),
            client_address: String::new(),
            part,
            phase: Phase::Joining,
            zone: String::new(),
            is_draining: false,
        };
        self.put_node(node.clone(), batch);
        self.put_cluster(batch);
        Ok((Response::Node(node), true))
    }

    /// Who was added comes, or asks once more because it did not hear the answer.
    pub(super) fn introduce(
        &mut self,
        address: &str,
        identity: u128,
        name: &str,
        client_address: &str,
        batch: &mut Batch,
    ) -> Answer {
        self.must_be_formed()?;
        let nodes = &self.directory.nodes;
        let known = nodes.values().find(|node| node.peer_address == address).ok_or_else(|| {
            let detail = format!("no member was added with the peer address {address}");
            Fault::new(Code::MemberNotFound, detail)
        })?;
        if identity == 0 || name.is_empty() {
            return Err(Fault::new(Code::InvalidArgument, "a node without a name or identity"));
        }
        if known.phase != Phase::Joining || known.identity != 0 {
            if known.identity == identity && known.phase != Phase::Leaving {
                return Ok((Response::Node(known.clone()), false));
            }
            let detail = format!(
                "the member at {address} has come already, with another data directory; if that is \
                 lost, remove the member and add it again"
            );
            return Err(Fault::new(Code::ClusterMismatch, detail));
        }
        if nodes.values().any(|node| node.name == name) {
            let detail = format!("there is a node called {name:?} already");
            return Err(Fault::new(Code::InvalidArgument, detail));
        }
        let node = NodeRecord {
            identity,
            name: name.to_owned(),
            client_address: client_address.to_owned(),
            phase: Phase::Member,
            ..known.clone()
        };
        self.put_node(node.clone(), batch);
        Ok((Response::Node(node), true))
    }

    pub(super) fn promote_node(&mut self, node: NodeId, batch: &mut Batch) -> Answer {
        let known = self.known(node)?.clone();
        // In this order, as etcd: who has not come is behind, whatever it is to be.
        if known.phase != Phase::Member {
            return Err(Code::LearnerNotReady.into());
        }
        if known.part == Part::Voter {
            return Err(Code::MemberNotLearner.into());
        }
        if !self.directory.bears_promotion() {
            return Err(Code::NotEnoughStarted.into());
        }
        let promoted = NodeRecord { part: Part::Voter, ..known };
        self.put_node(promoted.clone(), batch);
        Ok((Response::Node(promoted), true))
    }

    pub(super) fn remove_node(&mut self, node: NodeId, batch: &mut Batch) -> Answer {
        let known = self.known(node)?.clone();
        if known.phase == Phase::Leaving {
            return Ok((Response::Done, false));
        }
        if !self.directory.bears_loss_of(node) {
            return Err(Code::NotEnoughStarted.into());
        }
        self.put_node(NodeRecord { phase: Phase::Leaving, ..known }, batch);
        self.bury(batch);
        Ok((Response::Done, true))
    }

    pub(super) fn drain_node(&mut self, node: NodeId, drain: bool, batch: &mut Batch) -> Answer {
        let known = self.known(node)?.clone();
        if known.is_draining == drain {
            return Ok((Response::Node(known), false));
        }
        let changed = NodeRecord { is_draining: drain, ..known };
        self.put_node(changed.clone(), batch);
        Ok((Response::Node(changed), true))
    }

    pub(super) fn update_node(&mut self, node: NodeId, address: &str, batch: &mut Batch) -> Answer {
        let known = self.known(node)?.clone();
        if known.peer_address == address {
            return Ok((Response::Done, false));
        }
        self.must_be_free(address)?;
        self.put_node(NodeRecord { peer_address: address.to_owned(), ..known }, batch);
        Ok((Response::Done, true))
    }

    pub(super) fn record_peers(
        &mut self,
        region: RegionId,
        epoch: Epoch,
        peers: &[PeerId],
        learners: &[PeerId],
        batch: &mut Batch,
    ) -> (Response, bool) {
        let Some(known) = self.directory.regions.get(&region).cloned() else {
            return (Response::Done, false);
        };
        let is_news = epoch.version == known.epoch.version && epoch.conf_ver > known.epoch.conf_ver;
        let split = (epoch.version == known.epoch.version + 1)
            .then(|| self.record_split(&known, epoch, (peers, learners), batch))
            .flatten();
        let is_split = split.is_some();
        if !is_news && !is_split {
            return (Response::Done, false);
        }
        let mut record = split.unwrap_or(known);
        record.epoch = epoch;
        record.peers = peers.iter().map(|peer| (*peer, peer.node())).collect();
        record.learners = learners.to_vec();
        let keyspace = record.keyspace;
        self.put_region(record, batch);
        if is_split {
            self.must_be_tiled(keyspace);
        }
        self.bury(batch);
        (Response::Done, true)
    }

    /// Nodes that leave, and have no replica any more, are gone.
    fn bury(&mut self, batch: &mut Batch) {
        let nodes = self.directory.nodes.values();
        let leaving = nodes.filter(|node| node.phase == Phase::Leaving).map(|node| node.id);
        let gone: Vec<NodeId> =
            leaving.filter(|node| !self.directory.is_home(*node, |_| true)).collect();
        for node in gone {
            self.directory.nodes.remove(&node);
            self.directory.removed.insert(node);
            batch.delete(key(self.region, NODE, node.get()));
            self.forget_level(node, batch);
            let mut out = Writer::default();
            out.number(node.get());
            batch.put(key(self.region, REMOVED, node.get()), out.finish());
        }
    }

    /// Where a new region's replicas vote from the beginning: where those of the meta region do, but for
    /// nodes that leave. If all of them leave, it begins there all the same, and moves with the others.
    pub(super) fn where_to_be_born(&self) -> Vec<NodeId> {
        let directory = &self.directory;
        let Some(meta) = directory.regions.get(&RegionId::META) else { return Vec::new() };
        let voters = meta.peers.iter().filter(|(peer, _)| meta.votes(*peer)).map(|(_, node)| *node);
        let stays = |node: &NodeId| {
            directory.nodes.get(node).is_none_or(|node| node.phase != Phase::Leaving)
        };
        let (stay, leave): (Vec<_>, Vec<_>) = voters.partition(stays);
        if stay.is_empty() { leave } else { stay }
    }

    pub(super) fn must_be_formed(&self) -> Result<(), Fault> {
        match self.directory.cluster {
            Some(_) => Ok(()),
            None => Err(Fault::new(Code::Unsupported, "the cluster is not initialized yet")),
        }
    }

    pub(super) fn known(&self, node: NodeId) -> Result<&NodeRecord, Fault> {
        self.directory.nodes.get(&node).ok_or_else(|| {
            match self.directory.removed.contains(&node) {
                true => Fault::new(Code::MemberNotFound, format!("member {node} was removed")),
                false => Code::MemberNotFound.into(),
            }
        })
    }

    fn must_be_free(&self, address: &str) -> Result<(), Fault> {
        check_address(address)?;
        match self.directory.nodes.values().any(|node| node.peer_address == address) {
            true => Err(Code::PeerUrlExists.into()),
            false => Ok(()),
        }
    }
}
