//! What of each keyspace an earlier backup has, so that only what came since is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use state::beginning::changes;
use types::{Code, Fault, KeyspaceId, ReadFailure, Revision};

use super::listing::Stayed;
use super::marks::Marks;

/// Keyspaces, and shares of them, that may be named.
pub const BASES: usize = 65_536;
/// Bytes that the keys they begin at may have, all together.
pub const BASES_BYTES: usize = 8 << 20;

/// Up to where the earlier backup has a keyspace, or a part of it.
#[derive(Clone, Debug)]
pub struct Base {
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// The first key that it is true of, up to that of the next one; empty for an ordered keyspace.
    pub start: Bytes,
    /// The revision it has them at.
    pub revision: Revision,
}

/// An earlier backup.
#[derive(Clone, Default, Debug)]
pub struct Bases {
    /// The cluster it is from, 32 hexadecimal digits.
    pub cluster: String,
    /// Which nodes that had.
    pub nodes: Marks,
    /// Each share that is sent looks at those of its keyspace.
    by_keyspace: BTreeMap<KeyspaceId, Arc<Starts>>,
}

type Starts = BTreeMap<Bytes, Revision>;

impl Bases {
    /// The backup of this cluster that has these.
    ///
    /// # Errors
    /// `LimitReached` for more than can be named.
    pub fn new(cluster: String, nodes: Marks, bases: Vec<Base>) -> Result<Self, Fault> {
        if bases.len() > BASES {
            let detail = format!("at most {BASES} parts of an earlier backup are named");
            return Err(Fault::new(Code::LimitReached, detail));
        }
        let mut all: BTreeMap<KeyspaceId, Starts> = BTreeMap::new();
        for Base { keyspace, start, revision } in bases {
            all.entry(keyspace).or_default().insert(start, revision);
        }
        let by_keyspace = all.into_iter().map(|(id, starts)| (id, Arc::new(starts))).collect();
        Ok(Self { cluster, nodes, by_keyspace })
    }

    /// Where it has the ordered keyspace; `None` if it does not have it, so that all of it came since.
    pub(crate) fn ordered(&self, keyspace: KeyspaceId) -> Option<Revision> {
        self.by_keyspace.get(&keyspace)?.get(&[][..]).copied()
    }

    /// The revision it has the key `start` of a sharded keyspace at, and which records it has as they are.
    /// `revision` is that of what is sent.
    pub(crate) fn sharded(
        &self,
        keyspace: KeyspaceId,
        start: &Bytes,
        revision: Revision,
    ) -> Result<Option<(Revision, Stayed)>, Fault> {
        let Some(starts) = self.by_keyspace.get(&keyspace) else { return Ok(None) };
        let Some(then) = at(starts, start) else { return Ok(None) };
        must_be_behind(then, revision)?;
        let starts = Arc::clone(starts);
        let stayed: Stayed = Box::new(move |key, value| {
            let written = changes::newest_at(key, value);
            let written = written.map_err(|error| ReadFailure(error.to_string()))?;
            let own = state::keys::data_key(key).unwrap_or_default();
            // A split hands its revision on, so whatever was written since is above it.
            Ok(written.is_some_and(|written| at(&starts, &own).is_some_and(|then| written <= then)))
        });
        Ok(Some((then, stayed)))
    }
}

/// The revision that a key is there at.
fn at(starts: &Starts, key: &Bytes) -> Option<Revision> {
    starts.range::<Bytes, _>(..=key).next_back().map(|(_, revision)| *revision)
}

/// A backup of what is still to come is not of what is here. That of another life of the cluster is refused
/// before, by its nodes, wherever its revisions are.
pub(crate) fn must_be_behind(then: Revision, now: Revision) -> Result<(), Fault> {
    if then <= now {
        return Ok(());
    }
    let detail = format!(
        "the earlier backup has revision {then}, and the newest one here is {now}: it is not of what is here"
    );
    Err(Fault::new(Code::FutureRevision, detail))
}

/// Which versions of an ordered keyspace the earlier backup has.
pub(crate) fn versions_up_to(then: Revision) -> Stayed {
    Box::new(move |key, _| Ok(changes::version_at(key).is_some_and(|at| at <= then)))
}
