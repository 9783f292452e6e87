//! Messages coming in: what a correct peer can have sent to this replica now (rule 7), and what is
//! not listened to for the moment (rule 5). Each check that guards the library from a panic says so.

use types::Index;

use super::Replica;
use super::reads::READS;
use crate::{Error, Message, MessageKind};

/// What is done with a message.
enum Verdict {
    Deliver,
    /// As if the network had lost it.
    Drop,
}

impl Replica {
    /// Takes in a message. The caller has seen to it that it is for this region, and that its
    /// sender is who it says.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NoSuchPeer`] and [`Error::LostLog`]: the message was not taken
    /// in. The last one is grave and should quarantine the replica.
    pub fn step(&mut self, message: Message) -> Result<(), Error> {
        self.run(|replica| {
            let from = message.from();
            if replica.guards.validate_messages
                && let Verdict::Drop = replica.judge(&message)?
            {
                return Ok(());
            }
            if replica.is_unheard(&message) {
                return Ok(());
            }
            let leads = matches!(
                message.kind(),
                MessageKind::Append | MessageKind::Heartbeat | MessageKind::Snapshot
            );
            let binds = message.binds();
            let result = replica.raw.step(message.0);
            if leads && replica.leader() == Some(from) && !replica.is_leader() {
                replica.hears_leader(binds);
            }
            result.map_err(|error| replica.translate(from, &error))
        })
    }

    fn judge(&self, message: &Message) -> Result<Verdict, Error> {
        let from = message.from();
        let refused = |why| Err(Error::Refused { from, why });
        message.check().map_err(|why| Error::Refused { from, why })?;
        if message.to() != self.peer {
            return refused("it is for another replica");
        }
        let raft = &self.raw.raft;
        let (raw, log) = (&message.0, &raft.raft_log);
        let current = raw.term == raft.term;
        match message.kind() {
            MessageKind::Append
            | MessageKind::Heartbeat
            | MessageKind::Snapshot
            | MessageKind::TimeoutNow
                if current && ![raft::INVALID_ID, raw.from].contains(&raft.leader_id) =>
            {
                refused("a second leader in one term")
            }
            // The library panics, "to_commit is out of range".
            MessageKind::Heartbeat if raw.term >= raft.term && raw.commit > log.last_index() => {
                Err(Error::LostLog { commit: Index(raw.commit), last: Index(log.last_index()) })
            }
            // Its configuration is not in the log; see `Start::bootstrap`.
            MessageKind::Append if raw.index == 0 && !raw.get_entries().is_empty() => {
                refused("entries before the first snapshot")
            }
            MessageKind::Snapshot if raw.term >= raft.term => {
                let meta = raw.get_snapshot().get_metadata();
                if meta.index == log.committed && !log.match_term(meta.index, meta.term) {
                    return refused("a snapshot of another history");
                }
                Ok(Verdict::Deliver)
            }
            // The library would count entries as replicated that do not exist yet.
            MessageKind::AppendResponse
                if current && self.is_leader() && !raw.reject && raw.index > log.last_index() =>
            {
                refused("acknowledges entries that were never sent")
            }
            MessageKind::ReadIndex => {
                if self.is_leader() && raft.prs().get(raw.from).is_none() {
                    return Err(Error::NoSuchPeer(from));
                }
                // Followers would pass it on, in circles if they disagree; the asker tries again.
                let takes = self.is_leader() && raft.pending_read_count() < READS;
                Ok(if takes { Verdict::Deliver } else { Verdict::Drop })
            }
            _ => Ok(Verdict::Deliver),
        }
    }

    fn is_unheard(&self, message: &Message) -> bool {
        match message.kind() {
            // Rule 5. A campaign the leader itself asked for is exempt: it gave up its lease. One of a
            // term that is over is told so.
            MessageKind::Vote | MessageKind::PreVote => {
                let promised = self.is_bound() && message.0.term >= self.raw.raft.term;
                (self.settling > 0 || promised) && message.0.context != raft::CAMPAIGN_TRANSFER
            }
            // The library panics when it becomes leader with a log that is not durable. Correct
            // peers cannot answer before it is: the question leaves after that.
            MessageKind::VoteResponse | MessageKind::PreVoteResponse => {
                self.guards.settle_before_campaign && !self.all_durable()
            }
            MessageKind::TimeoutNow => {
                let log = &self.raw.raft.raft_log;
                let installing = log.applied + 1 < log.first_index();
                self.guards.settle_before_campaign
                    && (installing || (self.is_only_voter() && !self.all_durable()))
            }
            _ => false,
        }
    }
}
