//! The replicas of a region, as of the last change of them that was applied here.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use state::Machine;
use types::{ConfState, Epoch, NodeId};

/// Where a region's replicas are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Group {
    pub(crate) conf: ConfState,
    pub(crate) epoch: Epoch,
    /// The nodes of those that vote and stay.
    pub(crate) voters: Vec<NodeId>,
}

/// The groups that were met last. Of 10,000 regions many have their replicas on the same nodes, and share
/// what says so.
#[derive(Default)]
pub(crate) struct Groups(Mutex<VecDeque<Arc<Group>>>);

/// So many are remembered.
const REMEMBERED: usize = 32;

impl Groups {
    /// That of a region, as its machine has it.
    pub(crate) fn of(&self, machine: &Machine) -> Arc<Group> {
        let group = Group::of(machine);
        let mut known = self.0.lock();
        if let Some(same) = known.iter().find(|known| ***known == group) {
            return Arc::clone(same);
        }
        let group = Arc::new(group);
        known.push_front(Arc::clone(&group));
        known.truncate(REMEMBERED);
        group
    }
}

impl Group {
    fn of(machine: &Machine) -> Self {
        let applied = machine.applied();
        let voters = applied.conf_state.voters.iter().map(|peer| peer.node()).collect();
        Self { conf: applied.conf_state.clone(), epoch: applied.epoch, voters }
    }

    /// The nodes of those that vote until a joint change is over, and then no more.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = NodeId> + '_ {
        let outgoing = self.conf.voters_outgoing.iter();
        outgoing.filter(|peer| !self.conf.voters.contains(peer)).map(|peer| peer.node())
    }

    /// The nodes of all that vote now.
    pub(crate) fn voting(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.iter().copied().chain(self.leaving())
    }

    /// The nodes of all replicas, those without a vote as well.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voting().chain(self.conf.learners.iter().map(|peer| peer.node()))
    }
}
