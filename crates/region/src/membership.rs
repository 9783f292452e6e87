//! From the replicas a region has to those it is to have, one safe step after the other. Pure: what to do
//! follows from what the leader knows.
//!
//! A replica is added as a learner, gets its vote when it has caught up, and so never makes a majority
//! larger than it can help to reach. Where it comes in another's place it gets the vote of that one, by joint
//! consensus: there is no time with one voter more, in which a zone that is lost might have two of four.
//! One is removed only while those that stay are as many as there are to be, and a majority of themselves
//! without it. One change is under way at a time; the next begins when it is applied.

use std::collections::BTreeMap;

use consensus::{ConfChange, Flow, PeerChange, PeerStatus, Role, Status};
use state::directory::Part;
use types::{ConfState, NodeId, PeerId};

/// Entries a replica may lack of what is committed to count as caught up.
const MARGIN: u64 = 1_000;

/// What is to be done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Propose this.
    Change(ConfChange),
    /// Hand leadership over: the leader itself is to go, and nobody removes itself.
    Transfer(PeerId),
}

/// Whether a region's replicas are as they are to be.
#[must_use]
pub fn is_settled(conf: &ConfState, wanted: &BTreeMap<NodeId, Part>) -> bool {
    let matches = |peers: &[PeerId], part: Part| {
        peers.iter().all(|peer| wanted.get(&peer.node()) == Some(&part))
    };
    conf.voters_outgoing.is_empty()
        && conf.voters.len() + conf.learners.len() == wanted.len()
        && matches(&conf.voters, Part::Voter)
        && matches(&conf.learners, Part::Learner)
}

/// Whether two configurations have the same replicas, in whichever order.
pub(crate) fn is_same(one: &ConfState, other: &ConfState) -> bool {
    one.clone().sorted() == other.clone().sorted()
}

/// The next step of the leader whose status this is; `None` where there is nothing to do, or nothing that
/// can be done yet. A replica that is added has a number of `generation`: where a node may have had a
/// replica before, that must be one it did not have.
#[must_use]
pub fn next_step(
    status: &Status,
    wanted: &BTreeMap<NodeId, Part>,
    generation: u32,
) -> Option<Step> {
    guarded_step(status, wanted, generation, true)
}

/// The same, also where it bears no loss if that is not asked for (a switch for tests).
pub(crate) fn guarded_step(
    status: &Status,
    wanted: &BTreeMap<NodeId, Part>,
    generation: u32,
    bears_losses: bool,
) -> Option<Step> {
    let conf = &status.conf_state;
    let is_busy = status.pending_conf
        || status.transferee.is_some()
        || !conf.voters_outgoing.is_empty()
        || !conf.learners_next.is_empty();
    // A list without a voter is no wish but a mistake: nobody would be left.
    if status.role != Role::Leader || is_busy || !wanted.values().any(|part| *part == Part::Voter) {
        return None;
    }
    let group = Group { status, wanted, bears_losses };
    group
        .add(generation)
        .or_else(|| group.promote())
        .or_else(|| group.remove())
        .or_else(|| group.hand_over())
}

/// The replica on `node`, if leadership can be handed to it at once: it votes, has about everything, and
/// nothing else is under way.
pub(crate) fn heir_on(status: &Status, node: NodeId) -> Option<PeerId> {
    let conf = &status.conf_state;
    let is_busy = status.pending_conf
        || status.transferee.is_some()
        || !conf.voters_outgoing.is_empty()
        || !conf.learners_next.is_empty();
    let group = Group { status, wanted: &BTreeMap::new(), bears_losses: true };
    let mut heirs = conf.voters.iter().copied().filter(|peer| peer.node() == node);
    let heir = heirs.find(|peer| *peer != status.peer && group.is_current(*peer))?;
    (status.role == Role::Leader && !is_busy).then_some(heir)
}

struct Group<'a> {
    status: &'a Status,
    wanted: &'a BTreeMap<NodeId, Part>,
    bears_losses: bool,
}

impl Group<'_> {
    fn part(&self, peer: PeerId) -> Option<Part> {
        self.wanted.get(&peer.node()).copied()
    }

    fn add(&self, generation: u32) -> Option<Step> {
        let conf = &self.status.conf_state;
        let is_there =
            |node: NodeId| conf.voters.iter().chain(&conf.learners).any(|peer| peer.node() == node);
        let missing = self.wanted.keys().find(|node| !is_there(**node))?;
        Some(Step::Change(ConfChange::add_learner(PeerId::on(*missing, generation))))
    }

    fn promote(&self) -> Option<Step> {
        let learners = self.status.conf_state.learners.iter();
        let mut due = learners.filter(|peer| self.part(**peer) == Some(Part::Voter));
        let comes = *due.find(|peer| self.is_current(**peer))?;
        if self.status.conf_state.voters.len() < self.voters_wanted() {
            return Some(Step::Change(ConfChange::add_voter(comes)));
        }
        if let Some(goes) = self.surplus(Some(comes)) {
            let change = vec![PeerChange::AddVoter(comes), self.leave(goes)];
            return Some(Step::Change(ConfChange::Joint(change)));
        }
        // If nobody but the leader is to go, another leads first, who can take its vote.
        self.hand_over().or(Some(Step::Change(ConfChange::add_voter(comes))))
    }

    fn remove(&self) -> Option<Step> {
        let conf = &self.status.conf_state;
        if let Some(peer) = conf.learners.iter().find(|peer| self.part(**peer).is_none()) {
            return Some(Step::Change(ConfChange::remove(*peer)));
        }
        // One for another: whoever comes votes before who goes does so no longer. Else a node that is lost
        // meanwhile would be one too many.
        if conf.voters.len() <= self.voters_wanted() {
            return None;
        }
        let goes = self.surplus(None)?;
        Some(Step::Change(ConfChange::Single(self.leave(goes))))
    }

    fn voters_wanted(&self) -> usize {
        self.wanted.values().filter(|part| **part == Part::Voter).count()
    }

    /// Whose vote can be taken now, perhaps while another gets one; first of who is of no use.
    fn surplus(&self, comes: Option<PeerId>) -> Option<PeerId> {
        let own = self.status.peer;
        let voters = self.status.conf_state.voters.iter().copied();
        let surplus = voters.filter(|peer| {
            *peer != own
                && self.part(*peer) != Some(Part::Voter)
                && self.bears_loss_of(*peer, comes)
        });
        surplus.min_by_key(|peer| self.is_current(*peer))
    }

    fn leave(&self, voter: PeerId) -> PeerChange {
        match self.part(voter) {
            Some(_) => PeerChange::AddLearner(voter),
            None => PeerChange::Remove(voter),
        }
    }

    fn hand_over(&self) -> Option<Step> {
        let own = self.status.peer;
        if self.part(own) == Some(Part::Voter) {
            return None;
        }
        let voters = self.status.conf_state.voters.iter().copied();
        let heirs = voters.filter(|peer| {
            *peer != own && self.part(*peer) == Some(Part::Voter) && self.is_current(*peer)
        });
        let known = heirs.filter_map(|peer| self.progress(peer));
        known.max_by_key(|known| known.matched).map(|known| Step::Transfer(known.peer))
    }

    /// Whether those that stay, and who comes, can go on without the voter.
    fn bears_loss_of(&self, peer: PeerId, comes: Option<PeerId>) -> bool {
        let stay = self.status.conf_state.voters.iter().filter(|other| **other != peer);
        let (all, current) = stay.chain(&comes).fold((0, 0), |(all, current), other| {
            (all + 1, current + usize::from(self.is_current(*other)))
        });
        current * 2 > all || !self.bears_losses
    }

    fn progress(&self, peer: PeerId) -> Option<&PeerStatus> {
        self.status.peers.iter().find(|known| known.peer == peer)
    }

    /// Whether the replica is there, and has about everything.
    fn is_current(&self, peer: PeerId) -> bool {
        if peer == self.status.peer {
            return true;
        }
        self.progress(peer).is_some_and(|known| {
            let enough = known.matched.get() + MARGIN >= self.status.hard_state.commit.get();
            // One that has everything is sent nothing: it is probed until somebody writes, however long
            // that takes.
            let flows = known.flow == Flow::Replicate || known.matched >= self.status.last;
            known.recent_active && flows && enough
        })
    }
}
