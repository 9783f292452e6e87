//! Random histories beside a `BTreeMap` that does the same.

use std::collections::BTreeMap;

use bytes::Bytes;
use storage::engine::{Engine, Snapshot};
use types::{Batch, Op, Reader};

use super::bed::{Bed, Disk, Memory, Random, Resident, records};

type Model = BTreeMap<Bytes, Bytes>;

#[test]
fn memory_follows_the_model() {
    for seed in 0..30 {
        History::new(&Memory, seed).run(400);
    }
}

#[test]
fn disk_follows_the_model() {
    for seed in 0..6 {
        History::new(&Disk::new(), seed).run(300);
    }
}

#[test]
fn resident_records_follow_the_model() {
    for seed in 0..6 {
        History::new(&Resident::new(), seed).run(300);
    }
}

struct History<'bed, B: Bed> {
    bed: &'bed B,
    engine: Option<B::Engine>,
    model: Model,
    views: Vec<(Box<dyn Snapshot>, Model)>,
    /// The model after each batch since the last persist, and as it was then.
    prefixes: Vec<Model>,
    random: Random,
    /// Few keys make overwrites and deletes hit; many make deep trees.
    keys: u64,
    seed: u64,
}

impl<'bed, B: Bed> History<'bed, B> {
    fn new(bed: &'bed B, seed: u64) -> Self {
        let keys = [50, 2_000, 100_000][(seed % 3) as usize];
        let engine = Some(bed.open());
        let (model, random) = (Model::new(), Random(seed));
        let prefixes = vec![model.clone()];
        Self { bed, engine, model, views: vec![], prefixes, random, keys, seed }
    }

    fn run(&mut self, steps: u32) {
        for step in 0..steps {
            match self.random.below(20) {
                0..10 => self.write(),
                10 => self.clear(),
                11 => self.views.push((self.engine().snapshot(), self.model.clone())),
                12 => self.views.truncate(2),
                13 if B::KEEPS && self.random.below(4) == 0 => self.reopen(),
                14 => self.persist(),
                15 => self.engine().flush_soon(),
                _ => self.read(step),
            }
        }
        self.views.push((self.engine().snapshot(), self.model.clone()));
        for (view, model) in &self.views {
            self.same(records(&**view, b"", b"\xff"), model.clone().into_iter().collect(), steps);
        }
        if B::KEEPS {
            self.persist();
            let all = self.model.clone();
            self.reopen();
            assert!(self.model == all, "seed {}: a batch is gone that was persisted", self.seed);
        }
    }

    fn engine(&self) -> &B::Engine {
        self.engine.as_ref().unwrap()
    }

    fn same(&self, got: Vec<(Bytes, Bytes)>, expected: Vec<(Bytes, Bytes)>, step: u32) {
        assert!(got == expected, "seed {} step {step}: the engine differs", self.seed);
    }

    fn key(&mut self) -> Bytes {
        let number = self.random.below(self.keys) as u32;
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    fn write(&mut self) {
        let mut batch = Batch::default();
        for _ in 0..=self.random.below(300) {
            let key = self.key();
            if self.random.below(3) == 0 {
                batch.delete(key);
            } else {
                let len = if self.random.below(50) == 0 { 20_000 } else { 60 };
                let len = self.random.below(len) as usize;
                batch.put(key, vec![self.random.next() as u8; len]);
            }
        }
        for op in batch.ops.clone() {
            match op {
                Op::Put(key, value) => self.model.insert(key, value),
                Op::Delete(key) => self.model.remove(&key),
            };
        }
        self.engine().write(batch).unwrap();
        self.note_prefix();
    }

    fn note_prefix(&mut self) {
        if B::KEEPS {
            self.prefixes.push(self.model.clone());
        }
    }

    fn persist(&mut self) {
        self.engine().persist().unwrap();
        self.prefixes = vec![self.model.clone()];
    }

    fn clear(&mut self) {
        let (start, end) = (self.key(), self.key());
        // A narrow range most of the time, or the model never grows.
        if start < end && self.random.below(4) == 0 {
            self.model.retain(|key, _| *key < start || *key >= end);
            self.engine().clear_range(&start, &end).unwrap();
            // It is not one batch: what a crash leaves of it is not in the model.
            self.persist();
        }
    }

    /// Without persisting: some prefix of the batches since the last time is left.
    fn reopen(&mut self) {
        self.views.clear();
        self.engine = None;
        self.engine = Some(self.bed.open());
        let left: Model = records(self.engine(), b"", b"\xff").into_iter().collect();
        assert!(self.prefixes.contains(&left), "seed {}: not a prefix of the batches", self.seed);
        self.model = left;
        self.prefixes = vec![self.model.clone()];
    }

    fn read(&mut self, step: u32) {
        let (start, end) = (self.key(), self.key());
        let expected = |model: &Model| -> Vec<(Bytes, Bytes)> {
            if start >= end {
                return Vec::new();
            }
            model.range(start.clone()..end.clone()).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        assert_eq!(self.engine().get(&start).unwrap(), self.model.get(&start).cloned());
        self.same(records(self.engine(), &start, &end), expected(&self.model), step);
        for (view, model) in &self.views {
            assert_eq!(view.get(&end).unwrap(), model.get(&end).cloned());
            self.same(records(&**view, &start, &end), expected(model), step);
        }
    }
}
