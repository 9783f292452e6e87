//! Changing a region's peers (rule 3, pitfall 5).

use bytes::Bytes;
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition};
use types::{ConfState, Entry, Index, Term};

use super::Replica;
use crate::{ConfChange, Error, PeerChange};

impl Replica {
    /// Adds a change of the peers to the log and says where. One may be pending at a time.
    /// `context` travels with it, for the driver; [`ConfChange::decode`] gives it back.
    ///
    /// # Errors
    /// As [`Replica::propose`]; [`Error::ConfChangePending`]; [`Error::TransferFirst`] when the
    /// change takes this leader's own vote; [`Error::InvalidConfChange`] when it does not fit.
    pub fn propose_conf_change(
        &mut self,
        change: ConfChange,
        context: Bytes,
    ) -> Result<(Term, Index), Error> {
        self.run(|replica| {
            replica.can_propose()?;
            change.check()?;
            // The library would replace the change by an empty entry, and say nothing.
            if replica.raw.raft.has_pending_conf() {
                return Err(Error::ConfChangePending);
            }
            let own_vote = change.steps().iter().any(|step| {
                step.peer() == replica.peer && !matches!(step, PeerChange::AddVoter(_))
            });
            if own_vote && replica.guards.transfer_before_removal {
                return Err(Error::TransferFirst);
            }
            let raw = change.to_raft(context);
            replica.would_fit(raw.get_changes(), raw.get_transition())?;
            replica.raw.propose_conf_change(Vec::new(), raw).map_err(|_| Error::Dropped)?;
            Ok(replica.end())
        })
    }

    /// Puts a committed change of the peers into effect, exactly at its place among the applied
    /// entries, and before `applied` is called for it. `accepted` is false for one the state
    /// machine rejects; the configuration then stays as it is. Either way the answer is the
    /// configuration from this entry on, to be stored together with the applied index.
    ///
    /// # Errors
    /// [`Error::InvalidConfChange`], when the change does not fit the configuration; that is so on
    /// every replica, and nothing changed. [`Error::Superseded`], when a snapshot was handed out
    /// since that includes it: what is left before the snapshot is not to be applied any more.
    ///
    /// # Panics
    /// When changes are applied out of order.
    pub fn apply_conf_change(&mut self, entry: &Entry, accepted: bool) -> Result<ConfState, Error> {
        self.run(|replica| {
            let (index, before) = (entry.index.get(), replica.conf_index);
            if index <= replica.superseded {
                return Err(Error::Superseded);
            }
            assert!(index > before, "change of the peers at {index} applied after {before}");
            replica.conf_index = index;
            while replica.conf_due.front().is_some_and(|due| *due <= index) {
                replica.conf_due.pop_front();
            }
            if accepted {
                let (change, context) = ConfChange::decode(entry)?;
                replica
                    .raw
                    .apply_conf_change(&change.to_raft(context))
                    .map_err(|error| Error::InvalidConfChange(error.to_string()))?;
                replica.open_windows();
                replica.leave_if_removed();
            }
            Ok(replica.conf_state())
        })
    }

    /// Rule 3. The library goes on as a leader that is no member, and panics at its next write.
    fn leave_if_removed(&mut self) {
        let raft = &mut self.raw.raft;
        let removed = raft.state == raft::StateRole::Leader && !raft.promotable();
        if removed && self.guards.step_down_when_removed {
            raft.become_follower(raft.term, raft::INVALID_ID);
        }
    }

    pub(super) fn conf_state(&self) -> ConfState {
        self.raw.conf_state()
    }

    fn would_fit(
        &self,
        steps: &[ConfChangeSingle],
        transition: ConfChangeTransition,
    ) -> Result<(), Error> {
        let mut changer = raft::Changer::new(self.raw.raft.prs());
        let outcome = if transition != ConfChangeTransition::Auto {
            changer.enter_joint(true, steps)
        } else if steps.is_empty() {
            changer.leave_joint()
        } else {
            changer.simple(steps)
        };
        outcome.map(drop).map_err(|error| Error::InvalidConfChange(error.to_string()))
    }
}
