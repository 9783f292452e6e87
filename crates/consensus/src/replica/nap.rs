//! What a follower keeps while it sleeps. The library's node takes two kilobytes, of which a follower in
//! whose group nothing goes on needs a tenth: of 10,000 replicas on a server two thirds are such.
//!
//! Nothing is forgotten: who naps has everything durable, committed and applied, waits for nothing, and
//! knows its leader. The node is made anew as at a start, of the same term, vote, leader, peers and log,
//! before the next call that changes anything ([`Replica::run`]).

use core::ops::{Deref, DerefMut};

use raft::{RawNode, StateRole};
use types::{ConfState, HardState, Index, PeerId, Term};

use super::{LOGGER, Replica};
use crate::store::Store;
use crate::{Error, convert};

/// The library's node, or what it is made of again.
pub(super) enum Core {
    Node(Box<RawNode<Store>>),
    Nap(Box<Nap>),
}

pub(super) struct Nap {
    store: Store,
    term: u64,
    vote: u64,
    leader: u64,
    /// The end of the log, which is durable, committed and applied.
    end: u64,
    voters: Box<[PeerId]>,
    learners: Box<[PeerId]>,
}

impl Core {
    pub(super) fn node(&self) -> Option<&RawNode<Store>> {
        match self {
            Self::Node(node) => Some(node),
            Self::Nap(_) => None,
        }
    }

    pub(super) fn store(&self) -> &Store {
        match self {
            Self::Node(node) => node.store(),
            Self::Nap(nap) => &nap.store,
        }
    }

    pub(super) fn store_mut(&mut self) -> &mut Store {
        match self {
            Self::Node(node) => node.mut_store(),
            Self::Nap(nap) => &mut nap.store,
        }
    }

    pub(super) fn leader(&self) -> u64 {
        match self {
            Self::Node(node) => node.raft.leader_id,
            Self::Nap(nap) => nap.leader,
        }
    }

    pub(super) fn last(&self) -> u64 {
        match self {
            Self::Node(node) => node.raft.raft_log.last_index(),
            Self::Nap(nap) => nap.end,
        }
    }

    pub(super) fn hard_state(&self) -> HardState {
        let (term, vote, commit) = match self {
            Self::Node(node) => (node.raft.term, node.raft.vote, node.raft.raft_log.committed),
            Self::Nap(nap) => (nap.term, nap.vote, nap.end),
        };
        HardState { term: Term(term), vote: convert::peer(vote), commit: Index(commit) }
    }

    pub(super) fn conf_state(&self) -> ConfState {
        match self {
            Self::Node(node) => {
                convert::conf_state_from_raft(&node.raft.prs().conf().to_conf_state())
            }
            Self::Nap(nap) => ConfState {
                voters: nap.voters.to_vec(),
                learners: nap.learners.to_vec(),
                ..ConfState::default()
            },
        }
    }
}

/// For what runs inside [`Replica::run`], where there always is a node.
impl Deref for Core {
    type Target = RawNode<Store>;

    fn deref(&self) -> &RawNode<Store> {
        match self {
            Self::Node(node) => node,
            Self::Nap(_) => panic!("a replica was asked in its sleep"),
        }
    }
}

impl DerefMut for Core {
    fn deref_mut(&mut self) -> &mut RawNode<Store> {
        match self {
            Self::Node(node) => node,
            Self::Nap(_) => panic!("a replica was asked in its sleep"),
        }
    }
}

impl Replica {
    /// Gives back all that a follower can do without until something happens. To be called while it
    /// sleeps, as often as one likes; does nothing where anything is under way, and on leaders, who keep
    /// what they know of the others.
    pub fn nap(&mut self) {
        if !self.may_nap() {
            return;
        }
        let HardState { term, vote, .. } = self.hard_state();
        let conf = self.conf_state();
        let (leader, end) = (self.raw.leader(), self.raw.last());
        let store = core::mem::replace(self.raw.store_mut(), Store::hollow());
        self.earlier = self.writes.issued();
        self.raw = Core::Nap(Box::new(Nap {
            store,
            term: term.get(),
            vote: vote.map_or(raft::INVALID_ID, PeerId::get),
            leader,
            end,
            voters: conf.voters.into_boxed_slice(),
            learners: conf.learners.into_boxed_slice(),
        }));
    }

    fn may_nap(&self) -> bool {
        let Some(node) = self.raw.node() else { return false };
        let raft = &node.raft;
        let conf = raft.prs().conf();
        raft.state == StateRole::Follower
            && raft.leader_id != raft::INVALID_ID
            && raft.pending_request_snapshot == raft::INVALID_INDEX
            && conf.to_conf_state().get_voters_outgoing().is_empty()
            && conf.learners_next().is_empty()
            && self.orphaned.is_none()
            && self.is_quiet()
            && !self.has_ready()
            && self.writes.is_empty()
    }

    /// Makes the node again.
    pub(super) fn rouse(&mut self) -> Result<(), Error> {
        let Core::Nap(nap) = &mut self.raw else { return Ok(()) };
        let hard_state = HardState {
            term: Term(nap.term),
            vote: convert::peer(nap.vote),
            commit: Index(nap.end),
        };
        let conf_state = ConfState {
            voters: core::mem::take(&mut nap.voters).into_vec(),
            learners: core::mem::take(&mut nap.learners).into_vec(),
            ..ConfState::default()
        };
        let (term, leader) = (nap.term, nap.leader);
        let mut store = core::mem::replace(&mut nap.store, Store::hollow());
        store.starts(&hard_state, &conf_state);
        let config = self.measure.config(self.peer, &self.guards, self.applied);
        let node = RawNode::new(&config, store, &LOGGER);
        let mut node = node.map_err(|error| Error::BadStart(error.to_string()))?;
        node.raft.become_follower(term, leader);
        node.mut_store().started();
        self.raw = Core::Node(Box::new(node));
        self.open_windows();
        Ok(())
    }
}
