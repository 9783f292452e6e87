//! Random commands on three replicas that differ in all that must not matter: how entries are put into
//! batches and when they restart.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use state::Effects;
use state::command::Command;
use state::registry::query::{InstanceFilter, Member, NamedCheck};
use state::registry::{
    Changes, CheckKey, Expiry, InstanceKey, Name, Registry, RegistryAnswer, RegistryCommand,
    ServiceName, Status, Target, TimerChange, TimerId,
};
use state::request::{DeleteRequest, PutRequest, RangeRequest};
use state::response::Response;
use types::{KeyRange, Revision};

use super::keys::Kv;
use super::model::{Model, Resource};
use super::{show, words};
use crate::random::Random;
use crate::replica::Replica;

const NAMESPACES: [&str; 2] = ["default", "other"];

fn services() -> impl Iterator<Item = ServiceName> {
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

struct Trial {
    seed: u64,
    random: Random,
    model: Model,
    replicas: Vec<Replica>,
    /// What a leader's clock was told to count.
    timers: BTreeMap<TimerId, state::registry::Timer>,
}

impl Trial {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            model: Model::new(resources()),
            replicas: (0..3).map(|_| Replica::of_registry()).collect(),
            timers: BTreeMap::new(),
        }
    }

    fn one(&mut self, of: &[&'static str]) -> &'static str {
        of[self.random.below(of.len() as u64) as usize]
    }

    fn registration(&mut self) -> RegistryCommand {
        let node = self.one(&["n0", "n0", "n1", "n2"]);
        let mut text = format!("register {node} addr=h{}", self.random.below(2));
        if self.random.one_in(3) {
            text += &format!(" nodemeta=k:{}", self.random.below(2));
        }
        if self.random.one_in(4) {
            text += " skip";
        }
        let namespace = self.one(&NAMESPACES);
        let id = self.one(&["i0", "i1", "i2", "i3"]);
        text += &format!(" ns={namespace}");
        if !self.random.one_in(4) {
            let (service, zone) = (self.one(&["a", "b", "c"]), self.one(&["z1", "z2"]));
            text += &format!(" service={service} id={id} port={}", self.random.below(2));
            text += self.one(&["", " tags=x", " tags=x,y", " tags=y,x", " tags=z"]);
            text += &format!(" zone={zone}");
            if self.random.one_in(3) {
                text += " replace";
            }
        }
        for _ in 0..self.random.below(3) {
            let check = self.one(&["c0", "c1", "c2", "h"]);
            text += &format!(" check={check}");
            if check != "h" {
                text += &format!(",of:{id}");
            }
            text += self.one(&["", ",passing", ",passing", ",passing", ",warning", ",critical"]);
            text += self.one(&["", ",keep", ",ttl:1000", ",ttl:2000,after:9", ",failures:3"]);
        }
        words::command(&text)
    }

    fn check_key(&mut self) -> CheckKey {
        let namespace = self.one(&NAMESPACES);
        let (node, id) = (self.one(&["n0", "n0", "n1", "n2"]), self.one(&["c0", "c1", "c2", "h"]));
        CheckKey::new(node, namespace, id)
    }

    fn status(&mut self) -> Status {
        [Status::Passing, Status::Passing, Status::Passing, Status::Warning, Status::Critical]
            [self.random.below(5) as usize]
    }

    fn expiry(&mut self) -> Expiry {
        let check = self.check_key();
        let known = self.model.checks.get(&check).map(|it| it.modified);
        let modified = known.filter(|_| !self.random.one_in(4)).unwrap_or(Revision(3));
        match self.random.below(3) {
            0 => Expiry::Check { check, modified, status: self.status() },
            1 => Expiry::Instance { check, modified },
            _ => {
                let id = self.one(&["s0", "s1", "s2"]);
                let known = self.model.sessions.get(id).map(|it| it.modified);
                let modified = known.filter(|_| !self.random.one_in(4)).unwrap_or(Revision(3));
                Expiry::Session { id: id.into(), modified }
            }
        }
    }

    fn command(&mut self) -> RegistryCommand {
        let session = self.one(&["s0", "s1", "s2"]);
        match self.random.below(20) {
            0..=5 => self.registration(),
            6 => {
                let namespace = self.one(&NAMESPACES);
                let (node, id) = (self.one(&["n0", "n1"]), self.one(&["i0", "i1", "i2", "i3"]));
                let key = InstanceKey::new(node, namespace, id);
                RegistryCommand::Deregister(Target::Instance(key))
            }
            7 => RegistryCommand::Deregister(Target::Check(self.check_key())),
            8 if self.random.one_in(3) => {
                RegistryCommand::Deregister(Target::Node(self.one(&["n0", "n1", "n2"]).into()))
            }
            8..=11 => RegistryCommand::UpdateCheck {
                check: self.check_key(),
                status: self.status(),
                output: [None, Some("well".into()), Some("".into())][self.random.below(3) as usize]
                    .clone(),
            },
            12 | 13 => {
                let node = self.one(&["n0", "n0", "n1"]);
                let rest = self.one(&["", " checks=h", " services=c0,c1", " ttl=10000", " delete"]);
                words::command(&format!("session {session} node={node} delay=5{rest}"))
            }
            14 => RegistryCommand::DestroySession { id: session.into() },
            15 => RegistryCommand::RenewSession { id: session.into() },
            16 => RegistryCommand::Expire((0..3).map(|_| self.expiry()).collect()),
            17 => {
                let ops: Vec<String> =
                    (0..self.random.below(6)).map(|_| self.operation()).collect();
                words::command(&format!("txn {}", ops.join(" ; ")))
            }
            18 if self.random.one_in(3) => {
                let (key, index) = self.key_and_index();
                words::command(&format!("kvdel {key} {index}"))
            }
            _ => {
                let put = self.put();
                words::command(&format!("kv {put}"))
            }
        }
    }

    fn key_and_index(&mut self) -> (&'static str, i64) {
        let key = self.one(&["k0", "k1", "k2"]);
        let index = self.model.kv.get(key.as_bytes()).map_or(0, |kv| kv.modified);
        (key, if self.random.one_in(6) { index + 1 } else { index })
    }

    fn put(&mut self) -> String {
        let ((key, index), session) = (self.key_and_index(), self.one(&["s0", "s1", "s2"]));
        let rest = match self.random.below(6) {
            0 => format!("cas={index}"),
            1 => format!("release={session}"),
            2..=4 => format!("acquire={session}"),
            _ => String::new(),
        };
        let (value, flags) = (self.random.below(2), self.random.below(2));
        format!("{key} v{value} flags={flags} {rest}")
    }

    /// One of a transaction, such that most of them are done.
    fn operation(&mut self) -> String {
        let ((key, index), prefix) = (self.key_and_index(), self.one(&["k", "k1", "x", ""]));
        let holder = self
            .model
            .kv
            .get(key.as_bytes())
            .map_or("", |kv| std::str::from_utf8(&kv.session).unwrap());
        let check = match self.random.below(4) {
            _ if index == 0 => format!("check-not-exists {key}"),
            0 => format!("get {key}"),
            1 => format!("check-session {key} {holder}"),
            _ => format!("check-index {key} {index}"),
        };
        match self.random.below(16) {
            0..=6 => format!("put {}", self.put()),
            7 => format!("get-or-empty {key}"),
            8 => format!("get-tree {prefix}"),
            9 | 10 => format!("delete {key}"),
            11 if self.random.one_in(2) => format!("delete-tree {prefix}"),
            12 => format!("delete-cas {key} {index}"),
            _ => check,
        }
    }

    fn apply(&mut self, command: &Command) -> Effects {
        let effects: Vec<Effects> =
            self.replicas.iter_mut().map(|it| it.apply(None, command.clone())).collect();
        assert!(effects.iter().all(|it| *it == effects[0]), "seed {}: {effects:#?}", self.seed);
        effects.into_iter().next().unwrap()
    }

    fn step(&mut self) {
        if self.random.one_in(12) {
            return self.etcd_writes();
        }
        let command = self.command();
        let effects = self.apply(&Command::Registry(command.clone()));
        let sessions_before = self.model.sessions.clone();
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
        let told =
            Changes { timers: Vec::new(), lock_delays: Vec::new(), ..effects.registry.clone() };
        assert_eq!(told, changes(&woken, sessions), "seed {seed}: {command:#?}");
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

fn member_lines(member: &Member) -> Vec<String> {
    let mut lines = vec![show::node(&member.node), show::instance(&member.instance)];
    lines.extend(member.checks.iter().map(|check| show::check(check)));
    lines
}

fn ask(registry: &Registry, resource: &Resource) -> (String, Revision) {
    let check = |it: &NamedCheck| show::check(&it.check);
    let (lines, index): (Vec<String>, Revision) = match resource {
        Resource::Service(name) => {
            let found = registry.service(name, &InstanceFilter::default());
            (found.value.iter().flat_map(member_lines).collect(), found.index)
        }
        Resource::Node(name) => {
            let node = registry.node(name);
            let lines = node.value.map_or(Vec::new(), |it| {
                let instances = it.instances.iter().map(|it| show::instance(it));
                std::iter::once(show::node(&it.node)).chain(instances).collect()
            });
            (lines, node.index)
        }
        Resource::NodeChecks(name) => {
            let found = registry.node_checks(name);
            let is_there = registry.node(name).value.map(|_| "is there".to_owned());
            let lines = is_there.into_iter().chain(found.value.iter().map(show::named_check));
            (lines.collect(), found.index)
        }
        Resource::ServiceChecks(name) => {
            let found = registry.service_checks(name);
            let members = registry.service(name, &InstanceFilter::default()).value;
            let is_there = members.first().map(|_| "is there".to_owned());
            let lines = is_there.into_iter().chain(found.value.iter().map(show::named_check));
            (lines.collect(), found.index)
        }
        Resource::ServiceList(namespace) => {
            let found = registry.services(namespace);
            let lines = found
                .value
                .iter()
                .map(|(name, tags)| format!("{name} {:?}", tags.iter().collect::<BTreeSet<_>>()));
            (lines.collect(), found.index)
        }
        Resource::Nodes => {
            let found = registry.nodes(&[]);
            (found.value.iter().map(|it| show::node(it)).collect(), found.index)
        }
        Resource::Checks => {
            let all = NAMESPACES.map(|namespace| registry.checks(namespace, None));
            let index = all[0].index;
            let mut lines: Vec<String> = all
                .iter()
                .flat_map(|found| &found.value)
                .map(|it| {
                    let tags = it.instance.as_ref().map(|it| it.tags.clone()).unwrap_or_default();
                    format!("{} {tags:?}", check(it))
                })
                .collect();
            lines.sort();
            (lines, index)
        }
        Resource::Sessions => {
            let found = registry.sessions(None);
            (found.value.iter().map(|it| show::session(it)).collect(), found.index)
        }
    };
    (lines.join("\n"), index)
}

fn look_at_filters(registry: &Registry, model: &Model) {
    for service in services() {
        let filter = InstanceFilter {
            passing_only: true,
            tags: vec!["x".into()],
            node_meta: vec![("k".into(), "1".into())],
            ..InstanceFilter::default()
        };
        let found = registry.service(&service, &filter).value;
        let wanted = model.members(&service).into_iter().filter(|key| {
            let own = InstanceKey::new(&key.node, "", "");
            let mut checks = model.checks_about(&own).chain(model.checks_about(key));
            checks.all(|check| check.status == Status::Passing)
                && model.instances[key].tags.iter().any(|tag| &**tag == "x")
                && model.nodes[&key.node].meta.iter().any(|(_, value)| &**value == "1")
        });
        let found: Vec<_> =
            found.iter().map(|it| (it.node.name.clone(), it.instance.id.clone())).collect();
        let wanted: Vec<_> = wanted.map(|key| (key.node, key.id)).collect();
        assert_eq!(found, wanted);
    }
}

fn look_at_places(registry: &Registry, model: &Model) {
    for namespace in NAMESPACES {
        for id in ["i0", "i1", "i2", "i3", "c0", "c1", "c2", "h"] {
            let found: Vec<_> = registry.instance_nodes(namespace, id).cloned().collect();
            let here = |ns: &Name, it: &Name| (&**ns, &**it) == (namespace, id);
            let keys = model.instances.keys().filter(|key| here(&key.namespace, &key.id));
            assert_eq!(found, keys.map(|key| key.node.clone()).collect::<Vec<_>>());
            let found: Vec<_> = registry.check_nodes(namespace, id).cloned().collect();
            let keys = model.checks.keys().filter(|key| here(&key.namespace, &key.id));
            assert_eq!(found, keys.map(|key| key.node.clone()).collect::<Vec<_>>());
        }
    }
    let counts = [model.nodes.len(), model.instances.len(), model.checks.len()];
    let [nodes, _, instances, checks] = registry.counts();
    assert_eq!([nodes, instances, checks], counts);
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
    }
}
