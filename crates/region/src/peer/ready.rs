//! What a replica wants done, as its host tells it.

use consensus::{Message, Role};
use types::{Code, Entry, EntryKind, Index, NodeId, PeerId, Term};

use super::{Around, Peer};
use crate::reads::Led;
use crate::{Committed, Install, LogWrite, Output, RegionMessage, RoleChange};

impl<P, R> Peer<P, R> {
    /// Collects everything this replica wants done.
    pub(crate) fn collect(
        &mut self,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> Result<(), consensus::Error> {
        self.give_way(around, out);
        self.propose_fresh(around.limits, out);
        self.ask_read_index(around);
        while self.replica.has_ready() {
            let Some(ready) = self.replica.ready() else { break };
            self.take_ready(ready, around, out)?;
            // What it committed made room.
            self.propose_fresh(around.limits, out);
            self.ask_read_index(around);
        }
        let commit = self.replica.commit_index();
        if commit > self.told_commit {
            self.told_commit = commit;
            out.commits.push((self.region, commit));
        }
        if self.is_asleep() {
            self.replica.nap();
        }
        match self.replica.failure() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn ask_read_index(&mut self, around: &Around<'_>) {
        if self.reads.wants_round()
            && self.leader.is_some()
            && let Ok(context) = self.replica.read_index()
        {
            let led = self.replica.is_leader().then(|| Led {
                term: self.replica.term(),
                began: around.now,
                binding: self.replica.binding(),
            });
            self.reads.begin(context, led);
        }
    }

    fn take_ready(
        &mut self,
        ready: consensus::Ready,
        around: &Around<'_>,
        out: &mut Output<P, R>,
    ) -> Result<(), consensus::Error> {
        if let Some((role, leader, term)) = ready.role_change {
            self.rest.touch(around.ticks);
            let led = self.role == Role::Leader;
            self.take_role(role, leader, term, out);
            if led && role != Role::Leader && around.limits.hibernate_after_ticks.is_some() {
                // Who sleeps under it and cannot be reached by the next leader would take this node's
                // beats for the word of a leader.
                self.take_leave(out);
            }
        }
        if ready.wants_snapshot.is_some() {
            out.snapshots_wanted.push(self.region);
        }
        for context in ready.reads_failed {
            self.reads.retry(context);
        }
        for (context, index) in ready.reads {
            let Some(answered) = self.reads.confirm(context) else { continue };
            let region = self.region;
            out.reads.extend(answered.reads.into_iter().map(|read| (region, index, read)));
            let guards = &around.limits.guards;
            let bound = |led: &Led| led.binding.is_some() && led.binding == self.replica.binding();
            if let Some(led) = answered.led
                && self.role == Role::Leader
                && self.term == led.term
                && (bound(&led) || !guards.lease_from_bound)
            {
                let began = if guards.lease_from_question { led.began } else { around.now };
                out.confirmed.push((region, led.term, began));
            }
        }
        self.route(ready.messages, &mut out.messages);
        let mut after = Vec::new();
        self.route(ready.messages_after_persist, &mut after);
        let reset_to = ready.snapshot.as_ref().map(|meta| (meta.index, meta.term));
        let new = ready.hard_state.unwrap_or(self.newest);
        self.newest = new;
        // The commit index alone is not worth a write: a restart makes it good by what was applied. But no
        // entry may be written without the newest one. It says which changes of the peers are committed, and
        // a change that follows one is in a log only if that one is known to be: who restarts must not stand
        // by the peers of two changes ago.
        let is_due = ready.must_sync
            || !ready.entries.is_empty()
            || reset_to.is_some()
            || (new.term, new.vote) != (self.kept.term, self.kept.vote);
        let told = ready.hard_state.is_some() || around.limits.guards.commit_with_entries;
        let hard_state = (is_due && told && new != self.kept).then_some(new);
        self.kept = hard_state.unwrap_or(self.kept);
        let nothing = hard_state.is_none() && ready.entries.is_empty() && reset_to.is_none();
        if nothing && self.last_write == self.last_durable {
            out.messages.append(&mut after);
            self.replica.persisted(ready.number);
        } else {
            self.last_write = ready.number;
            out.writes.push(LogWrite {
                region: self.region,
                peer: self.replica.peer(),
                number: Some(ready.number),
                hard_state,
                entries: ready.entries,
                reset_to,
                compact_to: None,
                must_sync: !nothing,
                messages: after,
            });
        }
        if self.unapplied() == 0 {
            self.moved_on = around.ticks;
        }
        if let Some(meta) = ready.snapshot {
            self.committed = self.committed.max(meta.index);
            self.drop_proposals_up_to(meta.index, out);
            out.installs.push(Install { region: self.region, meta });
        }
        self.take_committed(ready.committed, out)
    }

    fn take_committed(
        &mut self,
        entries: Vec<Entry>,
        out: &mut Output<P, R>,
    ) -> Result<(), consensus::Error> {
        let Some(last) = entries.last() else { return Ok(()) };
        self.committed = last.index;
        let bytes = entries.iter().map(|entry| entry.data.len()).sum();
        self.unapplied_bytes += bytes;
        self.handed.push_back((last.index, bytes));
        let mut waiting = Vec::new();
        let mut configurations = Vec::new();
        for entry in &entries {
            if entry.kind == EntryKind::ConfChange {
                let configuration = match self.replica.apply_conf_change(entry, true) {
                    // It does not fit on any replica, and changes nothing on all of them.
                    Err(consensus::Error::InvalidConfChange(_)) => self.replica.configuration(),
                    // The snapshot that was handed out meanwhile holds all of this.
                    Err(consensus::Error::Superseded) => {
                        self.drop_proposals_up_to(entry.index, out);
                        return Ok(());
                    }
                    other => other?,
                };
                configurations.push((entry.index, configuration));
            }
            while self.proposals.front().is_some_and(|first| first.index <= entry.index) {
                let Some(first) = self.proposals.pop_front() else { break };
                if first.index == entry.index && first.term == entry.term {
                    waiting.push((entry.index, first.waiting));
                } else {
                    // Another leader's entry was committed in its place: it never happened.
                    out.failed_proposals.push((first.waiting, Code::NotLeader));
                }
            }
        }
        out.committed.push(Committed {
            region: self.region,
            term: self.term,
            entries,
            waiting,
            configurations,
        });
        Ok(())
    }

    fn take_role(
        &mut self,
        role: Role,
        leader: Option<PeerId>,
        term: Term,
        out: &mut Output<P, R>,
    ) {
        if self.role == Role::Leader && role != Role::Leader {
            // Whether these will be committed is for the next leader to say; who asked may ask it
            // again under the same sequence.
            let unknown = self.proposals.drain(..).map(|it| (it.waiting, Code::LeaderChanged));
            out.failed_proposals.extend(unknown);
        }
        if term != self.term || leader != self.leader {
            self.reads.restart();
        }
        if role != Role::Leader {
            self.rounds.clear();
        }
        (self.role, self.leader, self.term) = (role, leader, term);
        let leader = leader.map(PeerId::node);
        out.roles.push(RoleChange { region: self.region, role, leader, term });
    }

    fn drop_proposals_up_to(&mut self, index: Index, out: &mut Output<P, R>) {
        while self.proposals.front().is_some_and(|first| first.index <= index) {
            let Some(first) = self.proposals.pop_front() else { break };
            out.failed_proposals.push((first.waiting, Code::LeaderChanged));
        }
    }

    /// Ends the replica: everybody who waits is told `code`.
    pub(crate) fn close(&mut self, code: Code, out: &mut Output<P, R>) {
        out.failed_proposals.extend(self.fresh.drain(..).map(|(_, waiting)| (waiting, code)));
        out.failed_proposals.extend(self.proposals.drain(..).map(|it| (it.waiting, code)));
        out.failed_reads.extend(self.reads.drain().into_iter().map(|read| (read, code)));
    }

    fn route(&self, messages: Vec<Message>, to: &mut Vec<(NodeId, RegionMessage)>) {
        for message in messages {
            to.push((message.to().node(), RegionMessage { region: self.region, message }));
        }
    }
}
