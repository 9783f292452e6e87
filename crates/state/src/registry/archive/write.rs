use std::sync::Arc;

use bytes::Bytes;
use types::{Code, Fault, limits};

use super::{CHECK, END, INSTANCE, KEY, MAGIC, NODE, SESSION, Shared};
use crate::codec::primitives::Writer;
use crate::registry::codec;
use crate::registry::model::Registry;
use crate::registry::record::{Check, Instance, Node, Session};
use crate::response::KeyValue;

/// All that is registered, as of one moment. The records are shared with the registry, so that taking them
/// is quick.
#[derive(Debug)]
pub struct Everything {
    nodes: Shared<Node>,
    instances: Shared<Instance>,
    checks: Shared<Check>,
    sessions: Shared<Session>,
}

impl Registry {
    /// All that is registered now.
    #[must_use]
    pub fn everything(&self) -> Everything {
        let entries = || self.services.values().flat_map(|service| service.instances.iter());
        let of_nodes = self.nodes.values().flat_map(|node| node.checks.iter());
        let of_instances = entries().flat_map(|entry| entry.checks.iter());
        Everything {
            nodes: self.nodes.values().map(|node| node.record.clone()).collect(),
            instances: entries().map(|entry| entry.record.clone()).collect(),
            checks: of_nodes.chain(of_instances).cloned().collect(),
            sessions: self.sessions.values().cloned().collect(),
        }
    }
}

impl Everything {
    pub(super) fn checks(self) -> impl Iterator<Item = Arc<Check>> {
        self.checks.into_iter()
    }
}

/// Makes an archive.
pub struct ArchiveWriter {
    bytes: Vec<u8>,
    records: u64,
}

impl ArchiveWriter {
    /// One with all that is registered.
    ///
    /// # Errors
    /// `LimitReached` if it is more than an archive may be.
    pub fn new(everything: &Everything) -> Result<Self, Fault> {
        let mut archive = Self { bytes: MAGIC.to_vec(), records: 0 };
        for node in &everything.nodes {
            archive.add(NODE, |out| codec::put_node(out, node))?;
        }
        for instance in &everything.instances {
            archive.add(INSTANCE, |out| codec::put_instance(out, instance))?;
        }
        for check in &everything.checks {
            archive.add(CHECK, |out| codec::put_check(out, check))?;
        }
        for session in &everything.sessions {
            archive.add(SESSION, |out| codec::put_session(out, session))?;
        }
        Ok(archive)
    }

    /// Adds a key.
    ///
    /// # Errors
    /// `LimitReached`, as for [`Self::new`].
    pub fn key(&mut self, kv: &KeyValue) -> Result<(), Fault> {
        self.add(KEY, |out| {
            out.bytes(&kv.key);
            out.bytes(&kv.value);
            out.number(kv.flags);
            out.number(kv.lock_index);
            out.bytes(&kv.session);
        })
    }

    /// The archive.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let records = self.records;
        self.put(END, |out| out.number(records));
        self.bytes.into()
    }

    fn add(&mut self, kind: u8, write: impl FnOnce(&mut Writer)) -> Result<(), Fault> {
        self.records += 1;
        self.put(kind, write);
        if self.bytes.len() > limits::REGISTRY_ARCHIVE_BYTES {
            let most = limits::REGISTRY_ARCHIVE_BYTES;
            let detail = format!("a snapshot would have more than {most} bytes");
            return Err(Fault::new(Code::LimitReached, detail));
        }
        Ok(())
    }

    fn put(&mut self, kind: u8, write: impl FnOnce(&mut Writer)) {
        let (mut record, mut out) = (Writer::with_capacity(256), Writer::with_capacity(256));
        write(&mut record);
        out.byte(kind);
        out.bytes(&record.finish());
        self.bytes.extend_from_slice(&out.finish());
    }
}
