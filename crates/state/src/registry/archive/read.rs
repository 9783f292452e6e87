use bytes::Bytes;
use types::{Code, Fault, limits};

use super::{Archive, ArchivedKey, CHECK, END, INSTANCE, KEY, MAGIC, NODE, SESSION};
use crate::codec::CodecError;
use crate::codec::primitives::Cursor;
use crate::registry::check::check;
use crate::registry::codec;
use crate::registry::command::{CheckRegistration, Registration, RegistryCommand};
use crate::registry::kv::{KvCondition, KvWrite};
use crate::registry::record::{Check, Instance, Node, Session, Status};

/// Whether a registry could be made of these bytes.
///
/// # Errors
/// `InvalidArgument` with what is wrong with them.
pub fn check_archive(bytes: Bytes) -> Result<(), Fault> {
    Archive::read(bytes).map(drop)
}

fn refuse(detail: impl std::fmt::Display) -> Fault {
    Fault::new(Code::InvalidArgument, format!("bad snapshot: {detail}"))
}

impl Archive {
    pub(crate) fn read(bytes: Bytes) -> Result<Self, Fault> {
        if bytes.len() > limits::REGISTRY_ARCHIVE_BYTES {
            let most = limits::REGISTRY_ARCHIVE_BYTES;
            return Err(refuse(format!("{} bytes; at most {most} are taken", bytes.len())));
        }
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(refuse("its state is not of Hiraeth's making, or of another version"));
        }
        let archive = Self::decode(bytes.slice(MAGIC.len()..)).map_err(refuse)?;
        archive.check_all().map_err(|fault| refuse(fault.detail))?;
        Ok(archive)
    }

    fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let (mut from, mut archive) = (Cursor::new(bytes), Self::default());
        let mut records = 0;
        loop {
            let kind = from.byte()?;
            let mut record = Cursor::new(from.bytes()?);
            let is_new = match kind {
                NODE => {
                    let node = codec::get_node(&mut record)?;
                    archive.nodes.insert(node.name.clone(), node).is_none()
                }
                INSTANCE => {
                    let instance = codec::get_instance(&mut record)?;
                    archive.instances.insert(instance.key(), instance).is_none()
                }
                CHECK => {
                    let check = codec::get_check(&mut record)?;
                    archive.checks.insert(check.key(), check).is_none()
                }
                SESSION => {
                    let session = codec::get_session(&mut record)?;
                    archive.sessions.insert(session.id.clone(), session).is_none()
                }
                KEY => {
                    let key = record.bytes()?;
                    archive.keys.insert(key, get_key(&mut record)?).is_none()
                }
                END => {
                    if record.number()? != records {
                        return Err(from.error("another number of records than it should have"));
                    }
                    record.end()?;
                    from.end()?;
                    return Ok(archive);
                }
                _ => return Err(from.error("an unknown kind of record")),
            };
            record.end()?;
            if !is_new {
                return Err(from.error("a record that is there twice"));
            }
            records += 1;
        }
    }

    /// What registering all of it would be refused for.
    fn check_all(&self) -> Result<(), Fault> {
        for (count, most, what) in [
            (self.nodes.len(), limits::REGISTRY_NODES, "nodes"),
            (self.instances.len(), limits::REGISTRY_INSTANCES, "instances"),
            (self.checks.len(), limits::REGISTRY_REGION_CHECKS, "checks"),
            (self.sessions.len(), limits::REGISTRY_SESSIONS, "sessions"),
        ] {
            if count > most {
                return Err(refused(format!("{count} {what}; at most {most} are allowed")));
            }
        }
        self.nodes.values().try_for_each(|node| register(node, None, None))?;
        self.instances.values().try_for_each(|instance| self.check_instance(instance))?;
        self.checks.values().try_for_each(|check| self.check_check(check))?;
        self.sessions.values().try_for_each(|session| self.check_session(session))?;
        self.keys.iter().try_for_each(|(key, archived)| self.check_key(key, archived))
    }

    fn node(&self, name: &str, whose: &dyn std::fmt::Display) -> Result<&Node, Fault> {
        let missing = || refused(format!("{whose} is on the node {name:?}, which is not in it"));
        self.nodes.get(name).ok_or_else(missing)
    }

    fn check_instance(&self, instance: &Instance) -> Result<(), Fault> {
        let node = self.node(&instance.node, &instance.key())?;
        register(node, Some(instance), None)
    }

    fn check_check(&self, check: &Check) -> Result<(), Fault> {
        let node = self.node(&check.node, &check.key())?;
        let about = check.about();
        if !check.is_of_node() && !self.instances.contains_key(&about) {
            let key = check.key();
            return Err(refused(format!("the check {key} is about {about}, which is not in it")));
        }
        register(node, None, Some(check))
    }

    fn check_session(&self, session: &Session) -> Result<(), Fault> {
        self.node(&session.node, &format_args!("the session {:?}", session.id))?;
        for key in session.checks() {
            let known = self.checks.get(&key);
            if known.is_none_or(|check| check.status == Status::Critical) {
                let id = &session.id;
                return Err(refused(format!(
                    "the session {id:?} hangs on the check {key}, which is critical or not in it"
                )));
            }
        }
        check(&RegistryCommand::CreateSession(Box::new(session.clone())))
    }

    fn check_key(&self, key: &Bytes, archived: &ArchivedKey) -> Result<(), Fault> {
        let ArchivedKey { value, flags, session, .. } = archived;
        let holder = core::str::from_utf8(session).ok();
        if !session.is_empty() && holder.is_none_or(|id| !self.sessions.contains_key(id)) {
            let key = String::from_utf8_lossy(key);
            return Err(refused(format!("the key {key:?} is held by a session that is not in it")));
        }
        // Keys of etcd's clients may be larger than Consul's: they were put here before.
        if value.len() > limits::REQUEST_BYTES {
            return Err(refused(format!("a value of {} bytes", value.len())));
        }
        let condition = KvCondition::Always;
        let (key, value) = (key.clone(), Bytes::new());
        check(&RegistryCommand::Kv(KvWrite { key, value, flags: *flags, condition }))
    }
}

fn refused(detail: String) -> Fault {
    Fault::new(Code::InvalidArgument, detail)
}

fn get_key(from: &mut Cursor) -> Result<ArchivedKey, CodecError> {
    Ok(ArchivedKey {
        value: from.bytes()?,
        flags: from.number()?,
        lock_index: from.number()?,
        session: from.bytes()?,
    })
}

/// Whether registering these would be refused.
fn register(node: &Node, instance: Option<&Instance>, about: Option<&Check>) -> Result<(), Fault> {
    let registered = |check: &Check| CheckRegistration { check: check.clone(), keep_status: false };
    check(&RegistryCommand::Register(Box::new(Registration {
        node: node.clone(),
        skip_node_update: false,
        instance: instance.cloned(),
        checks: about.map(registered).into_iter().collect(),
        replace_checks: false,
    })))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::MAGIC;
    use super::check_archive;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(check_archive(Bytes::from(bytes.clone())).is_err());
            let headed = [MAGIC.as_slice(), &bytes].concat();
            prop_assert!(check_archive(Bytes::from(headed)).is_err());
        }
    }
}
