//! Applying entries of the log.

use types::{Batch, Code, Entry, Fault, KeyRange, LeaseId, ReadFailure, Reader};

use super::read::retired;
use super::{Effects, Kind, LeaseChange, Machine};
use crate::auth::leases_of;
use crate::command::{Command, Envelope};
use crate::custom::{CUSTOM_ONLY, Store};
use crate::registry::{self, RegistryCommand};
use crate::response::{Outcome, Response};
use crate::sharded::{self, Order, Stage};

type Answer = Result<Response, Fault>;

impl Machine {
    /// Applies one entry that is no change of peers. What is wrong with a command is part of its
    /// outcome, also when it cannot be decoded: it is in the log of every replica.
    ///
    /// # Errors
    /// The engine's; the machine must not be used any more then.
    pub fn apply(
        &mut self,
        entry: &Entry,
        reader: &dyn Reader,
        batch: &mut Batch,
    ) -> Result<Effects, ReadFailure> {
        self.advance(entry.index, entry.term);
        if entry.data.is_empty() {
            return Ok(self.effects(Ok(Response::Done)));
        }
        let envelope = match Envelope::decode(entry.data.clone()) {
            Ok(envelope) => envelope,
            Err(error) => {
                let fault = Fault::new(Code::InvalidArgument, error.to_string());
                return Ok(self.effects(Err(fault)));
            }
        };
        let session = envelope.session;
        let mut effects = self.apply_envelope(entry, envelope, reader, batch)?;
        effects.session = session;
        Ok(effects)
    }

    fn apply_envelope(
        &mut self,
        entry: &Entry,
        envelope: Envelope,
        reader: &dyn Reader,
        batch: &mut Batch,
    ) -> Result<Effects, ReadFailure> {
        match envelope.session.as_ref().and_then(|tag| self.sessions.seen(tag)) {
            Some(Ok(outcome)) => {
                return Ok(Effects { outcome, ..self.effects(Ok(Response::Done)) });
            }
            Some(Err(fault)) => return Ok(self.effects(Err(fault))),
            None => {}
        }
        if envelope.epoch.version != self.applied.epoch.version {
            // Not kept in the session: the client asks the right region under the same number.
            return Ok(self.effects(Err(Code::EpochMismatch.into())));
        }
        if let Kind::Sharded(own) = &self.kind
            && sharded::span(&envelope.command).is_some_and(|span| !own.owns(&span))
        {
            return Ok(self.effects(Err(Code::EpochMismatch.into())));
        }
        let mut effects = self.effects(Ok(Response::Done));
        effects.outcome.result = self.carry_out(envelope.command, reader, batch, &mut effects)?;
        effects.outcome.revision = self.revision();
        if let Some(tag) = &envelope.session {
            self.sessions.keep(tag, entry.index, &effects.outcome);
        }
        Ok(effects)
    }

    fn effects(&self, result: Answer) -> Effects {
        Effects {
            outcome: Outcome { revision: self.revision(), result },
            session: None,
            events: Vec::new(),
            leases: Vec::new(),
            directory_changed: false,
            registry: registry::Changes::default(),
            split: None,
        }
    }

    fn carry_out(
        &mut self,
        command: Command,
        reader: &dyn Reader,
        batch: &mut Batch,
        effects: &mut Effects,
    ) -> Result<Answer, ReadFailure> {
        match &mut self.kind {
            Kind::KeyValue | Kind::Registry(_) => {}
            Kind::Directory(directory) => {
                let (result, changed) = directory.apply(&command, batch);
                effects.directory_changed = changed;
                return Ok(result);
            }
            Kind::Custom(custom) => {
                let Command::Execute { data } = command else {
                    return Ok(Err(Fault::new(Code::Unsupported, CUSTOM_ONLY)));
                };
                let at = (self.applied.index, self.applied.term);
                let unwritten = &mut custom.unwritten;
                let mut store = Store::new(self.region, at, reader, unwritten, batch);
                let answer = custom.machine.apply(data, &mut store)?;
                return Ok(Ok(Response::Executed(answer)));
            }
            Kind::Sharded(own) => {
                let Command::Split { at, child, keys, bytes } = &command else {
                    let events = &mut effects.events;
                    return own.apply(&command, Stage { reader, batch, events });
                };
                let order = Order { at, child: *child, keys: *keys, bytes: *bytes };
                return Ok(self.split(order).map(|(response, split)| {
                    effects.split = Some(Box::new(split));
                    response
                }));
            }
            Kind::Retired => return Ok(Err(retired())),
        }
        let Some(space) = self.space.as_deref_mut() else {
            return Ok(Err(sharded::ordered_only()));
        };
        if let Err(code) = space.alarms().refuse(&command) {
            return Ok(Err(code.into()));
        }
        match command {
            Command::Put(put) => space.change(reader, batch, &mut effects.events).put(&put),
            Command::Delete(delete) => {
                space.change(reader, batch, &mut effects.events).delete(&delete).map(Ok)
            }
            Command::Txn(txn) => space.change(reader, batch, &mut effects.events).txn(&txn),
            Command::Compact { revision } => Ok(space.compact(revision)),
            Command::Alarm { alarm, raise } => Ok(space.set_alarm(alarm, raise, batch)),
            Command::LeaseGrant { id, ttl_seconds } => {
                let result = space.grant(id, ttl_seconds, batch);
                if result.is_ok() {
                    effects.leases.push(LeaseChange::Granted { id, ttl_seconds });
                }
                Ok(result)
            }
            Command::LeaseRevoke { id } => Ok(self.revoke(id, reader, batch, effects)),
            Command::Limited { ranges, command } => {
                if !self.leases_within(&command, &ranges) {
                    return Ok(Err(Code::PermissionDenied.into()));
                }
                self.carry_out(*command, reader, batch, effects)
            }
            Command::LeaseExpire { ids } => {
                for id in ids {
                    // Revoked meanwhile, or named twice: nothing is left to do.
                    drop(self.revoke(id, reader, batch, effects));
                }
                Ok(Ok(Response::Done))
            }
            Command::Registry(command) => self.change_registry(command, reader, batch, effects),
            Command::Split { .. } => {
                Ok(Err(Fault::new(Code::Unsupported, "this keyspace is not sharded")))
            }
            Command::Execute { .. } => {
                Ok(Err(Fault::new(Code::Unsupported, "this keyspace has no machine of its own")))
            }
            Command::Initialize { .. }
            | Command::RegisterNode(_)
            | Command::TellLevel { .. }
            | Command::RaiseLevel { .. }
            | Command::AddNode { .. }
            | Command::IntroduceNode { .. }
            | Command::PromoteNode { .. }
            | Command::RemoveNode { .. }
            | Command::UpdateNode { .. }
            | Command::RecordPeers { .. }
            | Command::CreateKeyspace { .. }
            | Command::CreateMachine { .. }
            | Command::CreateRegistry { .. }
            | Command::CreateSharded { .. }
            | Command::PlanSplit { .. }
            | Command::Place { .. }
            | Command::DrainNode { .. }
            | Command::Auth(_) => {
                Ok(Err(Fault::new(Code::Unsupported, "only the meta region keeps a directory")))
            }
        }
    }

    fn change_registry(
        &mut self,
        command: RegistryCommand,
        reader: &dyn Reader,
        batch: &mut Batch,
        effects: &mut Effects,
    ) -> Result<Answer, ReadFailure> {
        let Kind::Registry(registry) = &mut self.kind else {
            return Ok(Err(Fault::new(Code::Unsupported, registry::REGISTRY_ONLY)));
        };
        let Some(space) = self.space.as_deref_mut() else {
            return Ok(Err(sharded::ordered_only()));
        };
        let (region, events) = (self.region, &mut effects.events);
        let stage = registry::Stage { region, registry, space, reader, batch, events };
        let answer = registry::carry_out(command, stage, &mut effects.registry)?;
        Ok(answer.map(Response::Registry))
    }

    /// Whether every key that lives with a lease the command touches is in one of the ranges.
    fn leases_within(&self, command: &Command, ranges: &[KeyRange]) -> bool {
        let leases = leases_of(command);
        let keys = |lease| self.space.iter().flat_map(move |space| space.leases().keys(lease));
        let mut keys = leases.iter().flat_map(|lease| keys(*lease));
        keys.all(|key| ranges.iter().any(|range| range.contains(key)))
    }

    fn revoke(
        &mut self,
        id: LeaseId,
        reader: &dyn Reader,
        batch: &mut Batch,
        effects: &mut Effects,
    ) -> Answer {
        let Some(space) = self.space.as_deref_mut() else { return Err(sharded::ordered_only()) };
        let result = space.change(reader, batch, &mut effects.events).revoke(id);
        if result.is_ok() {
            effects.leases.push(LeaseChange::Revoked { id });
        }
        result
    }
}
