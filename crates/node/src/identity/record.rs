use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Disk, Rng};
use parking_lot::Mutex;
use types::{ClusterId, NodeId};

use super::cluster::InitialCluster;
use super::error::Error;
use super::file::{self, Contents};

/// What may lie in a data directory that no node has used yet: our own two files, and what a file
/// system or a supervisor puts there.
const HARMLESS: [&str; 3] = ["LOCK", "identity.json.tmp", "lost+found"];

/// The identity of a data directory. All but the cluster is fixed at the first start, and what is on
/// disk always wins over what the process was started with.
pub struct Identity {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    contents: Mutex<Contents>,
    name: String,
    node: NodeId,
    identity: u128,
    bootstrap: u128,
}

impl Identity {
    /// Reads the identity of `dir`, or makes one at the first start of node `name` of `initial`.
    /// The identity is durable when this answers. Hold the [`super::DirectoryLock`] meanwhile.
    ///
    /// # Errors
    /// See [`Error`]: a directory of another name, of a newer version, damaged, or with data and no
    /// identity; a name that is not in `initial`.
    pub fn load_or_create(
        disk: Arc<dyn Disk>,
        dir: &Path,
        initial: &InitialCluster,
        name: &str,
        rng: &dyn Rng,
    ) -> Result<Self, Error> {
        let contents = match file::read(&*disk, dir)? {
            Some(contents) if contents.name == name => contents,
            Some(Contents { name: found, .. }) => {
                let (dir, asked) = (dir.to_owned(), name.to_owned());
                return Err(Error::Name { dir, found, asked });
            }
            None => create(&*disk, dir, initial, name, rng)?,
        };
        let Contents { node, identity, bootstrap, .. } = contents;
        let (name, dir) = (contents.name.clone(), dir.to_owned());
        Ok(Self { disk, dir, contents: Mutex::new(contents), name, node, identity, bootstrap })
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The node's number.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The directory's own random number: a node that comes with another one lost its data.
    #[must_use]
    pub fn identity(&self) -> u128 {
        self.identity
    }

    /// The hash of the initial cluster of the first start.
    #[must_use]
    pub fn bootstrap(&self) -> u128 {
        self.bootstrap
    }

    /// The cluster, once the node knows it.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterId> {
        self.contents.lock().cluster
    }

    /// Remembers which cluster this is, durably. Blocks for a few file operations; once set, a
    /// repeated call costs nothing.
    ///
    /// # Errors
    /// [`Error::OtherCluster`] when it is already another one's; [`Error::Io`], after which the
    /// cluster counts as unknown.
    pub fn set_cluster(&self, cluster: ClusterId) -> Result<(), Error> {
        let mut contents = self.contents.lock();
        match contents.cluster {
            Some(own) if own == cluster => return Ok(()),
            Some(own) => {
                return Err(Error::OtherCluster { dir: self.dir.clone(), own, other: cluster });
            }
            None => {}
        }
        let next = Contents { cluster: Some(cluster), ..contents.clone() };
        file::write(&*self.disk, &self.dir, &next)?;
        *contents = next;
        Ok(())
    }
}

fn create(
    disk: &dyn Disk,
    dir: &Path,
    initial: &InitialCluster,
    name: &str,
    rng: &dyn Rng,
) -> Result<Contents, Error> {
    disk.create_dir_all(dir).map_err(Error::io(dir))?;
    let entries = disk.list(dir).map_err(Error::io(dir))?;
    let harmless = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        HARMLESS.contains(&&*name) || name.starts_with('.') || name.ends_with(".log")
    };
    if !entries.iter().all(harmless) {
        return Err(Error::Lost { dir: dir.to_owned() });
    }
    let Some(node) = initial.node(name) else {
        let members = initial.members().iter().map(|(name, _)| name.as_str());
        let members = members.collect::<Vec<_>>().join(", ");
        return Err(Error::NotInitial { name: name.to_owned(), members });
    };
    let identity = loop {
        // 0 stands for "never met" in the directory of the cluster.
        let drawn = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        if drawn != 0 {
            break drawn;
        }
    };
    let bootstrap = initial.hash();
    let contents = Contents { name: name.to_owned(), node, identity, bootstrap, cluster: None };
    file::write(disk, dir, &contents)?;
    Ok(contents)
}
