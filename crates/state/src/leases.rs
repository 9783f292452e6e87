//! Which leases there are and which keys live with them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::LeaseId;

use crate::codec::CodecError;
use crate::codec::primitives::{Cursor, Writer};

#[derive(Default)]
struct Lease {
    ttl_seconds: i64,
    keys: BTreeSet<Bytes>,
}

/// The leases of a region. When they end is not known here: that is the leader's clock's matter.
#[derive(Default)]
pub(crate) struct Leases(BTreeMap<LeaseId, Lease>);

impl Leases {
    pub(crate) fn grant(&mut self, id: LeaseId, ttl_seconds: i64) {
        self.0.insert(id, Lease { ttl_seconds, keys: BTreeSet::new() });
    }

    pub(crate) fn ttl(&self, id: LeaseId) -> Option<i64> {
        self.0.get(&id).map(|lease| lease.ttl_seconds)
    }

    pub(crate) fn contains(&self, id: LeaseId) -> bool {
        self.0.contains_key(&id)
    }

    /// Forgets a lease and answers its keys in order.
    pub(crate) fn revoke(&mut self, id: LeaseId) -> BTreeSet<Bytes> {
        self.0.remove(&id).unwrap_or_default().keys
    }

    pub(crate) fn keys(&self, id: LeaseId) -> impl Iterator<Item = &Bytes> {
        self.0.get(&id).into_iter().flat_map(|lease| &lease.keys)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (LeaseId, i64)> {
        self.0.iter().map(|(id, lease)| (*id, lease.ttl_seconds))
    }

    /// Moves `key` from one lease to another; 0 stands for none.
    pub(crate) fn attach(&mut self, key: &[u8], from: LeaseId, to: LeaseId) {
        if from == to {
            return;
        }
        if let Some(lease) = self.0.get_mut(&from) {
            lease.keys.remove(key);
        }
        if let Some(lease) = self.0.get_mut(&to) {
            // A copy: the key may be a slice of a whole log entry.
            lease.keys.insert(Bytes::copy_from_slice(key));
        }
    }
}

pub(crate) fn encode(ttl_seconds: i64) -> Bytes {
    let mut out = Writer::with_capacity(10);
    out.signed(ttl_seconds);
    out.finish()
}

pub(crate) fn decode(bytes: Bytes) -> Result<i64, CodecError> {
    let mut from = Cursor::new(bytes);
    let ttl_seconds = from.signed()?;
    from.end()?;
    Ok(ttl_seconds)
}
