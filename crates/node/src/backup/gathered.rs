//! What came of a cluster so far, while it is backed up.

use std::collections::BTreeMap;

use bytes::Bytes;
use state::beginning;
use storage::engine::{Engine, MemoryEngine};
use types::{Batch, KeyRange, KeyspaceId};

use super::error::Error;
use super::header::Section;
use super::tiles::uncovered;

/// Follows what comes, and knows which keys of sharded keyspaces did not.
#[derive(Default)]
pub struct Gathered {
    meta: MemoryEngine,
    came: BTreeMap<KeyspaceId, Vec<KeyRange>>,
    /// Keyspaces that are to come although no directory names them.
    expected: Vec<KeyspaceId>,
}

impl Gathered {
    /// The sharded keyspace is to come.
    pub fn expect(&mut self, keyspace: KeyspaceId) {
        self.expected.push(keyspace);
    }

    pub(super) fn record(
        &mut self,
        section: &Section,
        key: Bytes,
        value: Bytes,
    ) -> Result<(), Error> {
        if matches!(section, Section::Directory(_)) {
            let mut batch = Batch::default();
            batch.put(key, value);
            self.meta.write(batch)?;
        }
        Ok(())
    }

    pub(super) fn is_whole(&mut self, section: &Section) -> Result<(), Error> {
        if let Section::Share(share) = section {
            self.came.entry(share.keyspace()).or_default().push(share.range()?);
        }
        Ok(())
    }

    /// Which keys of sharded keyspaces did not come yet.
    ///
    /// # Errors
    /// A directory that cannot be read; what came cannot be keys.
    pub fn missing(&self) -> Result<Vec<(KeyspaceId, KeyRange)>, Error> {
        let directory = beginning::directory(&self.meta)?;
        let sharded = directory.keyspaces.values().filter(|keyspace| keyspace.is_sharded());
        let mut missing = Vec::new();
        for id in sharded.map(|keyspace| keyspace.id).chain(self.expected.iter().copied()) {
            let came = self.came.get(&id).map(Vec::as_slice).unwrap_or_default();
            missing.extend(uncovered(&KeyRange::all(), came).into_iter().map(|gap| (id, gap)));
        }
        Ok(missing)
    }
}
