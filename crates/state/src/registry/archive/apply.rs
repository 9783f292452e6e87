use types::Revision;

use super::plan::Plan;
use super::{Archive, RestoreStep};
use crate::registry::answer::{Changes, RegistryAnswer};
use crate::registry::apply::Edit;
use crate::registry::machine::{Answer, Stage};

/// Carries out a step.
pub(crate) fn restore(step: &RestoreStep, stage: Stage<'_>, changes: &mut Changes) -> Answer {
    let Stage { region, registry, space, reader, batch, events } = stage;
    let kept = (region, &mut *batch);
    let bytes = match step {
        RestoreStep::Stage { restore, part, bytes } => {
            let staged = registry.staged.stage(kept, restore, *part, bytes);
            return Ok(staged.map(|()| RegistryAnswer::Done { changed: false }));
        }
        RestoreStep::Abandon { restore } => {
            registry.staged.abandon(kept, restore);
            return Ok(Ok(RegistryAnswer::Done { changed: false }));
        }
        RestoreStep::CarryOut { restore, parts } => registry.staged.take(kept, restore, *parts),
    };
    let archive = match bytes.and_then(Archive::read) {
        Ok(archive) => archive,
        Err(fault) => return Ok(Err(fault)),
    };
    let plan = Plan::new(registry, &archive, Revision(space.newest().get() + 1));
    let revision = plan.revision;
    let mut edit = Edit::new(registry, region, revision, batch);
    edit.carry_out_tried(plan.tried);
    // After what they hang on.
    plan.sessions.into_iter().for_each(|session| edit.put_session(session));
    // What ended sessions held is as the archive says, like every other key.
    let (told, _, changed) = edit.finish();
    *changes = told;
    let known = events.len();
    let mut keys = if changed {
        space.change_at(revision, reader, batch, events)
    } else {
        space.change(reader, batch, events)
    };
    keys.become_archived(archive.keys)?;
    Ok(Ok(RegistryAnswer::Done { changed: changed || events.len() > known }))
}
