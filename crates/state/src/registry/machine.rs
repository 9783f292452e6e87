//! The registry's share of a region's machine: a command, and what it means for the keys beside it.

use bytes::Bytes;
use types::{Batch, Fault, ReadFailure, Reader, RegionId, Revision};

use super::answer::{Changes, RegistryAnswer};
use super::apply::{Edit, unknown};
use super::command::RegistryCommand;
use super::kv::{KvCondition, KvWrite};
use super::model::Registry;
use super::{archive, txn};
use crate::response::Event;
use crate::space::KeySpace;

/// What a command works on.
pub(crate) struct Stage<'a> {
    pub(crate) region: RegionId,
    pub(crate) registry: &'a mut Registry,
    pub(crate) space: &'a mut KeySpace,
    pub(crate) reader: &'a dyn Reader,
    pub(crate) batch: &'a mut Batch,
    pub(crate) events: &'a mut Vec<Event>,
}

/// Whoever asks is told what is wrong with a command; what is wrong with the engine ends the machine.
pub(super) type Answer = Result<Result<RegistryAnswer, Fault>, ReadFailure>;

/// Carries out a command at one revision: what it changes of the registry, and the locks that go with
/// the sessions it ended.
pub(crate) fn carry_out(
    command: RegistryCommand,
    stage: Stage<'_>,
    changes: &mut Changes,
) -> Answer {
    match &command {
        RegistryCommand::Kv(write) => return put(write, stage),
        RegistryCommand::KvDelete { key, index } => return delete(key, *index, stage),
        RegistryCommand::Txn(ops) => return txn::carry_out(ops, stage, changes),
        RegistryCommand::Restore(step) => return archive::restore(step, stage, changes),
        _ => {}
    }
    let Stage { region, registry, space, reader, batch, events } = stage;
    let revision = Revision(space.newest().get() + 1);
    let mut edit = Edit::new(registry, region, revision, batch);
    let answer = edit.carry_out(command);
    let (told, ended, changed) = edit.finish();
    *changes = told;
    if changed {
        let mut keys = space.change_at(revision, reader, batch, events);
        for session in ended {
            let held = keys.end_session(&session)?;
            if session.lock_delay_ms > 0 {
                let delay = session.lock_delay_ms;
                changes.lock_delays.extend(held.into_iter().map(|key| (key, delay)));
            }
        }
    }
    Ok(answer)
}

fn put(write: &KvWrite, stage: Stage<'_>) -> Answer {
    let Stage { registry, space, reader, batch, events, .. } = stage;
    if let Err(fault) = super::check::check_kv(write) {
        return Ok(Err(fault));
    }
    if let KvCondition::Acquire(session) = &write.condition
        && registry.session(session).value.is_none()
    {
        return Ok(Err(unknown(session)));
    }
    let done = space.change(reader, batch, events).put_kv(write)?;
    Ok(Ok(RegistryAnswer::Granted(done)))
}

fn delete(key: &Bytes, index: u64, stage: Stage<'_>) -> Answer {
    if let Err(fault) = super::check::check_kv_key(key) {
        return Ok(Err(fault));
    }
    let Stage { space, reader, batch, events, .. } = stage;
    let done = space.change(reader, batch, events).delete_at(key, index);
    Ok(Ok(RegistryAnswer::Granted(done)))
}
