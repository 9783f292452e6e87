//! The registry as plain maps of records. It knows no index: after each command it makes every answer
//! anew, and an index is the revision at which the answer last was another one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use state::registry::{
    Check, CheckKey, CheckTimer, Expiry, Instance, InstanceKey, Mirror, Name, Node, Registration,
    RegistryAnswer, RegistryCommand, ServiceName, Session, Status, Target, Timer, TimerId,
};
use types::{Code, Revision};

use super::keys::Kv;
use super::restore::Saved;

/// Something that can be waited for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Resource {
    Service(ServiceName),
    ServiceChecks(ServiceName),
    Node(Name),
    NodeChecks(Name),
    ServiceList(Name),
    Nodes,
    Checks,
    Sessions,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) revision: i64,
    pub(crate) nodes: BTreeMap<Name, Node>,
    pub(crate) instances: BTreeMap<InstanceKey, Instance>,
    pub(crate) checks: BTreeMap<CheckKey, Check>,
    pub(crate) sessions: BTreeMap<Name, Session>,
    pub(crate) kv: BTreeMap<Bytes, Kv>,
    /// At which revisions of its home each node is known, and the newest at which one was gone.
    pub(crate) mirrored: (BTreeMap<Name, Revision>, Revision),
    /// What the last transaction's ended sessions let go of, and for how long nobody gets it.
    pub(crate) delays: Vec<(Bytes, u64)>,
    /// What a restore makes it.
    pub(super) saved: Saved,
    /// Every answer, and since when it is what it is.
    pub(crate) answers: BTreeMap<Resource, (String, i64)>,
}

pub(crate) fn instance_of(check: &Check) -> InstanceKey {
    InstanceKey::new(&check.node, &check.namespace, &check.instance)
}

impl Model {
    pub(crate) fn new(resources: impl Iterator<Item = Resource>) -> Self {
        let answers = resources.map(|it| (it, (String::new(), 1))).collect();
        Self { revision: 1, answers, ..Self::default() }
    }

    /// Carries out a command; answers also which resources have another answer now.
    pub(crate) fn apply(
        &mut self,
        command: &RegistryCommand,
    ) -> (Result<RegistryAnswer, Code>, BTreeSet<Resource>) {
        if let Err(fault) = state::check(&state::command::Command::Registry(command.clone())) {
            return (Err(fault.code), BTreeSet::new());
        }
        let now = self.revision + 1;
        let before = (
            self.nodes.clone(),
            self.instances.clone(),
            self.checks.clone(),
            self.sessions.clone(),
        );
        let answer = match command {
            RegistryCommand::Kv(write) => return (self.put(write), BTreeSet::new()),
            RegistryCommand::KvDelete { key, index } => {
                return (Ok(self.delete_at(key, *index)), BTreeSet::new());
            }
            RegistryCommand::Txn(ops) => {
                let (answer, changed) = self.txn(ops);
                let woken = if changed { self.look_around() } else { BTreeSet::new() };
                return (Ok(answer), woken);
            }
            RegistryCommand::Restore(step) => {
                let (answer, woken) = self.restore_step(step);
                return (Ok(answer), woken);
            }
            RegistryCommand::Register(it) => self.register(it, now),
            RegistryCommand::RegisterOn(it) if !self.nodes.contains_key(&it.node.name) => {
                Err(Code::NodeUnknown)
            }
            RegistryCommand::RegisterOn(it) => {
                let it = Registration { skip_node_update: true, ..(**it).clone() };
                self.register(&it, now)
            }
            RegistryCommand::Mirror(all) => {
                all.iter().for_each(|it| self.mirror(it, now));
                Ok(0)
            }
            RegistryCommand::Deregister(target) => {
                self.forget(target);
                Ok(0)
            }
            RegistryCommand::UpdateCheck { check, status, output } => {
                self.update(check, *status, output.clone(), now)
            }
            RegistryCommand::CreateSession(session) => self.create(session, now),
            RegistryCommand::DestroySession { id } => {
                self.sessions.remove(id);
                Ok(0)
            }
            RegistryCommand::RenewSession { id } => {
                let renewed = self.sessions.get_mut(id).ok_or(Code::SessionUnknown);
                renewed.map(|session| {
                    if session.ttl_ms > 0 {
                        session.modified = Revision(now);
                    }
                    0
                })
            }
            RegistryCommand::Expire(all) => {
                Ok(all.iter().filter(|it| self.expire(it, now)).count() as u64)
            }
        };
        self.end_what_hangs();
        let changed = before
            != (
                self.nodes.clone(),
                self.instances.clone(),
                self.checks.clone(),
                self.sessions.clone(),
            );
        let mut woken = BTreeSet::new();
        if changed {
            self.revision = now;
            for session in before.3.values() {
                if !self.sessions.contains_key(&session.id) {
                    self.let_go(&session.id, session.behavior, now);
                }
            }
            woken = self.look_around();
        }
        let answer = answer.map(|count| match command {
            RegistryCommand::Expire(_) => RegistryAnswer::Expired(count),
            RegistryCommand::Register(_) | RegistryCommand::RegisterOn(_) => {
                let timer = Some(count).filter(|timer| *timer != 0).map(TimerId);
                RegistryAnswer::Registered { changed, timer }
            }
            _ => RegistryAnswer::Done { changed },
        });
        (answer, woken)
    }

    /// Answers the number of the first check's timer.
    fn register(&mut self, it: &Registration, now: i64) -> Result<u64, Code> {
        let revision = Revision(now);
        let name = &it.node.name;
        let comes = it.instance.as_ref().map(|i| InstanceKey::new(name, &i.namespace, &i.id));
        for registered in &it.checks {
            let about = instance_of(&Check { node: name.clone(), ..registered.check.clone() });
            let is_there = self.instances.contains_key(&about) || comes.as_ref() == Some(&about);
            if !about.id.is_empty() && !is_there {
                return Err(Code::InstanceUnknown);
            }
        }
        let known = self.nodes.get(name);
        if !(known.is_some() && it.skip_node_update) {
            let created = known.map_or(revision, |known| known.created);
            let modified = known.map_or(revision, |known| known.modified);
            let mut node = Node { created, modified, ..it.node.clone() };
            if known != Some(&node) {
                node.modified = revision;
                self.nodes.insert(name.clone(), node);
            }
        }
        if let (Some(instance), Some(key)) = (&it.instance, &comes) {
            let known = self.instances.get(key).cloned();
            let created = known.as_ref().map_or(revision, |known| known.created);
            let modified = known.as_ref().map_or(revision, |known| known.modified);
            let mut fresh = Instance { node: name.clone(), created, modified, ..instance.clone() };
            if known.as_ref() != Some(&fresh) {
                fresh.modified = revision;
                self.instances.insert(key.clone(), fresh);
            }
            if known.is_some_and(|known| known.service != instance.service) {
                let moved = self.checks.values_mut().filter(|it| instance_of(it) == *key);
                moved.for_each(|check| check.modified = revision);
            }
        }
        let (mut made, mut first) = (0, 0);
        for registered in &it.checks {
            let mut check = Check { node: name.clone(), ..registered.check.clone() };
            let key = CheckKey::new(name, &check.namespace, &check.id);
            match self.checks.get(&key) {
                None => {
                    (check.created, check.modified) = (revision, revision);
                    check.timer = TimerId(now as u64 * 256 + made);
                    made += 1;
                }
                Some(known) => {
                    (check.created, check.timer) = (known.created, known.timer);
                    if known.timer.part().0 == 63 && !check.is_of_node() {
                        check.timer = TimerId(now as u64 * 256 + made);
                        made += 1;
                    }
                    check.modified = known.modified;
                    if registered.keep_status {
                        (check.status, check.output) = (known.status, known.output.clone());
                    }
                    if check != *known {
                        check.modified = revision;
                    }
                }
            }
            if first == 0 {
                first = check.timer.0;
            }
            self.checks.insert(key, check);
        }
        if let Some(key) = comes.filter(|_| it.replace_checks) {
            self.checks.retain(|id, check| {
                instance_of(check) != key
                    || it
                        .checks
                        .iter()
                        .any(|it| it.check.id == id.id && it.check.namespace == id.namespace)
            });
        }
        Ok(first)
    }

    fn mirror(&mut self, it: &Mirror, now: i64) {
        let (known, gone) = &mut self.mirrored;
        let is_old = match known.get(&it.name) {
            Some(known) => it.at <= *known,
            None => it.at < *gone,
        };
        if is_old {
            return;
        }
        let Some((node, checks)) = &it.node else {
            known.remove(&it.name);
            *gone = it.at;
            return self.forget(&Target::Node(it.name.clone()));
        };
        known.insert(it.name.clone(), it.at);
        let is_of_it = |check: &Check| check.node == it.name && check.is_of_node();
        let comes = |key: &CheckKey| {
            checks.iter().any(|it| it.id == key.id && it.namespace == key.namespace)
        };
        self.checks.retain(|key, check| !is_of_it(check) || comes(key));
        let node = Registration {
            node: node.clone(),
            skip_node_update: false,
            instance: None,
            checks: Vec::new(),
            replace_checks: false,
        };
        self.register(&node, now).unwrap();
        for check in checks {
            let mut copy = Check { node: it.name.clone(), ..check.clone() };
            let definition = &mut copy.definition;
            (definition.ttl_ms, definition.interval_ms) = (0, 0);
            (definition.success_before_passing, definition.failures_before_warning) = (0, 0);
            definition.failures_before_critical = 0;
            (copy.created, copy.modified) = (Revision(now), Revision(now));
            copy.timer = TimerId(check.timer.0 | 63 << 58);
            let key = copy.key();
            let known = self.checks.get(&key).filter(|known| known.is_of_node());
            if let Some(known) = known {
                (copy.created, copy.timer) = (known.created, known.timer);
                let same = Check { modified: known.modified, ..copy.clone() };
                if same == *known {
                    continue;
                }
            }
            self.checks.insert(key, copy);
        }
    }

    pub(super) fn forget(&mut self, target: &Target) {
        match target {
            Target::Node(node) => {
                self.nodes.remove(node);
                self.instances.retain(|key, _| key.node != *node);
                self.checks.retain(|key, _| key.node != *node);
                self.sessions.retain(|_, session| session.node != *node);
            }
            Target::Instance(key) => {
                self.instances.remove(key);
                self.checks.retain(|_, check| instance_of(check) != *key);
            }
            Target::Check(key) => drop(self.checks.remove(key)),
        }
    }

    fn update(
        &mut self,
        key: &CheckKey,
        status: Status,
        output: Option<Name>,
        now: i64,
    ) -> Result<u64, Code> {
        let check = self.checks.get_mut(key).ok_or(Code::CheckUnknown)?;
        let output = output.unwrap_or_else(|| check.output.clone());
        if (check.status, &check.output) != (status, &output) {
            (check.status, check.output, check.modified) = (status, output, Revision(now));
        }
        Ok(0)
    }

    fn create(&mut self, session: &Session, now: i64) -> Result<u64, Code> {
        if self.sessions.contains_key(&session.id) {
            return Err(Code::InvalidArgument);
        }
        if !self.nodes.contains_key(&session.node) {
            return Err(Code::NodeUnknown);
        }
        for key in hangs_on(session) {
            match self.checks.get(&key) {
                None => return Err(Code::CheckUnknown),
                Some(check) if check.status == Status::Critical => {
                    return Err(Code::InvalidArgument);
                }
                Some(_) => {}
            }
        }
        let made = Revision(now);
        let timer = TimerId(now as u64 * 256);
        let session = Session { created: made, modified: made, timer, ..session.clone() };
        self.sessions.insert(session.id.clone(), session);
        Ok(0)
    }

    fn expire(&mut self, expiry: &Expiry, now: i64) -> bool {
        match expiry {
            Expiry::Check { check, modified, status } => {
                let known = self.checks.get_mut(check);
                let Some(known) = known.filter(|it| it.modified == *modified) else { return false };
                if known.status == *status {
                    return false;
                }
                known.output = match &*known.output {
                    "" => "TTL expired".into(),
                    said if said.starts_with("TTL expired") => "TTL expired".into(),
                    said => {
                        format!("TTL expired (last output before timeout follows): {said}").into()
                    }
                };
                (known.status, known.modified) = (*status, Revision(now));
            }
            Expiry::Instance { check, modified } => {
                let known = self.checks.get(check).filter(|it| it.modified == *modified);
                let known = known.filter(|it| it.status == Status::Critical && !it.is_of_node());
                let Some(known) = known else { return false };
                let target = Target::Instance(instance_of(known));
                self.forget(&target);
            }
            Expiry::Session { id, modified } => {
                let is_it = self.sessions.get(id).is_some_and(|it| it.modified == *modified);
                return is_it && self.sessions.remove(id).is_some();
            }
        }
        // What hung on it is over before the next one is looked at.
        self.end_what_hangs();
        true
    }

    pub(super) fn end_what_hangs(&mut self) {
        let checks = &self.checks;
        let stands =
            |key: &CheckKey| checks.get(key).is_some_and(|it| it.status != Status::Critical);
        self.sessions.retain(|_, session| hangs_on(session).iter().all(stands));
    }

    pub(crate) fn timers(&self) -> Vec<(TimerId, Timer)> {
        let checks = self.checks.values().filter_map(|check| {
            let (definition, of_node) = (&check.definition, check.is_of_node());
            let removal = if of_node { 0 } else { definition.deregister_after_ms };
            let counts = definition.ttl_ms > 0
                || definition.interval_ms > 0
                || removal > 0
                || definition.failures_before_critical > 1;
            let timer = CheckTimer {
                status: check.status,
                interval_ms: check.definition.interval_ms,
                ttl_ms: definition.ttl_ms,
                deregister_after_ms: removal,
                success_before_passing: 0,
                failures_before_warning: 0,
                failures_before_critical: definition.failures_before_critical,
                service: self
                    .instances
                    .get(&instance_of(check))
                    .map(|it| ServiceName::new(&it.namespace, &it.service)),
            };
            counts.then_some((check.timer, Timer::Check(timer)))
        });
        let sessions = self.sessions.values().filter(|session| session.ttl_ms > 0);
        let sessions = sessions.map(|it| (it.timer, Timer::Session { ttl_ms: it.ttl_ms }));
        let mut timers: Vec<_> = checks.chain(sessions).collect();
        timers.sort_by_key(|(id, _)| *id);
        timers
    }
}

fn hangs_on(session: &Session) -> Vec<CheckKey> {
    let of_node = session.node_checks.iter().map(|id| CheckKey::new(&session.node, "default", id));
    let others = session.service_checks.iter();
    let others = others.map(|(namespace, id)| CheckKey::new(&session.node, namespace, id));
    of_node.chain(others).collect()
}
