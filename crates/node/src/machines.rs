//! The kinds of state machines a program brings along.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use state::Machine;
use state::custom::{Open, StateMachine};
use state::registry::MACHINE;
use state::sharded::{self, Shape};
use types::RegionId;

use crate::Error;
use crate::shared::Shared;

/// What makes each kind of machine, by its name.
#[derive(Clone, Default)]
pub(crate) struct Machines(BTreeMap<String, Arc<Open>>);

impl Machines {
    pub(crate) fn add<M: StateMachine>(&mut self, name: &str) {
        self.0.insert(name.to_owned(), Arc::new(|view| Ok(Box::new(M::open(view)?))));
    }
}

/// A region's state as the engine has it, or why it cannot be served on this node.
pub(crate) struct Loaded {
    pub(crate) machine: Machine,
    pub(crate) unusable: Option<String>,
}

/// Loads the state of a region; `kind` names the machine of a custom keyspace, `fresh` is what a region of a
/// sharded keyspace begins with if it is new.
pub(crate) fn load(
    shared: &Shared,
    region: RegionId,
    kind: Option<&str>,
    fresh: Option<Shape>,
) -> Result<Loaded, Error> {
    let engine = shared.engine.as_ref();
    let failed = |error: state::LoadError| Error::Load { region, reason: error.to_string() };
    let Some(kind) = kind else {
        let machine = Machine::load(region, engine).map_err(failed)?;
        return Ok(Loaded { machine, unusable: None });
    };
    if kind == MACHINE {
        let machine = Machine::load_registry(region, engine).map_err(failed)?;
        return Ok(Loaded { machine, unusable: None });
    }
    let unusable = |reason: String| {
        let machine = Machine::load_retired(region, engine).map_err(failed)?;
        Ok(Loaded { machine, unusable: Some(reason) })
    };
    if kind == sharded::MACHINE && !shared.replays {
        let machine = Machine::load_sharded(region, engine, fresh).map_err(failed)?;
        return Ok(Loaded { machine, unusable: None });
    }
    if kind == sharded::MACHINE {
        // What lies there has owners that change: replaying one region's log would write over another's.
        return unusable("sharded keyspaces need an engine that keeps its state".to_owned());
    }
    let Some(open) = shared.machines.0.get(kind) else {
        return unusable(format!(
            "this node was started without the state machine {kind:?}: give its builder one of \
             that name"
        ));
    };
    match catch_unwind(AssertUnwindSafe(|| Machine::load_custom(region, engine, open.as_ref()))) {
        Ok(loaded) => Ok(Loaded { machine: loaded.map_err(failed)?, unusable: None }),
        Err(panic) => {
            unusable(format!("the state machine {kind:?} panicked in open: {}", panic_text(&panic)))
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}
