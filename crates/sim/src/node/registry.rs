//! What `node::registry` does: the leader's clock of a registry, what is said to it from any node, and
//! the end of what it says is over.

use std::sync::Arc;

use env::Moment;
use state::Machine;
use state::command::{Command, Envelope};
use state::registry::{Changes, Expiry, Registry, RegistryAnswer, RegistryCommand, deadlines};
use state::response::{Outcome, Response};
use storage::engine::Engine;
use types::{Batch, Code, Entry, Index, NodeId, Op, RegionId, Revision};

use super::poller::ToPoller;
use super::{Running, Shard};
use crate::event::{Answer, Asked, Packet, Reading, Wants};
use crate::mutant::Mutant;
use crate::oracle::Fresh;
use crate::registry::{Said, Share, Told, Word, look};
use crate::scenario::HASTE;
use crate::sky::Sky;

/// Few, so that some wait for the next look.
const EXPIRE_AT_ONCE: usize = 3;

/// The registry's time.
fn hasty(now: Moment) -> Moment {
    Moment(now.0 * HASTE)
}

/// A region's machine, of whichever kind.
pub(super) fn load(sky: &Sky, region: RegionId, engine: &dyn Engine) -> Result<Machine, String> {
    let is_home = region > RegionId::DEFAULT && sky.settings.sharded.is_some();
    let machine = if sky.settings.registry.is_some() {
        Machine::load_registry(region, engine)
    } else if is_home {
        Machine::load_sharded(region, engine, None)
    } else {
        Machine::load(region, engine)
    };
    machine.map_err(|error| error.to_string())
}

pub(super) fn share(sky: &Sky, mut settings: deadlines::Settings) -> Arc<Share> {
    if sky.mutant == Some(Mutant::HoldForEver) {
        settings.breaker.window_ms = 1 << 40;
    }
    Arc::new(Share::new(settings))
}

/// A replica's state came from elsewhere than the log: its answers must be those of its revision.
pub(super) fn show(sky: &mut Sky, node: NodeId, region: RegionId, machine: &Machine) {
    let Some(registry) = machine.registry() else { return };
    let verdict =
        sky.oracles.registry.answers.shown(region, node, machine.revision(), look(registry));
    sky.judge("answers and their index", verdict);
}

/// Shows what was applied to the oracles.
pub(super) fn observe(
    sky: &mut Sky,
    (node, region): (NodeId, RegionId),
    (entry, is_repeated): (&Entry, bool),
    registry: &Registry,
    effects: &state::Effects,
    (after, fresh): (Revision, bool),
) {
    let answers = &mut sky.oracles.registry.answers;
    if !fresh {
        if !effects.registry.is_empty() {
            let verdict = answers.shown(region, node, after, look(registry));
            sky.judge("answers and their index", verdict);
        }
        return;
    }
    let verdict = answers.applied(region, after, look(registry), &effects.registry);
    sky.judge("answers and their index", verdict);
    // What it did it did before, and it may have been undone since.
    if is_repeated {
        return;
    }
    let Ok(Envelope { command, .. }) = Envelope::decode(entry.data.clone()) else { return };
    let Command::Registry(command) = command else { return };
    let oracles = &mut sky.oracles.registry;
    let proposals = &oracles.proposals;
    let at = Fresh { now: sky.now, revision: after, registry, effects, proposals };
    oracles.locks.applied(&at);
    let instances = oracles.instances.applied(&command, &at, &mut sky.counts);
    let sessions = oracles.sessions.applied(&command, &at, &mut sky.counts);
    sky.judge("no live instance is lost", instances);
    sky.judge("sessions live", sessions);
}

/// The batch without the records that tell the index of what is not there any more.
pub(super) fn forget_indexes(batch: &mut Batch) {
    batch.ops.retain(|op| {
        let (Op::Put(key, _) | Op::Delete(key)) = op;
        // Behind region, tag and hash come namespace, service and the kind, drawn in docs/format.md.
        let mut parts = key.get(11..).unwrap_or_default().splitn(3, |byte| *byte == 0);
        let kind = parts.nth(2).and_then(|rest| rest.first());
        key.get(8) != Some(&b'G') || !matches!(kind, Some(b'x' | b'l' | b'y' | b'z'))
    });
}

/// The entry without what it ends.
pub(super) fn without_expiries(entry: &Entry) -> Entry {
    let Ok(mut envelope) = Envelope::decode(entry.data.clone()) else { return entry.clone() };
    if let Command::Registry(RegistryCommand::Expire(expiries)) = &mut envelope.command {
        expiries.clear();
    }
    Entry { data: envelope.encode(), ..entry.clone() }
}

/// The outcome as one that grants what was asked for.
pub(super) fn grant(outcome: &mut Outcome) {
    if let Ok(Response::Registry(RegistryAnswer::Granted(granted))) = &mut outcome.result {
        *granted = true;
    }
}

/// The entry as one whose leader saw what stands now.
pub(super) fn with_newest(entry: &Entry, machine: &Machine) -> Entry {
    let Ok(mut envelope) = Envelope::decode(entry.data.clone()) else { return entry.clone() };
    let Some(registry) = machine.registry() else { return entry.clone() };
    let Command::Registry(RegistryCommand::Expire(expiries)) = &mut envelope.command else {
        return entry.clone();
    };
    for expiry in expiries {
        match expiry {
            Expiry::Check { check, modified, .. } | Expiry::Instance { check, modified } => {
                let known = registry.check(check);
                *modified = known.map_or(*modified, |known| known.check.modified);
            }
            Expiry::Session { id, modified } => {
                let known = registry.session(id).value;
                *modified = known.map_or(*modified, |known| known.modified);
            }
        }
    }
    Entry { data: envelope.encode(), ..entry.clone() }
}

impl Shard {
    /// Leadership began, or this process stood still.
    pub(super) fn lead_registry(&self, sky: &Sky, now: Moment) {
        let (Some(share), Some(registry)) = (&self.registry, self.machine.registry()) else {
            return;
        };
        let led = share.clock.load().0 > 0;
        if !(led && sky.mutant == Some(Mutant::KeepDeadlines)) {
            share.clock.lead(hasty(now), registry.timers());
        }
    }

    /// Takes in what was applied.
    pub(super) fn note_registry(&self, sky: &Sky, now: Moment, changes: &Changes) {
        let Some(share) = &self.registry else { return };
        match sky.mutant {
            Some(Mutant::ForgetDeadlines) => {
                let lock_delays = changes.lock_delays.clone();
                share.clock.note(hasty(now), &Changes { lock_delays, ..Changes::default() });
            }
            Some(Mutant::DelaysOfLeader) if !self.leadership.here => {}
            _ => share.clock.note(hasty(now), changes),
        }
    }

    fn hear(&self, now: Moment, word: &Word) -> Option<Told> {
        let (share, now) = (self.registry.as_ref()?, hasty(now));
        let known = |known| if known { Told::Yes } else { Told::No };
        match word {
            Word::Beat(timer, status) => share.clock.hear(now, *timer, *status).map(Told::from),
            Word::Renew(timer) => share.clock.renew(now, *timer).map(known),
            Word::Lock(key) => Some(known(!share.clock.is_delayed(now, key))),
        }
    }

    /// What a client says in the clock's words; `None` if this copy does not know it.
    fn word(&self, said: &Said) -> Option<Word> {
        let registry = self.machine.registry()?;
        match said {
            Said::Beat(check) => registry
                .check_timer(&check.node, &check.namespace, &check.id)
                .map(|timer| Word::Beat(timer, state::registry::Status::Passing)),
            Said::Renew(id) => registry.session(id).value.map(|session| Word::Renew(session.timer)),
            Said::Lock(key) => Some(Word::Lock(key.clone())),
        }
    }
}

impl Running {
    pub(super) fn expire_registry(&mut self, sky: &mut Sky, region: RegionId) {
        let now = self.clock(sky);
        let Some(shard) = self.shards.get(&region) else { return };
        let Some(share) = &shard.registry else { return };
        let Some(due) = share.clock.expired(hasty(now), EXPIRE_AT_ONCE) else {
            sky.counts.stood_still += 1;
            if let Some(registry) = shard.machine.registry() {
                share.clock.lead_on(hasty(now), registry.timers());
            }
            return;
        };
        sky.counts.held_back += u64::from(!share.clock.held().is_empty());
        let Some(registry) = shard.machine.registry() else { return };
        let expiries: Vec<Expiry> =
            due.into_iter().filter_map(|due| registry.expiry(due)).collect();
        if expiries.is_empty() {
            return;
        }
        for expiry in &expiries {
            sky.oracles.registry.proposals.proposed(expiry, sky.now);
        }
        let numbers = [region.get(), expiries.len() as u64, 0, 0];
        sky.note(self.node, "the registry expires", numbers);
        let command = Command::Registry(RegistryCommand::Expire(expiries));
        let data = Envelope { epoch: shard.record.epoch, session: None, command }.encode();
        self.tell(sky, ToPoller::Propose { region, data, asked: Asked::Nobody });
    }

    /// A client says something, through this node.
    pub(super) fn say(&mut self, sky: &mut Sky, region: RegionId, said: Said, asked: Asked) {
        match self.shards.get(&region).and_then(|shard| shard.word(&said)) {
            Some(word) => self.tell_leader(sky, region, word, asked),
            // This copy may be an old one.
            None => self.ask_to_read(sky, region, Reading { asked, wants: Wants::Find(said) }),
        }
    }

    /// This copy is no older than the question now.
    pub(super) fn found(&mut self, sky: &mut Sky, region: RegionId, said: &Said, asked: Asked) {
        match self.shards.get(&region).and_then(|shard| shard.word(said)) {
            Some(word) => self.tell_leader(sky, region, word, asked),
            None => self.reply(sky, asked, Ok(Answer::Told(Told::No, 0))),
        }
    }

    fn tell_leader(&mut self, sky: &mut Sky, region: RegionId, word: Word, asked: Asked) {
        let leadership = self.shards.get(&region).map(|shard| shard.leadership);
        match leadership {
            Some(it) if it.here => self.hear_word(sky, region, word, asked),
            Some(it) => match it.leader {
                Some(leader) => {
                    self.last_question += 1;
                    let (asker, request) = (self.life, self.last_question);
                    self.questions.insert(request, asked);
                    sky.send(self.node, leader, Packet::Word { asker, request, region, word });
                }
                None => self.reply(sky, asked, Err(Code::NoLeader)),
            },
            None => self.reply(sky, asked, Err(Code::RegionNotFound)),
        }
    }

    /// Answers a word as soon as all that is known to be committed is applied.
    pub(super) fn hear_word(&mut self, sky: &mut Sky, region: RegionId, word: Word, asked: Asked) {
        if let Some(told) = self.hear_now(sky, region, &word) {
            self.reply(sky, asked, Ok(told));
            return;
        }
        match self.shards.get(&region) {
            Some(shard) if shard.leadership.here => {
                let committed = Index(shard.committed);
                let reading = Reading { asked, wants: Wants::Hear(word) };
                self.when_applied(sky, region, committed, reading);
            }
            _ => self.reply(sky, asked, Err(Code::NotLeader)),
        }
    }

    /// Everything this node knew of is applied now.
    pub(super) fn hear_caught_up(
        &mut self,
        sky: &mut Sky,
        region: RegionId,
        word: &Word,
        asked: Asked,
    ) {
        if let Some(told) = self.hear_now(sky, region, word) {
            self.reply(sky, asked, Ok(told));
            return;
        }
        // Unknown, or this leader is too new to know.
        let wants = Wants::HearSurely(word.clone());
        let reading = Reading { asked, wants };
        self.tell(sky, ToPoller::Read { region, reading, lease: true });
    }

    /// Answers at once if nothing has to be waited for.
    fn hear_now(&mut self, sky: &mut Sky, region: RegionId, word: &Word) -> Option<Answer> {
        let now = self.clock(sky);
        let is_alone = self.holds_lease(sky, region) || sky.mutant == Some(Mutant::HearUnconfirmed);
        let shard = self.shards.get(&region)?;
        let is_caught_up = shard.machine.applied().index.get() >= shard.committed
            || sky.mutant == Some(Mutant::HearBeforeApplied);
        if !(is_alone && is_caught_up && shard.leadership.here) {
            return None;
        }
        let told = shard.hear(now, word)?;
        if told == Told::No && !matches!(word, Word::Lock(_)) {
            return None;
        }
        let since = shard.knows_since;
        if sky.mutant != Some(Mutant::HearUnconfirmed) {
            self.answers_alone(sky, region);
        }
        Some(Answer::Told(told, since))
    }

    /// A quorum said that this node leads.
    pub(super) fn hear_surely(
        &mut self,
        sky: &Sky,
        region: RegionId,
        word: &Word,
    ) -> Result<Answer, Code> {
        let now = self.clock(sky);
        let shard = self.shards.get(&region).ok_or(Code::RegionNotFound)?;
        let told = shard.hear(now, word).ok_or(Code::NotLeader)?;
        Ok(Answer::Told(told, shard.knows_since))
    }
}
