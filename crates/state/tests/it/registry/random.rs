//! Random commands on three replicas that differ in all that must not matter: how entries are put into
//! batches and when they restart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use state::Effects;
use state::command::Command;
use state::registry::{
    Changes, Name, RegistryAnswer, RegistryCommand, ServiceName, TimerChange, TimerId,
};
use state::request::{DeleteRequest, PutRequest, RangeRequest};
use state::response::{Event, EventKind, Response};
use types::{KeyRange, Revision};

use super::keys::Kv;
use super::look::{ask, look_at_filters, look_at_places};
use super::model::{Model, Resource};
use super::restore;
use crate::random::Random;
use crate::replica::Replica;

pub(crate) const NAMESPACES: [&str; 2] = ["default", "other"];

pub(crate) fn services() -> impl Iterator<Item = ServiceName> {
    let all = NAMESPACES.into_iter().flat_map(|ns| ["a", "b", "c", "never"].map(|it| (ns, it)));
    all.map(|(namespace, name)| ServiceName::new(namespace, name))
}

fn nodes() -> impl Iterator<Item = Name> {
    ["n0", "n1", "n2", "n9"].into_iter().map(Name::from)
}

fn resources() -> impl Iterator<Item = Resource> {
    let lists = NAMESPACES.into_iter().map(|ns| Resource::ServiceList(ns.into()));
    let all = [Resource::Nodes, Resource::Checks, Resource::Sessions];
    let of_services = [Resource::Service, Resource::ServiceChecks];
    let of_services = of_services.into_iter().flat_map(|it| services().map(it));
    let of_nodes = [Resource::Node, Resource::NodeChecks];
    let of_nodes = of_nodes.into_iter().flat_map(|it| nodes().map(it));
    of_services.chain(of_nodes).chain(lists).chain(all)
}

pub(super) struct Trial {
    seed: u64,
    pub(super) random: Random,
    pub(super) model: Model,
    replicas: Vec<Replica>,
    /// What a leader's clock was told to count.
    timers: BTreeMap<TimerId, state::registry::Timer>,
    /// What watchers were told, and the keys as they know them by that.
    events: Vec<Event>,
    watched: BTreeMap<Bytes, Kv>,
    compacted: i64,
    /// What was saved, and what is left to do to make it that again.
    archive: Bytes,
    /// The revision of the home that this is a shard of.
    pub(super) home: i64,
    restoring: VecDeque<RegistryCommand>,
}

impl Trial {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            model: Model::new(resources()),
            replicas: (0..3).map(|_| Replica::of_registry()).collect(),
            timers: BTreeMap::new(),
            events: Vec::new(),
            watched: BTreeMap::new(),
            compacted: 0,
            archive: Bytes::new(),
            home: 0,
            restoring: VecDeque::new(),
        }
    }

    fn apply(&mut self, command: &Command) -> Effects {
        let effects: Vec<Effects> =
            self.replicas.iter_mut().map(|it| it.apply(None, command.clone())).collect();
        assert!(effects.iter().all(|it| *it == effects[0]), "seed {}: {effects:#?}", self.seed);
        let effects = effects.into_iter().next().unwrap();
        for event in &effects.events {
            match event.kind {
                EventKind::Put => {
                    let (key, kv) = Kv::of(event.kv.clone());
                    self.watched.insert(key, kv);
                }
                EventKind::Delete => drop(self.watched.remove(&event.kv.key)),
            }
        }
        self.events.extend(effects.events.clone());
        effects
    }

    fn compact(&mut self, revision: i64) {
        let effects = self.apply(&Command::Compact { revision: Revision(revision) });
        assert!(effects.outcome.result.is_ok(), "seed {}: {effects:?}", self.seed);
        self.compacted = revision;
    }

    fn step(&mut self) {
        if self.random.one_in(12) {
            return self.etcd_writes();
        }
        let past = self.model.revision - self.compacted;
        if past > 1 && self.random.one_in(30) {
            let more = 1 + self.random.below(past as u64) as i64;
            return self.compact(self.compacted + more);
        }
        if self.restoring.is_empty() && self.random.one_in(40) {
            self.model.saved = self.model.save();
            self.archive = restore::archive(&mut self.replicas[0]);
        } else if self.restoring.is_empty() && !self.archive.is_empty() && self.random.one_in(40) {
            let cut = self.random.below(self.archive.len() as u64) as usize;
            self.restoring = restore::steps(&self.archive, cut).into();
        }
        let command = self.restoring.pop_front().unwrap_or_else(|| self.command());
        let effects = self.apply(&Command::Registry(command.clone()));
        let (sessions_before, keys_before) = (self.model.sessions.clone(), self.model.kv.clone());
        let (wanted, woken) = self.model.apply(&command);
        let mut found = effects.outcome.result.map_err(|fault| fault.code);
        if let Ok(Response::Registry(RegistryAnswer::TxnRefused(errors))) = &mut found {
            errors.iter_mut().for_each(|error| error.what.clear());
        }
        let seed = self.seed;
        assert_eq!(found, wanted.map(Response::Registry), "seed {seed}: {command:#?}");
        assert_eq!(effects.outcome.revision.get(), self.model.revision, "seed {seed}: {command:?}");
        let (before, after) = (&sessions_before, &self.model.sessions);
        let all = before.keys().chain(after.keys());
        let sessions = all.filter(|id| before.get(*id) != after.get(*id)).cloned().collect();
        let told = Changes {
            timers: Vec::new(),
            lock_delays: Vec::new(),
            mirrored: BTreeSet::new(),
            ..effects.registry.clone()
        };
        assert_eq!(told, changes(&woken, sessions), "seed {seed}: {command:#?}");
        let ended =
            before.values().filter(|it| it.lock_delay_ms > 0 && !after.contains_key(&it.id));
        let mut delays: Vec<(Bytes, u64)> = ended
            .flat_map(|it| {
                let held = keys_before.iter().filter(|(_, kv)| kv.session == *it.id.as_bytes());
                held.map(|(key, _)| (key.clone(), it.lock_delay_ms))
            })
            .collect();
        if matches!(command, RegistryCommand::Txn(_) | RegistryCommand::Restore(_)) {
            // There keys come and go with each operation; and what is restored is not let go.
            delays = self.model.delays.clone();
        }
        delays.sort();
        let mut told = effects.registry.lock_delays;
        told.sort();
        assert_eq!(told, delays, "seed {seed}: {command:#?}");
        assert_eq!(self.watched, self.model.kv, "seed {seed}: {command:#?}");
        for change in effects.registry.timers {
            match change {
                TimerChange::Start(id, timer) => drop(self.timers.insert(id, timer)),
                TimerChange::Stop(id) => drop(self.timers.remove(&id)),
            }
        }
        let timers: Vec<_> = self.timers.clone().into_iter().collect();
        assert_eq!(timers, self.model.timers(), "seed {seed}: {command:#?}");
    }

    /// What etcd's clients do to the same keys.
    fn etcd_writes(&mut self) {
        let key = Bytes::from(self.one(&["k0", "k1", "k2"]));
        let now = self.model.revision + 1;
        if self.random.one_in(3) {
            let range = KeyRange::single(&key);
            self.apply(&Command::Delete(DeleteRequest { range, prev_kv: false }));
            if self.model.kv.remove(&key).is_some() {
                self.model.revision = now;
            }
            return;
        }
        let value = Bytes::from("etcd");
        let put = PutRequest { key: key.clone(), value: value.clone(), ..PutRequest::default() };
        self.apply(&Command::Put(put));
        self.model.revision = now;
        let created = self.model.kv.get(&key).map_or(now, |kv| kv.created);
        let kv = self.model.kv.entry(key).or_default();
        *kv = Kv { value, created, modified: now, version: kv.version + 1, ..kv.clone() };
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
            // A crash in the middle of a sweep.
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

    /// Everything that can be asked is as in the model, on every replica.
    fn look(&mut self) {
        let (seed, model) = (self.seed, &self.model);
        for replica in &mut self.replicas {
            replica.write();
            let registry = replica.machine.registry().unwrap();
            for (resource, (answer, index)) in &model.answers {
                let found = ask(registry, resource);
                assert_eq!(found, (answer.clone(), Revision(*index)), "seed {seed}: {resource:?}");
            }
            let timers: Vec<_> = registry.timers().collect();
            assert_eq!(timers, model.timers(), "seed {seed}");
            look_at_filters(registry, model);
            look_at_places(registry, model);
            let all = RangeRequest { range: KeyRange::all(), ..RangeRequest::default() };
            let found = replica.machine.select(&all).unwrap().fetch(&replica.engine).unwrap();
            let found: BTreeMap<_, _> = found.kvs.into_iter().map(Kv::of).collect();
            assert_eq!(found, model.kv, "seed {seed}");
            let (from, to) = (Revision(self.compacted + 1), Revision(model.revision));
            let (engine, most) = (&replica.engine, usize::MAX);
            let all = KeyRange::all();
            let page = state::history::page(engine, replica.region, from, to, &all, most, most);
            let later = self.events.iter().filter(|it| it.kv.mod_revision >= from);
            assert_eq!(page.unwrap().events, later.cloned().collect::<Vec<_>>(), "seed {seed}");
        }
    }

    /// Once all is compacted and swept, nothing is left but what can be read, and what the last revision
    /// deleted or wrote over.
    fn end(&mut self) {
        if self.compacted < self.model.revision {
            self.compact(self.model.revision);
        }
        let last =
            self.events.iter().filter(|it| it.kv.mod_revision.get() == self.compacted).count();
        for replica in &mut self.replicas {
            replica.write();
            while replica.scavenge(3) {}
            let (start, end) = state::keys::region_range(replica.region);
            let records = replica.engine.0.range(start..end).filter(|(key, _)| key[8] == b'R');
            let (records, keys) = (records.count(), self.model.kv.len());
            assert!((keys..=keys + last).contains(&records), "seed {}: {records}", self.seed);
        }
    }
}

/// Who is to be woken, if exactly these have another answer.
fn changes(woken: &BTreeSet<Resource>, sessions: BTreeSet<Name>) -> Changes {
    let mut changes = Changes { sessions, ..Changes::default() };
    for resource in woken {
        match resource {
            Resource::Service(name) | Resource::ServiceChecks(name) => {
                changes.services.extend([name.clone()]);
            }
            Resource::Node(name) | Resource::NodeChecks(name) => {
                changes.nodes.extend([name.clone()]);
            }
            Resource::ServiceList(namespace) => changes.service_lists.extend([namespace.clone()]),
            Resource::Nodes => changes.node_list = true,
            Resource::Checks => changes.checks = true,
            Resource::Sessions => {}
        }
    }
    changes
}

#[test]
fn random_registrations_do_what_the_model_does() {
    for seed in 1..=60 {
        let mut trial = Trial::new(seed);
        for number in 0..400 {
            trial.step();
            trial.rest();
            if number % 10 == 9 {
                trial.look();
            }
        }
        trial.end();
        trial.look();
    }
}
