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
    members: Vec<(NodeId, String)>,
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
        super::survivor::must_not_be_half_reset(&*disk, dir)?;
        let contents = match file::read(&*disk, dir)? {
            Some(contents) if contents.removed => {
                return Err(Error::Removed { dir: dir.to_owned(), node: contents.node });
            }
            Some(contents) if contents.node.get() == 0 => {
                return Err(Error::NotJoined { dir: dir.to_owned() });
            }
            Some(contents) if contents.name == name => contents,
            Some(Contents { name: found, .. }) => {
                let (dir, asked) = (dir.to_owned(), name.to_owned());
                return Err(Error::Name { dir, found, asked });
            }
            None => create(&*disk, dir, initial, name, rng)?,
        };
        let Contents { node, identity, bootstrap, .. } = contents;
        let (name, dir) = (contents.name.clone(), dir.to_owned());
        let members = contents.members.clone();
        let contents = Mutex::new(contents);
        Ok(Self { disk, dir, contents, name, node, identity, bootstrap, members })
    }

    /// Makes the directory one of the node `node` of a cluster that begins with what was put there before, of
    /// the nodes of `initial`. Durable when this answers.
    pub(crate) fn restored(
        disk: &dyn Disk,
        dir: &Path,
        initial: &InitialCluster,
        node: NodeId,
        cluster: ClusterId,
        rng: &dyn Rng,
    ) -> Result<(), Error> {
        let names = initial.members().iter().map(|(name, _)| name.clone());
        let name =
            names.zip(initial.peers()).find(|(_, (id, _))| *id == node).map(|(name, _)| name);
        let contents = Contents {
            name: name.unwrap_or_default(),
            node,
            identity: draw(rng),
            // Not that of a node which begins with nothing beside them: the two would form another one.
            bootstrap: initial.hash() ^ cluster.0,
            cluster: Some(cluster),
            members: Vec::new(),
            removed: false,
        };
        file::write(disk, dir, &contents)
    }

    /// Who was a member when this node joined a cluster; empty for one that it was formed with.
    #[must_use]
    pub fn members(&self) -> &[(NodeId, String)] {
        &self.members
    }

    /// Whether this node came to a cluster that was there.
    #[must_use]
    pub fn has_joined(&self) -> bool {
        !self.members.is_empty()
    }

    /// Remembers, durably, that the cluster removed this node: it is not to run again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_removed(&self) -> Result<(), Error> {
        let mut contents = self.contents.lock();
        let next = Contents { removed: true, ..contents.clone() };
        file::write(&*self.disk, &self.dir, &next)?;
        *contents = next;
        Ok(())
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

/// A node's first steps to a cluster that is there.
pub struct Application {
    /// The data directory's own random number, kept from the first attempt on.
    pub identity: u128,
    name: String,
}

impl Application {
    /// Looks whether the directory still needs to join; `None` when it is of a cluster already. What
    /// this node will be known by is durable when this answers. Hold the [`super::DirectoryLock`].
    ///
    /// # Errors
    /// As [`Identity::load_or_create`].
    pub fn begin(
        disk: &dyn Disk,
        dir: &Path,
        name: &str,
        rng: &dyn Rng,
    ) -> Result<Option<Self>, Error> {
        let contents = match file::read(disk, dir)? {
            Some(contents) if contents.node.get() != 0 && contents.cluster.is_none() => {
                return Err(Error::NotFormed { dir: dir.to_owned() });
            }
            Some(contents) if contents.node.get() != 0 => return Ok(None),
            Some(contents) if contents.name == name => contents,
            Some(Contents { name: found, .. }) => {
                return Err(Error::Name { dir: dir.to_owned(), found, asked: name.to_owned() });
            }
            None => {
                must_be_empty(disk, dir)?;
                let contents = Contents {
                    name: name.to_owned(),
                    node: NodeId(0),
                    identity: draw(rng),
                    bootstrap: 0,
                    cluster: None,
                    members: Vec::new(),
                    removed: false,
                };
                file::write(disk, dir, &contents)?;
                contents
            }
        };
        Ok(Some(Self { identity: contents.identity, name: contents.name }))
    }

    /// The cluster took this node: from here on the directory is that node's.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn accept(
        self,
        disk: &dyn Disk,
        dir: &Path,
        node: NodeId,
        cluster: ClusterId,
        members: Vec<(NodeId, String)>,
    ) -> Result<(), Error> {
        let contents = Contents {
            name: self.name,
            node,
            identity: self.identity,
            bootstrap: 0,
            cluster: Some(cluster),
            members,
            removed: false,
        };
        file::write(disk, dir, &contents)
    }
}

fn must_be_empty(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    disk.create_dir_all(dir).map_err(Error::io(dir))?;
    match occupant(disk, dir)? {
        None => Ok(()),
        Some(_) => Err(Error::Lost { dir: dir.to_owned() }),
    }
}

/// Something in `dir` that a node left there, if there is any.
pub(crate) fn occupant(disk: &dyn Disk, dir: &Path) -> Result<Option<String>, Error> {
    if !disk.exists(dir) {
        return Ok(None);
    }
    let entries = disk.list(dir).map_err(Error::io(dir))?;
    let names =
        entries.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    let harmful = |name: &std::borrow::Cow<'_, str>| {
        !HARMLESS.contains(&&**name) && !name.starts_with('.') && !name.ends_with(".log")
    };
    Ok(names.into_iter().find(harmful).map(std::borrow::Cow::into_owned))
}

/// 0 stands for "never met" in the directory of the cluster.
fn draw(rng: &dyn Rng) -> u128 {
    loop {
        let drawn = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        if drawn != 0 {
            return drawn;
        }
    }
}

fn create(
    disk: &dyn Disk,
    dir: &Path,
    initial: &InitialCluster,
    name: &str,
    rng: &dyn Rng,
) -> Result<Contents, Error> {
    must_be_empty(disk, dir)?;
    let Some(node) = initial.node(name) else {
        let members = initial.members().iter().map(|(name, _)| name.as_str());
        let members = members.collect::<Vec<_>>().join(", ");
        return Err(Error::NotInitial { name: name.to_owned(), members });
    };
    let contents = Contents {
        name: name.to_owned(),
        node,
        identity: draw(rng),
        bootstrap: initial.hash(),
        cluster: None,
        members: Vec::new(),
        removed: false,
    };
    file::write(disk, dir, &contents)?;
    Ok(contents)
}
