//! Reading a region.

use bytes::Bytes;
use types::{Code, Fault, LeaseId, Reader, Revision};

use super::{Kind, Machine};
use crate::alarms::Alarm;
use crate::custom::{CUSTOM_ONLY, View};
use crate::error::FetchError;
use crate::kept::Kept;
use crate::request::{RangeRequest, TxnRequest};
use crate::response::Response;
use crate::sharded;
use crate::space::{KeySpace, Selection};

/// The meta region is asked for keys.
const NO_KEYS: &str = "the meta region keeps no keys of users";

pub(super) fn retired() -> Fault {
    Fault::new(Code::Corrupt, "the state of this region was set aside")
}

impl Machine {
    /// Every lease with its time to live in seconds, by id.
    pub fn leases(&self) -> impl Iterator<Item = (LeaseId, i64)> {
        self.space.iter().flat_map(|space| space.leases().iter())
    }

    /// The time to live in seconds a lease was granted with.
    #[must_use]
    pub fn lease(&self, id: LeaseId) -> Option<i64> {
        self.space.as_ref()?.leases().ttl(id)
    }

    /// The keys that live with a lease, in order.
    #[must_use]
    pub fn lease_keys(&self, id: LeaseId) -> Vec<Bytes> {
        self.space.iter().flat_map(|space| space.leases().keys(id)).cloned().collect()
    }

    /// The alarms that stand, those of no room first.
    pub fn alarms(&self) -> impl Iterator<Item = Alarm> {
        self.space.iter().flat_map(|space| space.alarms().iter())
    }

    /// What compaction up to this revision made unreachable is gone from the engine.
    #[must_use]
    pub fn scavenged(&self) -> Revision {
        self.progress().scavenged
    }

    /// The part of a range read that needs no engine. Fetch the rest without holding the machine.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`; `Unsupported` in the meta region.
    pub fn select(&self, request: &RangeRequest) -> Result<Selection, Fault> {
        if let Kind::Sharded(own) = &self.kind {
            let plan = sharded::plan(own, request)?;
            return Ok(Selection::sharded(self.region, own.revision, request.clone(), plan));
        }
        self.check_key_space()?.select(request)
    }

    /// Carries out a transaction that writes nothing.
    ///
    /// # Errors
    /// `InvalidArgument` if it could write; what its ranges are refused for; the engine's.
    pub fn read_txn(&self, txn: &TxnRequest, reader: &dyn Reader) -> Result<Response, FetchError> {
        if let Kind::Sharded(own) = &self.kind {
            return own.read_txn(txn, reader);
        }
        self.check_key_space()?.read_txn(txn, reader)
    }

    /// What the region keeps, to be read whole from a view taken while this machine is held.
    ///
    /// # Errors
    /// `Unsupported` where it keeps no keys of users.
    pub fn kept(&self) -> Result<Kept, Fault> {
        let progress = *self.check_key_space()?.progress();
        Ok(Kept {
            region: self.region,
            revision: progress.revision,
            compacted: progress.compacted,
            scavenged: progress.scavenged,
        })
    }

    /// Bytes of memory the index of keys takes, the allocator's own left out.
    #[must_use]
    pub fn index_memory(&self) -> usize {
        self.space.as_ref().map_or(0, |space| space.index_memory())
    }

    /// Puts a question to a custom machine.
    ///
    /// # Errors
    /// `Unsupported` where the region has another kind of machine; the engine's.
    pub fn query(&self, question: Bytes, reader: &dyn Reader) -> Result<Bytes, FetchError> {
        match &self.kind {
            Kind::Custom(custom) => {
                let view = View::new(self.region, reader, Some(&custom.unwritten));
                Ok(custom.machine.query(question, &view)?)
            }
            Kind::Retired => Err(retired().into()),
            Kind::KeyValue | Kind::Registry(_) | Kind::Directory(_) | Kind::Sharded(_) => {
                let detail = "this keyspace has keys and values, and no machine of its own";
                Err(Fault::new(Code::Unsupported, detail).into())
            }
        }
    }

    fn check_key_space(&self) -> Result<&KeySpace, Fault> {
        match (&self.kind, &self.space) {
            (Kind::KeyValue | Kind::Registry(_), Some(space)) => Ok(space),
            (Kind::KeyValue | Kind::Registry(_) | Kind::Sharded(_), _) => {
                Err(sharded::ordered_only())
            }
            (Kind::Directory(_), _) => Err(Fault::new(Code::Unsupported, NO_KEYS)),
            (Kind::Custom(_), _) => Err(Fault::new(Code::Unsupported, CUSTOM_ONLY)),
            (Kind::Retired, _) => Err(retired()),
        }
    }
}
