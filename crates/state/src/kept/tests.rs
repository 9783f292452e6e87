use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use types::{Batch, Entry, EntryKind, Epoch, Op, ReadFailure, Reader, RegionId, Revision, Term};

use super::Before;
use crate::Machine;
use crate::command::{Command, Envelope};
use crate::request::{DeleteRequest, PutRequest};

#[derive(Default)]
struct Engine(BTreeMap<Bytes, Bytes>);

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
        let range = (Bound::Included(start), Bound::Excluded(end));
        let mut records = self.0.range::<[u8], _>(range);
        records.all(|(key, value)| visit(key.clone(), value.clone()));
        Ok(())
    }
}

impl Engine {
    fn write(&mut self, machine: &mut Machine, mut batch: Batch) {
        machine.finish(&mut batch);
        for op in batch.ops {
            match op {
                Op::Put(key, value) => drop(self.0.insert(key, value)),
                Op::Delete(key) => drop(self.0.remove(&key)),
            }
        }
        machine.written();
    }

    fn apply(&mut self, machine: &mut Machine, command: Command) {
        let epoch = Epoch { version: 0, conf_ver: 0 };
        let data = Envelope { epoch, session: None, command }.encode();
        let index = machine.applied().index.next();
        let entry = Entry { term: Term(1), index, kind: EntryKind::Normal, data };
        let mut batch = Batch::default();
        assert!(machine.apply(&entry, self, &mut batch).unwrap().outcome.result.is_ok());
        self.write(machine, batch);
    }
}

#[test]
fn however_few_positions_are_known_at_once_the_walk_is_the_same() {
    let mut engine = Engine::default();
    let mut machine = Machine::load(RegionId::DEFAULT, &engine).unwrap();
    for number in 0..200_u32 {
        // One key is put once and stays.
        let key = Bytes::from(format!("k{}", if number == 1 { 99 } else { number * 7 % 23 }));
        let range = types::KeyRange::single(&key);
        engine.apply(&mut machine, Command::Put(PutRequest { key, ..PutRequest::default() }));
        if number % 5 == 0 {
            let delete = DeleteRequest { range, prev_kv: false };
            engine.apply(&mut machine, Command::Delete(delete));
        }
    }
    let until = machine.revision();
    engine.apply(&mut machine, Command::Compact { revision: Revision(170) });
    let walk = |machine: &Machine, engine: &Engine, before, at_once| {
        let mut all = Vec::new();
        let kept = machine.kept().unwrap();
        let result = kept.walk(engine, until, before, at_once, &mut |it| {
            all.push(it);
            true
        });
        result.map(|()| all).unwrap()
    };
    let first: Vec<_> = [Before::Readable, Before::Newest]
        .map(|before| walk(&machine, &engine, before, usize::MAX / 2))
        .into();
    assert!(first[0].len() > first[1].len(), "what was overtaken later is left out");
    assert!(first[1].len() > (until.get() - 170) as usize);
    loop {
        for at_once in [1, 2, 3, 7, 50] {
            assert_eq!(walk(&machine, &engine, Before::Readable, at_once), first[0]);
            assert_eq!(walk(&machine, &engine, Before::Newest, at_once), first[1]);
        }
        if machine.scavenged() == machine.compacted() {
            break;
        }
        // Some looks find something to remove, and some of it is removed before the next.
        if !machine.scavenge(&engine, 11).unwrap()
            && let Some(up_to) = machine.wants_sweep(true)
            && let Some(sweep) = machine.take_sweep(up_to)
        {
            let mut batch = Batch::default();
            let mut from = Bytes::new();
            while let Some(key) = types::Garbage::next(&sweep, &from) {
                from = [&key[..], &[0]].concat().into();
                batch.delete(key);
            }
            machine.swept(&sweep);
            engine.write(&mut machine, batch);
        }
    }
}
