//! What one message of a client asks for, carried out beside the others.

use futures::stream::{self, StreamExt};
use node::{Beat, Consistency, Handle, Scope};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_response::Tell;
use state::command::Command;
use state::registry::{RegistryCommand, Target, TimerId};
use tonic::Status;
use types::KeyspaceId;

use super::convert;
use super::writes::told;
use crate::audit::Bearer;
use crate::error;

/// Beats of one message.
pub(super) const BEATS: usize = 65_536;
/// Changes proposed at once for what beats changed.
const AT_ONCE: usize = 64;

/// Somebody whose messages are carried out.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) handle: Handle,
    pub(super) keyspace: KeyspaceId,
    pub(super) sender: Bearer,
}

/// What registering an instance takes.
pub(super) fn register(register: pb::Register) -> Result<RegistryCommand, Status> {
    let registration = convert::registration(register.instance.unwrap_or_default())?;
    Ok(RegistryCommand::Register(Box::new(registration)))
}

/// What taking one back takes.
pub(super) fn deregister(deregister: &pb::Deregister) -> Result<RegistryCommand, Status> {
    let pb::Deregister { namespace, node, id, .. } = deregister;
    Ok(RegistryCommand::Deregister(Target::Instance(convert::key(namespace, node, id)?)))
}

pub(super) fn answer(request: u64, done: Result<pb::Answer, Status>) -> Tell {
    Tell::Answer(match done {
        Ok(answer) => pb::Answer { request, ..answer },
        Err(status) => pb::Answer {
            request,
            code: status.code().into(),
            message: status.message().to_owned(),
            ..pb::Answer::default()
        },
    })
}

impl Client {
    pub(super) async fn propose(&self, command: RegistryCommand) -> Result<pb::Answer, Status> {
        let caller = self.handle.caller(self.keyspace, &self.sender);
        told(caller.propose(Command::Registry(command)).await)
    }

    /// Hears beats; says which were of nobody, if any were, and that they were heard if that is asked for.
    pub(super) async fn beats(&self, beats: pb::Beats) -> Vec<Tell> {
        let mut refused = None;
        let mut unknown = Vec::new();
        let mut changed = Vec::new();
        for timers in
            beats.instances[..beats.instances.len().min(BEATS)].chunks(Handle::BEATS_TOGETHER)
        {
            let caller = self.handle.caller(self.keyspace, &self.sender);
            let heard = match caller.beats(timers).await {
                Ok(heard) => heard,
                // Who gets no answer beats again.
                Err(fault) => {
                    refused.get_or_insert_with(|| error::status(&fault));
                    continue;
                }
            };
            for (timer, beat) in timers.iter().zip(heard) {
                match beat {
                    Beat::Unknown => unknown.push(*timer),
                    Beat::Counted => {}
                    Beat::Stands(status) => changed.push((TimerId(*timer), status)),
                }
            }
        }
        let told = stream::iter(changed).map(|(timer, status)| async move {
            let find = |registry: state::registry::Registries<'_>| {
                registry.check_of(timer).map(|check| check.key())
            };
            let found =
                self.handle.registry(self.keyspace, &Scope::Whole, Consistency::Stale, find).await;
            let Some(check) = found.ok().and_then(|answer| answer.body) else { return };
            let output = Some("".into());
            let command = RegistryCommand::UpdateCheck { check, status, output };
            // The next beat says it again.
            drop(self.propose(command).await);
        });
        told.buffer_unordered(AT_ONCE).collect::<()>().await;
        let mut told = Vec::new();
        if !unknown.is_empty() {
            told.push(Tell::Unknown(pb::Beats { instances: unknown, request: beats.request }));
        }
        if beats.request != 0 {
            told.push(answer(beats.request, refused.map_or(Ok(pb::Answer::default()), Err)));
        }
        told
    }
}
