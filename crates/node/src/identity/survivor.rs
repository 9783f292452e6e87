//! A node that goes on alone, in a cluster with another number.

use std::path::{Path, PathBuf};

use env::{Disk, OpenMode};
use types::{ClusterId, NodeId};

use super::error::Error;
use super::file::{self, Contents};
use super::record::Identity;

/// Who it is.
pub(crate) struct Survivor {
    pub(crate) node: NodeId,
    pub(crate) name: String,
    pub(crate) cluster: ClusterId,
}

/// There while its state is being changed: what is on the disk then is neither the old nor the new.
fn marker(dir: &Path) -> PathBuf {
    dir.join("RESETTING")
}

pub(super) fn must_not_be_half_reset(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    match disk.exists(&marker(dir)) {
        true => Err(Error::Resetting { dir: dir.to_owned() }),
        false => Ok(()),
    }
}

impl Identity {
    /// Who the node of this directory is; `None` if it is in no cluster.
    pub(crate) fn survivor(disk: &dyn Disk, dir: &Path) -> Result<Option<Survivor>, Error> {
        let contents = file::read(disk, dir)?.filter(|contents| !contents.removed);
        Ok(contents.and_then(|Contents { node, name, cluster, .. }| {
            Some(Survivor { node, name, cluster: cluster? })
        }))
    }

    /// Whether its peers were being reset, and that did not come to its end.
    pub(crate) fn is_half_reset(disk: &dyn Disk, dir: &Path) -> bool {
        disk.exists(&marker(dir))
    }

    /// From here on no node starts with the directory, until [`Self::end_reset`].
    pub(crate) fn begin_reset(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let path = marker(dir);
        let mark = || {
            disk.open(&path, OpenMode::Create)?.sync_data()?;
            disk.sync_dir(dir)
        };
        mark().map_err(Error::io(&path))
    }

    /// The node is one of `cluster` from here on.
    pub(crate) fn end_reset(disk: &dyn Disk, dir: &Path, cluster: ClusterId) -> Result<(), Error> {
        if let Some(contents) = file::read(disk, dir)? {
            file::write(disk, dir, &Contents { cluster: Some(cluster), ..contents })?;
        }
        let path = marker(dir);
        let unmark = || {
            disk.remove(&path)?;
            disk.sync_dir(dir)
        };
        unmark().map_err(Error::io(&path))
    }
}
