//! What a custom machine sees and leaves behind.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use types::{
    Batch, ConfState, Entry, EntryKind, Epoch, Index, KeyRange, Op, ReadFailure, Reader, RegionId,
    Term,
};

use super::{StateMachine, Store, Unwritten, View};
use crate::command::{Command, Envelope, SessionTag};
use crate::response::Response;
use crate::{Effects, Machine};

const REGION: RegionId = RegionId(7);
const OTHER: RegionId = RegionId(8);

/// An engine that is a map.
#[derive(Default, Clone)]
struct Map(BTreeMap<Bytes, Bytes>);

impl Map {
    fn write(&mut self, batch: Batch) {
        for op in batch.ops {
            match op {
                Op::Put(key, value) => drop(self.0.insert(key, value)),
                Op::Delete(key) => drop(self.0.remove(&key)),
            }
        }
    }
}

impl Reader for Map {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        let range = Bytes::copy_from_slice(start)..Bytes::copy_from_slice(end);
        for (key, value) in self.0.range(range) {
            if !visit(key.clone(), value.clone()) {
                break;
            }
        }
        Ok(())
    }
}

fn found(view: &View<'_>, range: &KeyRange, limit: usize) -> Vec<(Bytes, Bytes)> {
    let mut all = Vec::new();
    if limit > 0 {
        let visit = &mut |key, value| {
            all.push((key, value));
            all.len() < limit
        };
        view.scan(range, visit).unwrap();
    }
    all
}

fn key() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..3).prop_map(Bytes::from)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any mix of writes that are in the engine and such that are not reads like one map, and no
    /// neighbour's records ever show or change.
    #[test]
    fn what_was_written_is_read_wherever_it_is(
        steps in proptest::collection::vec((key(), proptest::option::of(key()), any::<u8>()), 0..60),
        ranges in proptest::collection::vec((key(), proptest::option::of(key()), 0_usize..9), 1..8),
    ) {
        let mut engine = Map::default();
        for neighbour in [RegionId(6), OTHER] {
            engine.0.insert(crate::keys::custom(neighbour, b""), Bytes::from_static(b"theirs"));
        }
        let (mut unwritten, mut batch, mut model) =
            (Unwritten::new(), Batch::default(), BTreeMap::new());
        for (key, value, flush) in steps {
            let at = (Index(1), Term(1));
            let mut store = Store::new(REGION, at, &engine, &mut unwritten, &mut batch);
            match value {
                Some(value) => {
                    store.put(&key, value.clone());
                    model.insert(key, value);
                }
                None => {
                    store.delete(&key);
                    model.remove(&key);
                }
            }
            if flush < 40 {
                engine.write(std::mem::take(&mut batch));
                unwritten.clear();
            }
        }
        let view = View::new(REGION, &engine, Some(&unwritten));
        for (start, end, limit) in ranges {
            prop_assert_eq!(view.get(&start).unwrap(), model.get(&start).cloned());
            let range = KeyRange { start, end };
            let expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| range.contains(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .take(limit)
                .collect();
            prop_assert_eq!(found(&view, &range, limit), expected);
        }
        engine.write(batch);
        let theirs = engine.0.values().filter(|value| value.as_ref() == b"theirs").count();
        prop_assert!(theirs >= 2);
    }
}

/// Appends each command to a text, of which it keeps the length in memory.
struct Journal {
    len: usize,
}

impl StateMachine for Journal {
    fn open(view: &View<'_>) -> Result<Self, ReadFailure> {
        Ok(Self { len: view.get(b"text")?.map_or(0, |text| text.len()) })
    }

    fn apply(&mut self, command: Bytes, store: &mut Store<'_>) -> Result<Bytes, ReadFailure> {
        let mut text = store.get(b"text")?.unwrap_or_default().to_vec();
        assert_eq!(text.len(), self.len, "memory and store agree");
        text.extend_from_slice(&command);
        self.len = text.len();
        store.put(b"text", text);
        Ok(self.len.to_string().into())
    }

    fn query(&self, _question: Bytes, view: &View<'_>) -> Result<Bytes, ReadFailure> {
        Ok(view.get(b"text")?.unwrap_or_default())
    }
}

fn load(engine: &Map) -> Machine {
    let open = |view: &View<'_>| -> Result<Box<dyn StateMachine>, ReadFailure> {
        Ok(Box::new(Journal::open(view)?))
    };
    Machine::load_custom(REGION, engine, &open).unwrap()
}

fn entry(index: u64, sequence: u64, data: &'static [u8]) -> Entry {
    let session = Some(SessionTag { client: 5, sequence, acknowledged: 0, again: false });
    let command = Command::Execute { data: Bytes::from_static(data) };
    let data = Envelope { epoch: Epoch::default(), session, command }.encode();
    Entry { term: Term(1), index: Index(index), kind: EntryKind::Normal, data }
}

fn answer(effects: Effects) -> Bytes {
    match effects.outcome.result {
        Ok(Response::Executed(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_are_applied_once_however_batches_and_restarts_fall() {
    let mut engine = Map::default();
    let mut machine = load(&engine);
    machine.set_initial(ConfState::default(), Epoch::default());
    let mut batch = Batch::default();
    let apply = |machine: &mut Machine, engine: &Map, batch: &mut Batch, index, sequence, data| {
        answer(machine.apply(&entry(index, sequence, data), engine, batch).unwrap())
    };
    // Two in one batch: the second reads what the first wrote.
    assert_eq!(apply(&mut machine, &engine, &mut batch, 1, 1, b"ab"), "2");
    assert_eq!(apply(&mut machine, &engine, &mut batch, 2, 2, b"c"), "3");
    // The same command once more, in the same batch and after a restart: the first answer.
    assert_eq!(apply(&mut machine, &engine, &mut batch, 3, 1, b"ab"), "2");
    machine.finish(&mut batch);
    engine.write(std::mem::take(&mut batch));
    machine.written();
    let mut machine = load(&engine);
    assert_eq!(machine.applied().index, Index(3));
    assert_eq!(apply(&mut machine, &engine, &mut batch, 4, 2, b"c"), "3");
    assert_eq!(apply(&mut machine, &engine, &mut batch, 5, 3, b"d"), "4");
    assert_eq!(machine.query(Bytes::new(), &engine).unwrap(), "abcd");
    // Never written: a crash before the batch got into the engine.
    assert_eq!(load(&engine).query(Bytes::new(), &engine).unwrap(), "abc");
}

#[test]
fn a_keyspace_takes_the_commands_of_its_kind_only() {
    let engine = Map::default();
    let mut batch = Batch::default();
    let compact = Command::Compact { revision: types::Revision(1) };
    let data = Envelope { epoch: Epoch::default(), session: None, command: compact }.encode();
    let foreign = Entry { term: Term(1), index: Index(1), kind: EntryKind::Normal, data };
    let mut machine = load(&engine);
    let refused = machine.apply(&foreign, &engine, &mut batch).unwrap();
    assert_eq!(refused.outcome.result.unwrap_err().code, types::Code::Unsupported);
    assert!(machine.is_custom());
    assert!(machine.select(&crate::request::RangeRequest::default()).is_err());

    let mut keys = Machine::load(OTHER, &engine).unwrap();
    let refused = keys.apply(&entry(1, 1, b"x"), &engine, &mut batch).unwrap();
    assert_eq!(refused.outcome.result.unwrap_err().code, types::Code::Unsupported);
    assert!(keys.query(Bytes::new(), &engine).is_err());

    machine.retire();
    let refused = machine.query(Bytes::new(), &engine).unwrap_err();
    assert!(
        matches!(refused, crate::FetchError::Fault(fault) if fault.code == types::Code::Corrupt)
    );
    assert!(batch.is_empty());
}
