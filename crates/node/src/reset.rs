//! A node that goes on alone, because so many of the others are lost for good that there is no quorum.
//!
//! It works on the directory of a node that is stopped. Each region it has a replica of goes on with that
//! replica as its only voter, and with all of its log: entries of which it is not known whether they were
//! acknowledged are kept, since those that were are among them. Regions it has no replica of begin empty.
//! The cluster gets another number, so that no node of the old one is let in, whatever it has.

mod carry;
mod plan;
mod survey;

pub use survey::{RegionLeft, Survey};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, Rng};
use storage::engine::Engine;
use storage::log::Log;
use types::ClusterId;

use crate::Error;
use crate::config::NodeConfig;
use crate::identity::{DirectoryLock, Identity};
use crate::node::{open_engine, open_log};

/// A data directory whose node is to go on alone.
pub struct Reset {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    engine: Arc<dyn Engine>,
    log: Box<dyn Log>,
    survey: Survey,
    _lock: DirectoryLock,
}

impl Reset {
    /// Opens the directory and looks at what it has. Nothing is changed but what each start changes.
    ///
    /// # Errors
    /// A node runs on it; it is none of a node that was in a cluster, or of one that is alone; a snapshot was
    /// being put in place, or a region was leaving, and the node must be started once to end that; damage.
    pub fn open(disk: &Arc<dyn Disk>, rng: &dyn Rng, dir: &Path) -> Result<Self, Error> {
        let wrong = |what: &str| Error::Reset { dir: dir.to_owned(), what: what.to_owned() };
        if !disk.exists(&dir.join("identity.json")) {
            return Err(wrong("there is no node's data in it"));
        }
        let lock = DirectoryLock::acquire(dir)?;
        let identity = Identity::survivor(disk.as_ref(), dir)?;
        let identity = identity.ok_or_else(|| {
            wrong("its node was never in a cluster, or was removed from it: it has nothing to go on with")
        })?;
        let config = NodeConfig { data_dir: dir.to_owned(), ..NodeConfig::default() };
        let engine = open_engine(&config)?;
        let log = open_log(&config, disk, rng)?;
        let survey = survey::look(dir, &identity, engine.as_ref(), log.reader().as_ref())?;
        if survey.others.is_empty() && !Identity::is_half_reset(disk.as_ref(), dir) {
            return Err(wrong("its node is the only one of its cluster already: start it"));
        }
        let (dir, disk) = (dir.to_owned(), Arc::clone(disk));
        Ok(Self { dir, disk, engine, log, survey, _lock: lock })
    }

    /// What there is, and what is not.
    #[must_use]
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Makes the node the only one of a cluster with another number, which it answers. Interrupted, the node
    /// does not start until it is done again.
    ///
    /// # Errors
    /// The disk's.
    pub fn carry_out(mut self, rng: &dyn Rng) -> Result<ClusterId, Error> {
        let cluster = ClusterId(u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()) | 1);
        Identity::begin_reset(self.disk.as_ref(), &self.dir)?;
        carry::begin_logs(self.log.as_mut(), &self.survey)?;
        carry::state(self.engine.as_ref(), &self.survey, cluster)?;
        carry::end_logs(self.log.as_mut(), &self.survey)?;
        Identity::end_reset(self.disk.as_ref(), &self.dir, cluster)?;
        Ok(cluster)
    }
}
