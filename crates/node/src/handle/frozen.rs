//! A keyspace as of one moment, to be read whole: for hashes and snapshots.

use std::sync::Arc;

use state::alarms::Alarm;
use state::kept::{Before, Kept, Version};
use state::{Applied, FetchError};
use storage::engine::Snapshot;
use tokio::sync::OwnedSemaphorePermit;
use types::{Code, Fault, KeyspaceId, LeaseId, ReadFailure, Revision};

use super::Handle;
use crate::answer::Header;
use crate::shared::Shared;
use crate::{forward, read};

/// Keyspaces frozen at once on a node: each keeps the engine from dropping what it sees.
pub(crate) const FROZEN: usize = 4;

/// Everything this node's replica of a keyspace held at one moment. While it lives, the engine drops
/// nothing of it: it must not be kept for long.
///
/// Its reads are long and block: they belong on a thread for that. They end with `ShuttingDown` once
/// the node ends.
pub struct Frozen {
    header: Header,
    kept: Kept,
    applied: Applied,
    alarms: Vec<Alarm>,
    view: Box<dyn Snapshot>,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Handle {
    /// Freezes this node's copy of a keyspace, as far as it has applied its log. At most four are
    /// frozen at a time.
    ///
    /// # Errors
    /// `KeyspaceNotFound`; `Unsupported` where there are no keys and values; `TooManyRequests` when
    /// no place was free for as long as a request may take.
    pub async fn freeze(&self, keyspace: KeyspaceId) -> Result<Frozen, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.keys_only()?;
        let permit = Arc::clone(&self.shared.frozen).acquire_owned();
        let permit = tokio::time::timeout(forward::REQUEST_TIMEOUT, permit).await;
        let detail = format!("{FROZEN} hashes or snapshots are being made already");
        let permit = permit.map_err(|_| Fault::new(Code::TooManyRequests, detail))?;
        let permit = permit.map_err(|_| Code::ShuttingDown)?;
        let machine = shard.machine.read();
        Ok(Frozen {
            header: self.header_at(&shard, machine.revision()),
            kept: machine.kept()?,
            applied: machine.applied().clone(),
            alarms: machine.alarms().collect(),
            view: self.shared.engine.snapshot(),
            shared: Arc::clone(&self.shared),
            _permit: permit,
        })
    }
}

impl Frozen {
    /// Whose it is, and how far it had come.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The oldest revision that can be read; 0 if nothing was compacted.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.kept.compacted
    }

    /// How far the log was applied, and who takes part.
    #[must_use]
    pub fn applied(&self) -> &Applied {
        &self.applied
    }

    /// The alarms that were raised.
    #[must_use]
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// The revision that is meant by one that a client gave: 0 is the newest.
    ///
    /// # Errors
    /// `Compacted`, `FutureRevision`.
    pub fn revision(&self, given: Revision) -> Result<Revision, Fault> {
        match given {
            Revision(0) => Ok(self.kept.revision),
            given if given > self.kept.revision => Err(Code::FutureRevision.into()),
            given if given > Revision(0) && given < self.kept.compacted => {
                Err(Code::Compacted.into())
            }
            given => Ok(given),
        }
    }

    /// Shows `visit` every version that is kept up to `until`, in order, until it answers `false`.
    ///
    /// # Errors
    /// `Corrupt` when the engine cannot be read; `ShuttingDown`.
    pub fn versions(
        &self,
        until: Revision,
        before: Before,
        visit: &mut dyn FnMut(Version) -> bool,
    ) -> Result<(), Fault> {
        let mut ended = false;
        let walk = self.kept.versions(self.view.as_ref(), until, before, &mut |version| {
            ended = self.shared.has_ended();
            !ended && visit(version)
        });
        self.result(walk, ended)
    }

    /// Shows `visit` every lease with its time to live in seconds, by id, until it answers `false`.
    ///
    /// # Errors
    /// As [`Self::versions`].
    pub fn leases(&self, visit: &mut dyn FnMut(LeaseId, i64) -> bool) -> Result<(), Fault> {
        let walk = self.kept.leases(self.view.as_ref(), visit);
        self.result(walk, false)
    }

    fn result(&self, walk: Result<(), ReadFailure>, ended: bool) -> Result<(), Fault> {
        if ended {
            return Err(Code::ShuttingDown.into());
        }
        walk.map_err(|failure| read::failed(&self.shared, &FetchError::Read(failure)))
    }
}
