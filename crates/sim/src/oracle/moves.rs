//! No change of a region's voters takes away the majority that it has: never below a majority of live
//! replicas by our own doing.

use std::collections::{BTreeMap, BTreeSet};

use consensus::{ConfChange, PeerChange};
use types::{ConfState, NodeId, PeerId};

/// A leader knows who is gone two election timeouts after the last word of it came, and that may
/// have been on its way for 0.8 s: until then, in microseconds, who went counts as there. So does everybody
/// for a leader that did not get to run itself.
const KNOWN_AFTER: u64 = 1_300_000;

#[derive(Default)]
pub(crate) struct Moves {
    /// Since when nodes are down.
    down: BTreeMap<NodeId, u64>,
    /// Until when nodes stand still that may not know what happened meanwhile.
    still: BTreeMap<NodeId, u64>,
}

impl Moves {
    pub(crate) fn down(&mut self, now: u64, node: NodeId) {
        self.down.entry(node).or_insert(now);
    }

    pub(crate) fn up(&mut self, node: NodeId) {
        self.down.remove(&node);
        self.still.remove(&node);
    }

    pub(crate) fn stands_still(&mut self, node: NodeId, until: u64) {
        let known = self.still.entry(node).or_default();
        *known = until.max(*known);
    }

    /// A leader proposes a change of its region's replicas.
    pub(crate) fn step(
        &self,
        now: u64,
        leader: NodeId,
        from: &ConfState,
        change: &ConfChange,
    ) -> Result<(), String> {
        if self.still.get(&leader).is_some_and(|until| until + KNOWN_AFTER > now) {
            return Ok(());
        }
        let before: BTreeSet<PeerId> = from.voters.iter().copied().collect();
        let mut after = before.clone();
        let steps = match change {
            ConfChange::Single(step) => core::slice::from_ref(step),
            ConfChange::Joint(steps) => steps.as_slice(),
            ConfChange::LeaveJoint => &[],
        };
        for step in steps {
            match step {
                PeerChange::AddVoter(peer) => after.insert(*peer),
                PeerChange::AddLearner(peer) | PeerChange::Remove(peer) => after.remove(peer),
            };
        }
        let is_there = |peer: &&PeerId| {
            self.down.get(&peer.node()).is_none_or(|since| since + KNOWN_AFTER > now)
        };
        let has_majority =
            |voters: &BTreeSet<PeerId>| voters.iter().filter(is_there).count() * 2 > voters.len();
        if has_majority(&before) && !has_majority(&after) {
            return Err(format!(
                "{change:?} of {before:?} leaves no majority that is there; down: {:?}",
                self.down
            ));
        }
        Ok(())
    }
}
