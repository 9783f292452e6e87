//! Random commands against the model, on three replicas that differ in all that must not matter: how
//! entries are put into batches, when they restart, when they scavenge.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::command::{Command, SessionTag};
use state::kept::Before;
use state::request::{
    Compare, CompareResult, CompareTarget, DeleteRequest, PutRequest, RangeRequest, SortOrder,
    SortTarget, TxnOp, TxnRequest,
};
use state::response::EventKind;
use state::{Effects, FetchError};
use types::{Fault, KeyRange, LeaseId, RegionId, Revision};

use crate::model::Model;
use crate::replica::Replica;
use crate::sessions::SessionModel;

/// A generator of numbers that is the same everywhere (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn key(&mut self) -> Bytes {
        Bytes::from(format!("k{:02}", self.below(12)))
    }

    fn value(&mut self) -> Bytes {
        Bytes::from(format!("v{}", self.below(5)))
    }

    fn lease(&mut self) -> LeaseId {
        LeaseId(if self.one_in(3) { self.below(4) as i64 } else { 0 })
    }

    fn range(&mut self) -> (KeyRange, bool) {
        let start = self.key();
        match self.below(4) {
            0 => (KeyRange { start, end: None }, false),
            1 => (KeyRange { start, end: Some(self.key()) }, false),
            2 => (KeyRange::all(), false),
            _ => (KeyRange::single(&start), true),
        }
    }

    fn revision(&mut self, newest: Revision) -> Revision {
        Revision(self.below(newest.get() as u64 + 2) as i64)
    }

    fn put(&mut self) -> PutRequest {
        PutRequest {
            key: self.key(),
            value: self.value(),
            lease: self.lease(),
            prev_kv: self.one_in(2),
            ignore_value: self.one_in(6),
            ignore_lease: self.one_in(6),
        }
    }

    pub(crate) fn get(&mut self, newest: Revision) -> RangeRequest {
        let mut bound = || if self.one_in(6) { self.revision(newest) } else { Revision(0) };
        let [min_mod, max_mod, min_create, max_create] = [bound(), bound(), bound(), bound()];
        RangeRequest {
            range: self.range().0,
            limit: if self.one_in(2) { self.below(6) } else { 0 },
            revision: if self.one_in(2) { self.revision(newest) } else { Revision(0) },
            sort_order: [SortOrder::None, SortOrder::Ascend, SortOrder::Descend]
                [self.below(3) as usize],
            sort_target: [
                SortTarget::Key,
                SortTarget::Key,
                SortTarget::Version,
                SortTarget::Create,
                SortTarget::Mod,
                SortTarget::Value,
            ][self.below(6) as usize],
            keys_only: self.one_in(5),
            count_only: self.one_in(6),
            min_mod_revision: min_mod,
            max_mod_revision: max_mod,
            min_create_revision: min_create,
            max_create_revision: max_create,
        }
    }

    fn compare(&mut self, newest: Revision) -> Compare {
        let (range, single) = self.range();
        Compare {
            range,
            single,
            result: [
                CompareResult::Equal,
                CompareResult::Greater,
                CompareResult::Less,
                CompareResult::NotEqual,
            ][self.below(4) as usize],
            target: match self.below(5) {
                0 => CompareTarget::Version(self.below(4) as i64),
                1 => CompareTarget::CreateRevision(self.revision(newest)),
                2 => CompareTarget::ModRevision(self.revision(newest)),
                3 => CompareTarget::Value(self.value()),
                _ => CompareTarget::Lease(self.lease()),
            },
        }
    }

    fn txn(&mut self, newest: Revision, depth: u64) -> TxnRequest {
        let mut branch = || {
            (0..self.below(4))
                .map(|_| match self.below(7) {
                    0..=2 => TxnOp::Put(self.put()),
                    3 => TxnOp::Delete(self.delete()),
                    4 if depth < 3 => TxnOp::Txn(self.txn(newest, depth + 1)),
                    _ => TxnOp::Range(self.get(newest)),
                })
                .collect()
        };
        let (success, failure) = (branch(), branch());
        let compare = (0..self.below(3)).map(|_| self.compare(newest)).collect();
        TxnRequest { compare, success, failure }
    }

    fn delete(&mut self) -> DeleteRequest {
        DeleteRequest { range: self.range().0, prev_kv: self.one_in(2) }
    }

    /// Also commands that [`state::check`] would not let through: they must do no harm.
    fn command(&mut self, model: &Model) -> Command {
        let lease = LeaseId(self.below(3) as i64 + 1);
        let newest = model.revision();
        match self.below(24) {
            0..=9 => Command::Put(self.put()),
            10..=12 => Command::Delete(self.delete()),
            13..=17 => Command::Txn(self.txn(newest, 0)),
            18 | 19 => Command::LeaseGrant { id: lease, ttl_seconds: self.below(9) as i64 },
            20 => Command::LeaseRevoke { id: lease },
            21 => Command::LeaseExpire { ids: vec![lease, self.lease(), LeaseId(2)] },
            _ if self.one_in(3) => Command::Compact { revision: self.revision(newest) },
            _ => Command::Put(self.put()),
        }
    }

    /// Numbers go up with time, but some come late, twice, or not at all.
    fn tag(&mut self, time: u64) -> Option<SessionTag> {
        let client = self.below(4);
        let sequence = time / 3 + self.below(20) + 1;
        let acknowledged = if self.one_in(4) { sequence.saturating_sub(self.below(20)) } else { 0 };
        let again = self.one_in(3);
        (client > 0).then_some(SessionTag { client, sequence, acknowledged, again })
    }
}

struct Trial {
    seed: u64,
    time: u64,
    random: Random,
    model: Model,
    sessions: SessionModel,
    replicas: Vec<Replica>,
}

impl Trial {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            time: 0,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            model: Model::new(),
            sessions: SessionModel::default(),
            replicas: (0..3).map(|_| Replica::new(RegionId::DEFAULT)).collect(),
        }
    }

    fn step(&mut self) {
        let command = self.random.command(&self.model);
        self.time += 1;
        let tag = self.random.tag(self.time);
        let effects: Vec<Effects> =
            self.replicas.iter_mut().map(|replica| replica.apply(tag, command.clone())).collect();
        assert!(effects.iter().all(|it| *it == effects[0]), "seed {}: {effects:#?}", self.seed);
        let effects = &effects[0];
        let before = self.model.revision();
        let remembered = tag.and_then(|tag| self.sessions.seen(tag));
        if let Some(remembered) = remembered {
            let found = effects.outcome.result.clone().map_err(|fault| fault.code);
            assert_eq!(found, remembered, "seed {}: {tag:?}", self.seed);
            assert!(effects.events.is_empty() && effects.leases.is_empty());
            return;
        }
        let wanted = self.model.apply(&command);
        let found = effects.outcome.result.clone().map_err(|fault| fault.code);
        assert_eq!(found, wanted, "seed {}: {command:#?}", self.seed);
        assert_eq!(effects.outcome.revision, self.model.revision(), "seed {}", self.seed);
        if let Some(tag) = tag {
            self.sessions.keep(tag, wanted);
        }
        let events = effects.events.iter().map(|it| (it.kind, it.kv.clone()));
        let wanted = self.model.events[before.get() as usize + 1..].concat();
        assert_eq!(events.collect::<Vec<_>>(), wanted, "seed {}", self.seed);
    }

    fn rest(&mut self) {
        self.replicas[0].write();
        if self.random.one_in(5) {
            self.replicas[1].write();
        }
        if self.random.one_in(3) {
            self.replicas[2].write();
            if self.random.one_in(3) {
                self.replicas[2].restart();
            }
            if self.random.one_in(4) {
                self.replicas[2].scavenge(self.random.below(9) as usize);
            }
            if self.random.one_in(8) {
                let replica = &mut self.replicas[2];
                if !replica.machine.scavenge(&replica.engine, usize::MAX).unwrap() {
                    replica.sweep(self.random.below(9) as usize);
                }
            }
        }
        if self.random.one_in(50) {
            self.replicas[0].scavenge(usize::MAX);
        }
    }

    /// Everything that can be read is as in the model, on every replica.
    fn look(&mut self) {
        for replica in &mut self.replicas {
            replica.write();
        }
        let requests: Vec<_> = (0..20).map(|_| self.random.get(self.model.revision())).collect();
        for replica in &self.replicas {
            for request in &requests {
                let found = replica
                    .machine
                    .select(request)
                    .map_err(FetchError::from)
                    .and_then(|selection| selection.fetch(&replica.engine));
                let found = found.map_err(|error| match error {
                    FetchError::Fault(Fault { code, .. }) => code,
                    FetchError::Read(failure) => panic!("seed {}: {failure}", self.seed),
                });
                let wanted = self.model.range(request);
                assert_eq!(found, wanted, "seed {}: {request:#?}", self.seed);
            }
            self.look_at_leases(replica);
            self.look_at_history(replica);
            self.look_at_what_is_kept(replica);
        }
    }

    /// The same on every replica, whatever it has scavenged.
    fn look_at_what_is_kept(&self, replica: &Replica) {
        let (compacted, newest) = (self.model.compacted, self.model.revision());
        let middle = Revision((compacted.get() + newest.get() + 1) / 2).max(Revision(1));
        let versions = |until: Revision| {
            let revisions = self.model.events.iter().enumerate();
            let to = revisions.take(until.get() as usize + 1);
            to.flat_map(|(at, it)| it.iter().map(move |event| (Revision(at as i64), event)))
        };
        for (before, until) in
            [(Before::Readable, newest), (Before::Newest, newest), (Before::Newest, middle)]
        {
            // Of before the compaction only what is last, where it is looked for.
            let shown = if before == Before::Readable { compacted } else { until };
            let mut last = BTreeMap::new();
            for (number, (_, (_, kv))) in versions(shown).enumerate() {
                last.insert(kv.key.clone(), number);
            }
            let wanted = versions(until).enumerate().filter(|(number, (at, (kind, kv)))| {
                let buried = *kind == EventKind::Delete;
                let stays = before == Before::Readable && *at == compacted;
                *at > compacted || if buried { stays } else { last.get(&kv.key) == Some(number) }
            });
            let wanted: Vec<_> = wanted
                .map(|(_, (at, (kind, kv)))| {
                    (at, kv.key.clone(), (*kind == EventKind::Put).then(|| kv.clone()))
                })
                .collect();
            let mut found = Vec::new();
            let kept = replica.machine.kept().unwrap();
            let walk = kept.versions(&replica.engine, until, before, &mut |it| {
                found.push((it.position.revision, it.key, it.kv));
                true
            });
            walk.unwrap();
            assert_eq!(found, wanted, "seed {}: {before:?} until {until}", self.seed);
        }
    }

    fn look_at_leases(&self, replica: &Replica) {
        let leases: Vec<_> = replica.machine.leases().collect();
        let wanted: Vec<_> = self.model.leases.iter().map(|(id, ttl)| (*id, *ttl)).collect();
        assert_eq!(leases, wanted, "seed {}", self.seed);
        for (id, _) in leases {
            let keys = self.model.states.last().unwrap().values();
            let wanted: Vec<_> =
                keys.filter(|kv| kv.lease == id).map(|kv| kv.key.clone()).collect();
            assert_eq!(replica.machine.lease_keys(id), wanted, "seed {}", self.seed);
        }
    }

    fn look_at_history(&self, replica: &Replica) {
        let (mut from, to) = (Revision(self.model.compacted.get() + 1), self.model.revision());
        let (mut found, start) = (Vec::new(), from.get() as usize);
        while from <= to {
            let all = KeyRange::all();
            let page =
                state::history::page(&replica.engine, replica.region, from, to, &all, 700, 5);
            let page = page.unwrap();
            assert!(page.next > from);
            from = page.next;
            found.extend(page.events);
        }
        let wanted = self.model.events.get(start..).unwrap_or_default().concat();
        let events: Vec<_> = found.iter().map(|it| (it.kind, it.kv.clone())).collect();
        assert_eq!(events, wanted, "seed {}", self.seed);
        for event in found {
            let before = Revision(event.position.revision.get() - 1);
            let alone = event.position.sub == 0;
            if !alone || before < self.model.compacted || before.get() < 1 {
                continue;
            }
            let wanted = self.model.states[before.get() as usize].get(&event.kv.key).cloned();
            let found = event.previous.and_then(|position| {
                state::history::record_at(&replica.engine, replica.region, position).unwrap()
            });
            assert_eq!(found, wanted, "seed {}: {event:?}", self.seed);
            assert!(event.kind == EventKind::Put || wanted.is_some());
        }
    }

    /// Once all is compacted and scavenged, nothing is left in the engine but what can be read, and
    /// the tombstones of the last revision.
    fn end(&mut self) {
        let revision = self.model.revision();
        let _ = self.model.apply(&Command::Compact { revision });
        let last = &self.model.events[revision.get() as usize];
        let mut buried: Vec<_> = last
            .iter()
            .filter(|(kind, kv)| {
                *kind == EventKind::Delete
                    && !self.model.states.last().unwrap().contains_key(&kv.key)
            })
            .map(|(_, kv)| kv.key.clone())
            .collect();
        buried.sort();
        buried.dedup();
        let left = self.model.states.last().unwrap().len() + buried.len();
        for replica in &mut self.replicas {
            replica.apply(None, Command::Compact { revision });
            replica.write();
            while replica.scavenge(3) {}
            // A key written several times at one revision leaves what only the next walk removes.
            let (start, end) = state::keys::region_range(RegionId::DEFAULT);
            let records = replica.engine.0.range(start..end).filter(|(key, _)| key[8] == b'R');
            let records = records.count();
            let twice = last.len().saturating_sub(buried.len());
            assert!(
                (left..=left + twice).contains(&records),
                "seed {}: {records} records, {left} keys",
                self.seed
            );
        }
    }
}

#[test]
fn random_commands_do_what_the_model_does() {
    for seed in 1..=60 {
        let mut trial = Trial::new(seed);
        for number in 0..400 {
            trial.step();
            trial.rest();
            if number % 20 == 19 {
                trial.look();
            }
        }
        trial.end();
        trial.look();
    }
}
