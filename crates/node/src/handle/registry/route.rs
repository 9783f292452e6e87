//! What changes a sharded registry: which part of it has to carry it out, and in which order where it is
//! more than one. Nodes with their own checks, sessions and keys are at home; instances with their checks are
//! in the shard of their service.

use state::command::Command;
use state::registry::{
    CheckKey, Name, Registration, Registries, RegistryAnswer, RegistryCommand, Target,
};
use state::response::Response;
use types::{Code, Fault, KeyspaceId};

use super::super::Handle;
use super::register::{Pieces, Registered, key_of, service_of};
use crate::answer::{Answer, Consistency};
use crate::registry::Parts;

pub(super) const HOME: usize = 0;

/// A change that one part of the registry carries out.
pub struct Routed {
    /// The keyspace of that part.
    pub keyspace: KeyspaceId,
    /// As that part is to have it.
    pub change: RegistryCommand,
    /// For its answer, unless that is the registry's as it is.
    pub rest: Option<Box<Rest>>,
}

/// What is left to be done about a change that went to one part.
pub struct Rest {
    part: usize,
    whole: Box<Registration>,
}

impl Rest {
    /// The change as it was asked for.
    #[must_use]
    pub fn whole(self) -> RegistryCommand {
        RegistryCommand::Register(self.whole)
    }

    /// The registry's answer. `Err` has the change back: it has to go by [`Handle::propose`], since the shard
    /// lacks its node.
    pub fn finish(
        self,
        answer: Result<Answer<Response>, Fault>,
    ) -> Result<Result<Answer<Response>, Fault>, RegistryCommand> {
        match answer {
            Err(fault) if fault.code == Code::NodeUnknown => {
                Err(RegistryCommand::Register(self.whole))
            }
            Err(fault) => Ok(Err(fault)),
            Ok(answer) => {
                let mut done = Registered::default();
                done.note(self.part, answer);
                Ok(done.answer())
            }
        }
    }
}

impl Handle {
    /// Has a command carried out by the parts of a sharded registry that it is about.
    pub(crate) async fn propose_sharded_registry(
        &self,
        parts: &Parts,
        command: RegistryCommand,
    ) -> Result<Answer<Response>, Fault> {
        match command {
            RegistryCommand::Register(registration) => self.register(parts, *registration).await,
            RegistryCommand::Deregister(Target::Node(name)) => {
                let command = RegistryCommand::Deregister(Target::Node(Name::clone(&name)));
                let answer = self.at_part(parts, HOME, command).await?;
                // Also where the home does not know it: somebody may have been cut off before this.
                self.tell_shards(parts, &[name]).await?;
                Ok(answer)
            }
            RegistryCommand::Deregister(Target::Instance(key)) => {
                let find = |all: Registries<'_>| all.parts_with_instance(&key);
                let command = RegistryCommand::Deregister(Target::Instance(key.clone()));
                self.where_it_is(parts, find, command).await.map(|(answer, _)| answer)
            }
            RegistryCommand::Deregister(Target::Check(key)) => {
                let command = RegistryCommand::Deregister(Target::Check(key.clone()));
                self.change_check(parts, &key, command).await
            }
            RegistryCommand::UpdateCheck { check, status, output } => {
                let key = check.clone();
                let command = RegistryCommand::UpdateCheck { check, status, output };
                self.change_check(parts, &key, command).await
            }
            RegistryCommand::Txn(ops) => self.txn_of_parts(parts, ops).await,
            RegistryCommand::CreateSession(session) if !session.service_checks.is_empty() => {
                Err(not_sharded("a session that hangs on checks of instances"))
            }
            RegistryCommand::Restore(_) => {
                Err(not_sharded("a snapshot of Consul's, to be restored"))
            }
            RegistryCommand::CreateSession(_)
            | RegistryCommand::DestroySession { .. }
            | RegistryCommand::RenewSession { .. }
            | RegistryCommand::Kv(_)
            | RegistryCommand::KvDelete { .. } => self.at_part(parts, HOME, command).await,
            // Nodes say these to the region they mean.
            RegistryCommand::Expire(_)
            | RegistryCommand::Mirror(_)
            | RegistryCommand::RegisterOn(_) => Err(Code::Unsupported.into()),
        }
    }

    /// Where a change of the registry can go as it is, without waiting for anything; `Err` has it back where
    /// it has to go by [`Self::propose`]. By this node's copies: what they do not know yet is found out by
    /// [`Rest::finish`].
    pub fn route(
        &self,
        keyspace: KeyspaceId,
        change: RegistryCommand,
    ) -> Result<Routed, RegistryCommand> {
        let Some(parts) = self.sharded_registry(keyspace) else {
            return Ok(Routed { keyspace, change, rest: None });
        };
        let RegistryCommand::Register(registration) = change else { return Err(change) };
        match self.route_now(&parts, &registration) {
            None => Err(RegistryCommand::Register(registration)),
            Some((part, keyspace)) => {
                let rest = Rest { part, whole: registration.clone() };
                let change = RegistryCommand::RegisterOn(registration);
                Ok(Routed { keyspace, change, rest: Some(Box::new(rest)) })
            }
        }
    }

    /// What can go to one shard as it is: an instance that comes on a node which is known there, with checks
    /// that are nowhere else. By this node's copies: what they do not know yet, the shard refuses.
    fn route_now(&self, parts: &Parts, registration: &Registration) -> Option<(usize, KeyspaceId)> {
        let instance = registration.instance.as_ref()?;
        let number = parts.number_of(&service_of(instance));
        let shards: Option<Vec<_>> = parts.all().map(|part| self.shard(part).ok()).collect();
        let look = |all: Registries<'_>| {
            let pieces = Pieces::of(parts, registration, all).ok()?;
            let key = key_of(&registration.node.name, instance);
            let elsewhere = all.parts_with_instance(&key);
            let is_plain = !pieces.is_news
                && pieces.own.is_empty()
                && pieces.in_the_way.is_empty()
                && pieces.unsettled.is_empty()
                && pieces.by_shard.len() == 1
                && elsewhere.iter().all(|at| *at == number);
            is_plain.then_some(())
        };
        self.ask_here(&shards?, look).ok()?.0?;
        Some((number, parts.at(number)?))
    }

    /// A check changes, or goes, wherever it is; where it is nowhere, the home says so.
    async fn change_check(
        &self,
        parts: &Parts,
        key: &CheckKey,
        command: RegistryCommand,
    ) -> Result<Answer<Response>, Fault> {
        let find = |all: Registries<'_>| all.parts_with_check(key);
        let (answer, found) = self.where_it_is(parts, find, command).await?;
        if found.is_empty() || found.contains(&HOME) {
            self.tell_shards(parts, std::slice::from_ref(&key.node)).await?;
        }
        Ok(answer)
    }

    /// Has something changed in each part that has it; where none has, the home says so. This node's copies
    /// may be behind: where nothing came of it, it is looked for where a quorum has it.
    async fn where_it_is(
        &self,
        parts: &Parts,
        find: impl Fn(Registries<'_>) -> Vec<usize>,
        command: RegistryCommand,
    ) -> Result<(Answer<Response>, Vec<usize>), Fault> {
        let shards = self.registry_shards(parts.home).await?;
        let here = self.ask_here(&shards, &find)?.0;
        if !here.is_empty() {
            let answer = self.at_each(parts, &here, command.clone()).await;
            if !came_to_nothing(&answer) {
                return answer.map(|answer| (answer, here));
            }
        }
        self.confirm_all(&shards, Consistency::Linearizable).await?;
        let found = self.ask_here(&shards, &find)?.0;
        let answer = self.at_each(parts, &found, command).await?;
        Ok((answer, found))
    }

    async fn at_each(
        &self,
        parts: &Parts,
        numbers: &[usize],
        command: RegistryCommand,
    ) -> Result<Answer<Response>, Fault> {
        let Some((last, others)) = numbers.split_last() else {
            return self.at_part(parts, HOME, command).await;
        };
        for number in others {
            self.at_part(parts, *number, command.clone()).await?;
        }
        self.at_part(parts, *last, command).await
    }

    pub(super) async fn at_part(
        &self,
        parts: &Parts,
        number: usize,
        command: RegistryCommand,
    ) -> Result<Answer<Response>, Fault> {
        let keyspace = parts.at(number).ok_or(Code::Internal)?;
        self.propose_in(keyspace, Command::Registry(command)).await
    }
}

/// Whether what was to be changed was not there.
fn came_to_nothing(answer: &Result<Answer<Response>, Fault>) -> bool {
    match answer {
        Ok(answer) => {
            matches!(answer.body, Response::Registry(RegistryAnswer::Done { changed: false }))
        }
        Err(fault) => fault.code == Code::CheckUnknown,
    }
}

pub(super) fn not_sharded(what: &str) -> Fault {
    let detail = format!("{what} needs a registry that is not sharded");
    Fault::new(Code::Unsupported, detail)
}
