use std::sync::Arc;

use bytes::Bytes;
use env::Moment;
use spans::{Kind, Trace};
use state::command::{Command, Envelope};
use state::response::Response;
use tokio::sync::oneshot;
use types::{Code, Fault, KeyspaceId};

use super::queue::Done;
use super::{Orders, Unsent};
use crate::Handle;
use crate::answer::{Answer, Header};
use crate::applier::Applied;
use crate::forward::{self, Away};
use crate::levels;
use crate::poller::ToPoller;
use crate::proposal::{Asked, Proposal, Work};
use crate::shard::{Leadership, Shard, TagGuard};
use crate::space::must_have_room;
use crate::waiter::Waiter;

/// A command that was handed over. It keeps its number in use until it is dropped.
pub struct Submission {
    shard: Arc<Shard>,
    guard: TagGuard,
    data: Bytes,
    leader: Leadership,
    /// When it came, if it is one of those that are measured.
    since: Option<Moment>,
    /// Its way to another node, if it is traced and has one.
    away: Option<Box<Away>>,
}

/// A command whose end somebody has to wait for.
pub struct Pursuit {
    submission: Submission,
    outcome: oneshot::Receiver<Applied>,
    unknown: bool,
}

impl Handle {
    /// Hands a command over, to be carried out once, wherever the leader is; what becomes of it is
    /// told to the desk of `orders` under `ticket`. Nothing happens before [`Self::send`]. What is done
    /// for it is part of `trace`.
    ///
    /// # Errors
    /// [`Unsent`]: what the state machine refuses before it is asked, a limit; or that there is
    /// nobody to hand it to now.
    pub fn submit(
        &self,
        keyspace: KeyspaceId,
        command: Command,
        orders: &mut Orders,
        ticket: u64,
        trace: Option<&Trace>,
    ) -> Result<Submission, Unsent<Command>> {
        if matches!(command, Command::Registry(_)) && self.sharded_registry(keyspace).is_some() {
            // It may be of another part, or of several: [`Handle::route`] knows, or `propose`.
            return Err(Unsent::NotNow(command));
        }
        state::check(&command)?;
        levels::must_be_used(&self.shared, command.level())?;
        let Ok(shard) = self.shard(keyspace) else { return Err(Unsent::NotNow(command)) };
        let leader = shard.leadership();
        let Some(node) = leader.leader else { return Err(Unsent::NotNow(command)) };
        let shared = &self.shared;
        let is_sampled = shard.heat.ask(shared, || state::sharded::span(&command))?;
        let since = is_sampled.then(|| shared.clock.now());
        let waiter = Waiter::Desk(orders.way(ticket));
        let guard = shard.tag_for(shared.incarnation.0, waiter).map_err(Fault::from)?;
        let envelope = Envelope { epoch: shard.record.epoch, session: Some(guard.tag), command };
        let data = envelope.encode();
        if data.len() > types::limits::REQUEST_BYTES + 4096 {
            return Err(Fault::from(Code::RequestTooLarge).into());
        }
        let (region, mut away) = (shard.record.id, None);
        if leader.here {
            if must_have_room(shared, region, &data).is_err() {
                return Err(Unsent::NotNow(envelope.command));
            }
            shared.admit_bytes(data.len()).map_err(Fault::from)?;
            let work = trace.map(|trace| Work::begin(trace, Kind::Internal, &shard));
            let proposal = Proposal { asked: Asked::Desk(orders.way(ticket)), work };
            let propose = ToPoller::Propose { region, data: data.clone(), proposal };
            orders.poller(shared, region).push(propose);
        } else {
            let begin = |trace| Box::new(Away::begin(shared, trace, "Propose", (node, region)));
            away = trace.map(begin);
            let context = away.as_ref().and_then(|away| away.context());
            orders.frames.command(node, region, guard.tag.sequence, &data, context);
        }
        Ok(Submission { shard, guard, data, leader, since, away })
    }

    /// Lets everything go that was handed over.
    pub fn send(&self, orders: &mut Orders) {
        orders.send_through(&self.shared);
    }

    /// Brings a command to its end that did not get there the ordinary way.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub async fn pursue(&self, pursuit: Pursuit) -> Result<Answer<Response>, Fault> {
        let Pursuit { submission, outcome, unknown } = pursuit;
        let Submission { shard, guard, data, since, .. } = submission;
        let applied = forward::carry(&self.shared, &shard, data, outcome, unknown).await;
        drop(guard);
        let applied = applied?;
        self.shared.note_write(since);
        self.answer_of(&shard, applied)
    }

    fn answer_of(&self, shard: &Shard, applied: Applied) -> Result<Answer<Response>, Fault> {
        let header = self.header_at(shard, applied.outcome.revision);
        let body = applied.outcome.result?;
        Ok(Answer { header: Header { term: applied.term, ..header }, body })
    }
}

impl Submission {
    /// The answer to a command that is done.
    ///
    /// # Errors
    /// What the state machine refused.
    pub fn answer(mut self, handle: &Handle, done: Done) -> Result<Answer<Response>, Fault> {
        handle.shared.meters.proposal(None);
        handle.shared.note_write(self.since);
        self.guard.is_done();
        handle.answer_of(&self.shard, done.0)
    }

    /// Whether its leader is not the one it was sent to any more: nobody may ever answer it.
    #[must_use]
    pub fn is_astray(&self) -> bool {
        let now = self.shard.leadership();
        now.leader != self.leader.leader || now.term != self.leader.term
    }

    /// What is to be done about a command whose answer did not come. `reason` is what its desk was
    /// told of it, if anything.
    #[must_use]
    pub fn stuck(mut self, reason: Option<&Fault>) -> Stuck {
        if let (Some(away), Some(fault)) = (&mut self.away, reason) {
            away.failed(fault);
        }
        if let Some(fault) = reason.filter(|fault| !forward::may_retry(fault.code)) {
            return Stuck::Refused(fault.clone());
        }
        // A refusal that says that it was not carried out; all else may yet come true.
        let refused = reason.is_some_and(|fault| fault.code == Code::NotLeader);
        let (sender, outcome) = oneshot::channel();
        if !self.shard.wait_instead(self.guard.tag.sequence, Waiter::Task(sender)) {
            return Stuck::OnDesk(self);
        }
        Stuck::Pursue(Pursuit { submission: self, outcome, unknown: !refused })
    }
}

/// See [`Submission::stuck`].
pub enum Stuck {
    /// This is its answer.
    Refused(Fault),
    /// Its outcome is on the desk already.
    OnDesk(Submission),
    /// Nothing more comes to the desk; somebody has to wait for it ([`Handle::pursue`]).
    Pursue(Pursuit),
}
