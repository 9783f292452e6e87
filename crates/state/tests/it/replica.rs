//! A machine with an engine that is a sorted map.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::command::{Command, Envelope, SessionTag};
use state::{Effects, Machine};
use types::{
    Batch, Entry, EntryKind, Epoch, Garbage as _, Op, PeerId, ReadFailure, Reader, RegionId, Term,
};

#[derive(Clone, Default, Debug)]
pub(crate) struct Engine(pub(crate) BTreeMap<Bytes, Bytes>);

impl Engine {
    pub(crate) fn write(&mut self, batch: Batch) {
        for op in batch.ops {
            match op {
                Op::Put(key, value) => {
                    self.0.insert(key, value);
                }
                Op::Delete(key) => {
                    self.0.remove(&key);
                }
            }
        }
    }
}

impl Reader for Engine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        let range = self
            .0
            .range::<[u8], _>((std::ops::Bound::Included(start), std::ops::Bound::Excluded(end)));
        for (key, value) in range {
            if !visit(key.clone(), value.clone()) {
                break;
            }
        }
        Ok(())
    }
}

pub(crate) struct Replica {
    /// Whether the region is one of the registry.
    registry: bool,
    pub(crate) region: RegionId,
    pub(crate) machine: Machine,
    pub(crate) engine: Engine,
    pub(crate) batch: Batch,
}

impl Replica {
    pub(crate) fn new(region: RegionId) -> Self {
        Self::of_kind(region, false)
    }

    pub(crate) fn of_registry() -> Self {
        Self::of_kind(RegionId(5), true)
    }

    fn of_kind(region: RegionId, registry: bool) -> Self {
        let engine = Engine::default();
        let mut machine = load(region, registry, &engine);
        let conf_state =
            types::ConfState { voters: vec![PeerId(1)], ..types::ConfState::default() };
        machine.set_initial(conf_state, Epoch { version: 1, conf_ver: 1 });
        Self { registry, region, machine, engine, batch: Batch::default() }
    }

    pub(crate) fn apply_data(&mut self, data: Bytes) -> Effects {
        let index = self.machine.applied().index.next();
        let entry = Entry { term: Term(1), index, kind: EntryKind::Normal, data };
        self.machine.apply(&entry, &self.engine, &mut self.batch).unwrap()
    }

    pub(crate) fn apply(&mut self, session: Option<SessionTag>, command: Command) -> Effects {
        let epoch = self.machine.applied().epoch;
        self.apply_data(Envelope { epoch, session, command }.encode())
    }

    pub(crate) fn write(&mut self) {
        self.machine.finish(&mut self.batch);
        self.engine.write(std::mem::take(&mut self.batch));
        self.machine.written();
    }

    /// What was not written is lost, as in a crash.
    pub(crate) fn restart(&mut self) {
        self.batch = Batch::default();
        self.machine = load(self.region, self.registry, &self.engine);
    }

    /// Answers whether there is more to look at; if not, what was found is removed.
    pub(crate) fn scavenge(&mut self, max_records: usize) -> bool {
        let more = self.machine.scavenge(&self.engine, max_records).unwrap();
        if !more {
            self.sweep(usize::MAX);
        }
        self.write();
        more
    }

    /// Removes what is to be removed, at once and for good. If it is more than `most`, the crash comes
    /// after so many.
    pub(crate) fn sweep(&mut self, most: usize) {
        let durable = Machine::compacted_in(self.region, &self.engine).unwrap();
        let wanted = self.machine.wants_sweep(true).filter(|up_to| *up_to <= durable);
        let taken = wanted.and_then(|up_to| self.machine.take_sweep(up_to));
        let Some(sweep) = taken else { return };
        let (mut from, end) = sweep.range();
        for removed in 0.. {
            let Some(key) = sweep.next(&from) else { break };
            if removed == most {
                self.restart();
                return;
            }
            assert!(sweep.holds(&key) && key < end);
            self.engine.0.remove(&key);
            from = [&key[..], &[0]].concat().into();
        }
        self.machine.swept(&sweep);
    }
}

fn load(region: RegionId, registry: bool, engine: &Engine) -> Machine {
    if registry {
        return Machine::load_registry(region, engine).unwrap();
    }
    Machine::load(region, engine).unwrap()
}
