//! Clients of a registry: instances that come, beat, fall silent and go; and holders of sessions.

use bytes::Bytes;
use state::registry::{
    Behavior, Check, CheckKey, CheckRegistration, DEFAULT_NAMESPACE, Definition, Instance,
    InstanceKey, KvCondition, KvWrite, Name, Node, Registration, RegistryAnswer, RegistryCommand,
    Session, Status, Target, TimerId, Weights,
};
use types::{Code, Revision};

use super::{Ask, Client, Pending};
use crate::registry::{Said, Told};
use crate::scenario::{DEREGISTER_AFTER_MS, LOCK_DELAY_MS, SESSION_TTL_MS, TTL_MS};
use crate::sky::Sky;

/// Keys that are locked.
const LOCKS: u64 = 2;
const SERVICES: [&str; 2] = ["web", "db"];
const HOSTS: [&str; 2] = ["host-0", "host-1"];

/// How far such a client is.
#[derive(Default)]
pub(super) struct Life {
    registered: bool,
    /// It says nothing until then.
    silent_until: u64,
    /// How its check is to be said to stand.
    mend: Option<Status>,
    session: Option<Name>,
    /// One that is over.
    gone: Option<Name>,
    held: Option<Bytes>,
    /// A key that was said to be free.
    free: Option<Bytes>,
    /// The node of its sessions is not there yet.
    homeless: bool,
}

/// Which instance a client is.
fn instance_of(service: usize, number: u64) -> InstanceKey {
    let host = usize::try_from(number).unwrap_or(0) % HOSTS.len();
    let id = format!("{}-{number}", SERVICES[service]);
    InstanceKey::new(HOSTS[host], DEFAULT_NAMESPACE, &id)
}

/// An instance has one check, of the same id.
fn check_of(key: &InstanceKey) -> CheckKey {
    CheckKey::new(&key.node, &key.namespace, &key.id)
}

/// The check that a question says something of.
pub(super) fn spoken_of(ask: &Ask) -> Option<CheckKey> {
    match ask {
        Ask::Say(Said::Beat(check)) | Ask::Registry(RegistryCommand::UpdateCheck { check, .. }) => {
            Some(check.clone())
        }
        Ask::Registry(RegistryCommand::Register(registration)) => {
            let check = &registration.checks.first()?.check;
            Some(CheckKey::new(&registration.node.name, &check.namespace, &check.id))
        }
        _ => None,
    }
}

fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        id: Name::default(),
        address: "10.0.0.1".into(),
        tagged_addresses: [].into(),
        meta: [].into(),
        created: Revision(0),
        modified: Revision(0),
    }
}

fn check(key: &InstanceKey, service: usize) -> Check {
    let definition = Definition {
        ttl_ms: TTL_MS,
        // Those of the first service go in the end, those of the second stay, and are warned first.
        deregister_after_ms: if service == 0 { DEREGISTER_AFTER_MS } else { 0 },
        failures_before_warning: u8::from(service == 1),
        failures_before_critical: if service == 1 { 2 } else { 0 },
        ..Definition::default()
    };
    Check {
        node: key.node.clone(),
        namespace: key.namespace.clone(),
        id: key.id.clone(),
        instance: key.id.clone(),
        name: "alive".into(),
        status: Status::Passing,
        notes: Name::default(),
        output: Name::default(),
        kind: "ttl".into(),
        definition,
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    }
}

fn register(sky: &mut Sky, key: &InstanceKey, service: usize) -> RegistryCommand {
    let tag: Name = if sky.random.chance(50) { "old".into() } else { "new".into() };
    let instance = Instance {
        node: key.node.clone(),
        namespace: key.namespace.clone(),
        id: key.id.clone(),
        service: SERVICES[service].into(),
        tags: [tag].into(),
        address: Name::default(),
        port: 80,
        meta: [].into(),
        weights: Weights::default(),
        enable_tag_override: false,
        tagged_addresses: Box::default(),
        zone: Name::default(),
        extra: Box::default(),
        created: Revision(0),
        modified: Revision(0),
    };
    let check = CheckRegistration { check: check(key, service), keep_status: false };
    RegistryCommand::Register(Box::new(Registration {
        node: node(&key.node),
        skip_node_update: false,
        instance: Some(instance),
        checks: vec![check],
        replace_checks: false,
    }))
}

impl Client {
    pub(super) fn choose_instance(
        &mut self,
        sky: &mut Sky,
        service: usize,
        number: u64,
    ) -> Option<Ask> {
        if sky.now < self.life.silent_until {
            return None;
        }
        let key = instance_of(service, number);
        let check = check_of(&key);
        if !self.life.registered {
            self.life.mend = None;
            return Some(Ask::Registry(register(sky, &key, service)));
        }
        if let Some(status) = self.life.mend.take() {
            let output = Some("it is back".into());
            return Some(Ask::Registry(RegistryCommand::UpdateCheck { check, status, output }));
        }
        Some(match sky.random.below(100) {
            0..2 if !sky.calm => {
                // It dies, and is back after a while, as itself or anew.
                self.life.registered = sky.random.chance(60);
                self.life.silent_until = sky.now + sky.between(300_000, 5_000_000);
                return None;
            }
            2..4 if !sky.calm => {
                self.life.registered = false;
                Ask::Registry(RegistryCommand::Deregister(Target::Instance(key)))
            }
            4..7 => {
                let output = Some(format!("load {}", sky.random.below(3)).into());
                let status = if sky.random.chance(50) { Status::Warning } else { Status::Passing };
                Ask::Registry(RegistryCommand::UpdateCheck { check, status, output })
            }
            7..11 => Ask::Registry(register(sky, &key, service)),
            _ => Ask::Say(Said::Beat(check)),
        })
    }

    pub(super) fn choose_lock(&mut self, sky: &mut Sky) -> Option<Ask> {
        if sky.now < self.life.silent_until {
            return None;
        }
        if self.life.homeless {
            let registration = Registration {
                node: node(HOSTS[0]),
                skip_node_update: false,
                instance: None,
                checks: Vec::new(),
                replace_checks: false,
            };
            return Some(Ask::Registry(RegistryCommand::Register(Box::new(registration))));
        }
        let Some(session) = self.life.session.clone() else {
            (self.life.held, self.life.free) = (None, None);
            return Some(Ask::Registry(RegistryCommand::CreateSession(Box::new(session(sky)))));
        };
        if let Some(key) = self.life.free.take() {
            return Some(kv(sky, key, KvCondition::Acquire(session)));
        }
        Some(match sky.random.below(100) {
            0..2 if !sky.calm => {
                // It dies, and knows nothing of its session when it is back.
                self.life.session = None;
                self.life.silent_until = sky.now + sky.between(300_000, 2_000_000);
                return None;
            }
            2..4 => {
                (self.life.session, self.life.gone) = (None, Some(session.clone()));
                sky.oracles.registry.locks.let_go(&session, None);
                Ask::Registry(RegistryCommand::DestroySession { id: session })
            }
            4..8 => Ask::Registry(RegistryCommand::RenewSession { id: session }),
            8..55 => {
                let gone = self.life.gone.clone().filter(|_| sky.random.chance(15));
                Ask::Say(Said::Renew(gone.unwrap_or(session)))
            }
            55..75 => match self.life.held.take() {
                Some(key) => {
                    sky.oracles.registry.locks.let_go(&session, Some(&key));
                    kv(sky, key, KvCondition::Release(session))
                }
                None => Ask::Say(Said::Lock(lock(sky))),
            },
            _ => Ask::Say(Said::Lock(lock(sky))),
        })
    }

    /// The leader's clock answered.
    pub(super) fn take_told(&mut self, sky: &mut Sky, pending: &Pending, told: Told, since: u64) {
        let Ask::Say(said) = &pending.ask else { return };
        let from = self.attempted;
        match (said, told) {
            (Said::Beat(_), Told::No) => {
                sky.counts.beats_unknown += 1;
                self.life.registered = false;
            }
            (Said::Beat(check), told) => {
                sky.counts.beats += 1;
                let well = told == Told::Yes;
                if let Told::Stands(status) = told {
                    sky.counts.mends += 1;
                    self.life.mend = Some(status);
                }
                sky.oracles.registry.instances.beat(check, (from, sky.now), well);
            }
            (Said::Renew(id), Told::Yes) => {
                sky.counts.session_renewals += 1;
                let verdict = sky.oracles.registry.sessions.renewed(id, from);
                sky.judge("sessions live", verdict);
            }
            (Said::Renew(id), _) => {
                if self.life.session.as_ref() == Some(id) {
                    self.life.session = None;
                }
                self.life.gone = Some(id.clone());
            }
            (Said::Lock(key), Told::Yes) => {
                let times = (from, sky.now);
                let verdict = sky.oracles.registry.locks.said_free(key, times, since);
                sky.judge("lock delay", verdict);
                self.life.free = Some(key.clone());
            }
            (Said::Lock(_), _) => sky.counts.locks_delayed += 1,
        }
    }

    /// A command was carried out.
    pub(super) fn registered(&mut self, sky: &mut Sky, ask: &Ask, answer: &RegistryAnswer) {
        let Ask::Registry(command) = ask else { return };
        match (command, answer) {
            (RegistryCommand::Register(_), _) => {
                sky.counts.registrations += 1;
                self.life.registered = true;
                self.life.homeless = false;
            }
            (RegistryCommand::CreateSession(session), _) => {
                sky.counts.sessions += 1;
                self.life.session = Some(session.id.clone());
            }
            (
                RegistryCommand::Kv(KvWrite {
                    key, condition: KvCondition::Acquire(session), ..
                }),
                RegistryAnswer::Granted(true),
            ) => {
                sky.counts.locks += 1;
                let oracles = &mut sky.oracles.registry;
                let verdict = oracles.locks.acquired(&oracles.sessions, key, session, sky.now);
                sky.judge("one holder at a time", verdict);
                self.life.held = Some(key.clone());
            }
            (RegistryCommand::Kv(_), RegistryAnswer::Granted(false)) => {
                sky.counts.locks_refused += 1;
            }
            _ => {}
        }
    }

    /// A command was refused; whether that may be.
    pub(super) fn not_registered(&mut self, command: &RegistryCommand, code: Code) -> bool {
        match (command, code) {
            (RegistryCommand::UpdateCheck { .. }, Code::CheckUnknown) => {
                self.life.registered = false;
            }
            (RegistryCommand::CreateSession(_), Code::NodeUnknown) => self.life.homeless = true,
            // What it was to hang on is not there, or critical.
            (RegistryCommand::CreateSession(_), Code::CheckUnknown | Code::InvalidArgument) => {}
            (
                RegistryCommand::RenewSession { .. } | RegistryCommand::Kv(_),
                Code::SessionUnknown,
            ) => self.life.session = None,
            _ => return false,
        }
        true
    }
}

fn lock(sky: &mut Sky) -> Bytes {
    Bytes::from(format!("lock-{}", sky.random.below(LOCKS)))
}

fn kv(sky: &mut Sky, key: Bytes, condition: KvCondition) -> Ask {
    let value = Bytes::copy_from_slice(&sky.ticket().to_be_bytes());
    Ask::Registry(RegistryCommand::Kv(KvWrite { key, value, flags: 0, condition }))
}

fn session(sky: &mut Sky) -> Session {
    let hangs = sky.random.chance(30);
    let service_checks = match hangs {
        true => vec![(DEFAULT_NAMESPACE.into(), instance_of(0, 2 * sky.random.below(3)).id)],
        false => Vec::new(),
    };
    Session {
        id: format!("session-{}", sky.ticket()).into(),
        name: Name::default(),
        node: HOSTS[0].into(),
        lock_delay_ms: LOCK_DELAY_MS / 3 * sky.random.below(4),
        behavior: if sky.random.chance(70) { Behavior::Release } else { Behavior::Delete },
        ttl_ms: SESSION_TTL_MS,
        node_checks: [].into(),
        service_checks: service_checks.into(),
        timer: TimerId(0),
        created: Revision(0),
        modified: Revision(0),
    }
}
