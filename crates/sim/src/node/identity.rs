//! What `node::identity` and the bootstrap of its links do: a node knows from its disk that it was in its
//! cluster, and the cluster knows it, too. One without what it had does not start as if it were new.

use std::path::Path;
use std::sync::Arc;

use env::{Disk, OpenMode};
use types::NodeId;

use super::{Node, WAL};
use crate::disk::FaultDisk;
use crate::event::Event;
use crate::mutant::Mutant;
use crate::sky::Sky;

const IDENTITY: &str = "/data/identity.json";

impl Node {
    /// Refuses a directory that is not the one this node had.
    pub(super) fn look_who_it_is(&self, sky: &Sky) -> Result<(), String> {
        if !self.has_come || sky.mutant == Some(Mutant::StartWithoutData) {
            return Ok(());
        }
        let id = self.id;
        if !self.disk.exists(Path::new(IDENTITY)) {
            return Err(format!(
                "n{id} was a member and its data is gone: remove it, add it again"
            ));
        }
        let files = self.disk.list(Path::new(WAL)).map_err(|error| error.to_string())?;
        match files.is_empty() {
            true => Err(format!("n{id} was in its cluster already, but {WAL} has no log")),
            false => Ok(()),
        }
    }

    /// Says on the disk that it was in its cluster, once it has a log.
    pub(super) fn come(&mut self) -> std::io::Result<()> {
        if self.has_come {
            return Ok(());
        }
        let path = Path::new(IDENTITY);
        let file = self.disk.open(path, OpenMode::Create)?;
        file.write_at(0, &self.id.get().to_be_bytes())?;
        file.sync_data()?;
        self.disk.sync_dir(path.parent().unwrap_or(path))?;
        self.has_come = true;
        Ok(())
    }

    /// The disk is gone with all that was on it; there is an empty one.
    pub(crate) fn lose_disk(&mut self) {
        let lost = std::mem::replace(&mut self.disk, FaultDisk::new(512));
        self.lost_disk = Some(lost);
        self.engine = Arc::default();
    }

    /// A new node with an empty directory takes the place of this one.
    pub(crate) fn begin_anew(&mut self, id: NodeId) {
        (self.disk, self.engine) = (FaultDisk::new(512), Arc::default());
        (self.lost_disk, self.expects) = (None, None);
        (self.is_given_up, self.has_come, self.read_only) = (false, false, false);
        (self.slow_disk_until, self.stalled_until, self.short_until) = (0, 0, 0);
        self.id = id;
        self.life += 1;
    }

    /// Until when an event of this node waits: while the process does not get to run, or what it does
    /// needs a disk that does nothing.
    pub(crate) fn stands_still_until(&self, event: &Event) -> u64 {
        let needs_disk =
            matches!(event, Event::SyncDone { .. } | Event::Apply { .. } | Event::CutLogs { .. });
        if needs_disk { self.paused_until.max(self.stalled_until) } else { self.paused_until }
    }
}
