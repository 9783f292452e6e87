//! What comes out, and what the driver says it did with it.

use raft::StateRole;
use types::{Entry, EntryKind, HardState, Index};

use super::Replica;
use super::writes::Write;
use crate::{Message, Ready, convert};

impl Replica {
    /// Whether [`Replica::ready`] has something.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        if self.stopped.is_some() || self.inside {
            return false;
        }
        let Some(node) = self.raw.node() else { return false };
        node.has_ready()
            || self.reads.has_failed()
            || self.raw.store().has_wanted()
            || self.held.front().is_some_and(|entry| !self.must_wait(entry))
    }

    /// What is to be done now, if anything. Several may be under way at once; see [`Ready`] for
    /// the order that must hold.
    pub fn ready(&mut self) -> Option<Ready> {
        if !self.has_ready() {
            return None;
        }
        let ready = self.run(|replica| Ok(replica.take_ready())).ok()?;
        Some(ready)
    }

    fn take_ready(&mut self) -> Ready {
        let mut raw = self.raw.ready();
        let mut ready = Ready {
            number: self.earlier + raw.number(),
            hard_state: raw.hs().map(convert::hard_state_from_raft),
            entries: raw.take_entries().into_iter().map(convert::entry_from_raft).collect(),
            messages: self.messages(raw.take_messages()),
            messages_after_persist: self.messages(raw.take_persisted_messages()),
            must_sync: raw.must_sync(),
            ..Ready::default()
        };
        if !raw.snapshot().is_empty() {
            let snapshot = convert::snapshot_from_raft(raw.snapshot());
            self.raw.mut_store().restore(snapshot.index.get(), snapshot.term.get());
            self.open_windows();
            // The snapshot holds what they would do.
            self.held.clear();
            self.conf_due.clear();
            self.conf_index = self.conf_index.max(snapshot.index.get());
            self.handed = self.handed.max(snapshot.index.get());
            self.superseded = snapshot.index.get();
            ready.snapshot = Some(snapshot);
        }
        self.raw.mut_store().append(&ready.entries);
        for state in raw.take_read_states() {
            ready.reads.extend(self.reads.answer(&state.request_ctx, state.index));
        }
        let committed = raw.take_committed_entries();
        self.raw.advance_append_async(raw);

        self.release(committed.into_iter().map(convert::entry_from_raft), &mut ready);
        self.tell_role(&mut ready);
        ready.reads_failed = self.reads.take_failed();
        ready.wants_snapshot = self.raw.mut_store().take_wanted();
        if ready.wants_snapshot.is_some() {
            self.asked = self.now;
        }
        self.issue(&mut ready);
        ready
    }

    /// Hands out committed entries, up to a change of the peers whose commit is not durable.
    fn release(&mut self, committed: impl Iterator<Item = Entry>, ready: &mut Ready) {
        self.held.extend(committed);
        while let Some(entry) = self.held.front() {
            if self.must_wait(entry) {
                break;
            }
            if entry.kind == EntryKind::ConfChange {
                self.conf_due.push_back(entry.index.get());
            }
            self.handed = entry.index.get();
            ready.committed.extend(self.held.pop_front());
        }
        if self.held.is_empty() {
            self.held.shrink_to_fit();
        } else if let Some(entry) = self.held.front()
            && !self.writes.will_commit(entry.index.get())
        {
            ready.hard_state = Some(self.hard_state());
            ready.must_sync = true;
        }
    }

    /// A replica that forgets, in a crash, that a change of the peers was committed would stand for
    /// election in the old configuration while the others go by the new one; both could win.
    fn must_wait(&self, entry: &Entry) -> bool {
        entry.kind == EntryKind::ConfChange
            && self.guards.durable_conf_changes
            && entry.index.get() > self.writes.durable_commit()
    }

    fn tell_role(&mut self, ready: &mut Ready) {
        let now = (self.role(), self.leader(), self.term());
        if now != self.told {
            self.told = now;
            ready.role_change = Some(now);
        }
    }

    fn issue(&mut self, ready: &mut Ready) {
        let synced = ready.hard_state.filter(|_| ready.must_sync);
        let span = |entries: &[Entry]| {
            let (first, last) = (entries.first()?, entries.last()?);
            Some((first.index.get(), last.index.get()))
        };
        let vote = ready.hard_state.is_some_and(|state| self.writes.is_new_vote(&state));
        self.writes.issue(Write {
            number: ready.number,
            entries: span(&ready.entries),
            snapshot: ready.snapshot.is_some(),
            vote,
            commit: synced.map(|state| state.commit.get()),
        });
        // A sole voter leads without having asked anybody. If its learners got entries of a term
        // that it forgets in a crash, it would give out others for the same term and index.
        if self.guards.vote_before_appends
            && self.raw.raft.state == StateRole::Leader
            && self.writes.has_vote()
        {
            let early = core::mem::take(&mut ready.messages);
            ready.messages_after_persist.splice(0..0, early);
        }
        announce_at_once(ready);
        // With nothing on its way to the disk there is nothing to wait for.
        if let Some(number) = self.writes.complete_empty() {
            self.raw.on_persist_ready(number - self.earlier);
            ready.messages.append(&mut ready.messages_after_persist);
        }
    }

    /// Everything of the `Ready`s up to this number is durable.
    ///
    /// # Panics
    /// When there was no such `Ready` yet.
    pub fn persisted(&mut self, ready_number: u64) {
        let _ = self.run(|replica| {
            let ordered = replica.guards.ordered_persists;
            if let Some(number) = replica.writes.complete(ready_number, ordered) {
                // One from before it slept says nothing new.
                replica.raw.on_persist_ready(number.saturating_sub(replica.earlier));
                let durable = replica.raw.raft.raft_log.persisted;
                replica.raw.mut_store().durable_to(durable);
                replica.pass_applied();
            }
            Ok(())
        });
    }

    /// The state machine has applied everything up to `index`, or a snapshot of `index` is in
    /// place. Smaller numbers than before are ignored.
    ///
    /// # Panics
    /// When `index` was not handed out as committed, or a change of the peers up to there was not
    /// given to [`Replica::apply_conf_change`].
    pub fn applied(&mut self, index: Index) {
        let _ = self.run(|replica| {
            if let Some(due) = replica.conf_due.front() {
                assert!(*due > index.get(), "applied {index} without the peer change at {due}");
            }
            let handed = replica.handed;
            assert!(index.get() <= handed, "applied {index}, only {handed} was handed out");
            replica.applied = replica.applied.max(index.get());
            replica.pass_applied();
            Ok(())
        });
    }

    /// Tells the library what is applied. A snapshot that another one overtook on the way to the
    /// disk is in place before the library may know that it is durable.
    fn pass_applied(&mut self) {
        let log = &self.raw.raft.raft_log;
        let to = self.applied.min(log.committed).min(log.persisted);
        let before = log.last_index();
        if to > log.applied {
            self.raw.advance_apply_to(to);
        }
        // The library appended the end of a joint configuration, but does not send it.
        if self.raw.raft.raft_log.last_index() > before {
            self.raw.raft.bcast_append();
        }
    }

    /// By recipient, each one's in order: the library's own order follows its hash tables.
    fn messages(&self, raw: Vec<raft::eraftpb::Message>) -> Vec<Message> {
        let mut messages: Vec<_> = raw.into_iter().map(Message::from_raft).collect();
        if self.binding().is_some() {
            messages.iter_mut().for_each(Message::bind);
        }
        messages.sort_by_key(Message::to);
        messages
    }

    pub(super) fn hard_state(&self) -> HardState {
        self.raw.hard_state()
    }
}

/// A snapshot travels with its records, on a way of its own that drivers know for `messages` only. It may
/// leave at once whatever became of its sender: it holds nothing but what is committed, and its term is one
/// that was led. The library has it wait with the rest where the leader steps down in the same moment.
fn announce_at_once(ready: &mut Ready) {
    let after = core::mem::take(&mut ready.messages_after_persist);
    let (snapshots, after): (Vec<_>, Vec<_>) = after.into_iter().partition(Message::is_snapshot);
    ready.messages.extend(snapshots);
    ready.messages_after_persist = after;
}
