//! The file `identity.json`: read and replaced as a whole.

use std::path::{Path, PathBuf};

use env::{Disk, OpenMode};
use serde::{Deserialize, Serialize};
use types::{ClusterId, NodeId};

use super::error::Error;
use super::hash::fnv1a;

/// The newest format this version reads, and the one it writes.
pub(super) const FORMAT: u64 = 1;
/// More than any identity file has; a longer file is not one.
const LENGTH: u64 = 65_536;

/// What the file says, as numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Contents {
    pub(super) name: String,
    pub(super) node: NodeId,
    pub(super) identity: u128,
    pub(super) bootstrap: u128,
    pub(super) cluster: Option<ClusterId>,
    /// Who was a member when this node joined; empty for one that the cluster was formed with.
    pub(super) members: Vec<(NodeId, String)>,
    /// Whether the cluster removed this node.
    pub(super) removed: bool,
}

/// What the file says, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u64,
    name: String,
    node: u64,
    identity: String,
    bootstrap: String,
    cluster: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<(u64, String)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
    checksum: String,
}

impl Written {
    fn of(contents: &Contents) -> Self {
        let mut written = Self {
            version: FORMAT,
            name: contents.name.clone(),
            node: contents.node.get(),
            identity: hex(contents.identity),
            bootstrap: hex(contents.bootstrap),
            cluster: contents.cluster.map(|cluster| hex(cluster.0)),
            members: contents.members.iter().map(|(node, at)| (node.get(), at.clone())).collect(),
            removed: contents.removed,
            checksum: String::new(),
        };
        written.checksum = written.sum();
        written
    }

    fn sum(&self) -> String {
        let Self { version, name, node, identity, bootstrap, cluster, .. } = self;
        let mut text = format!("{version}\n{name}\n{node}\n{identity}\n{bootstrap}\n{cluster:?}");
        for (node, address) in &self.members {
            text.push_str(&format!("\n{node}={address}"));
        }
        if self.removed {
            text.push_str("\nremoved");
        }
        hex(fnv1a(text.as_bytes()))
    }

    fn contents(self) -> Result<Contents, String> {
        if self.checksum != self.sum() {
            return Err("its checksum does not match; it is not to be edited by hand".into());
        }
        // A node that waits to be let in has no number yet.
        if self.node == 0 && self.cluster.is_some() {
            return Err("node 0 cannot be".into());
        }
        Ok(Contents {
            identity: number(&self.identity)?,
            bootstrap: number(&self.bootstrap)?,
            cluster: self.cluster.as_deref().map(number).transpose()?.map(ClusterId),
            name: self.name,
            node: NodeId(self.node),
            members: self.members.into_iter().map(|(node, at)| (NodeId(node), at)).collect(),
            removed: self.removed,
        })
    }
}

fn hex(number: u128) -> String {
    format!("{number:032x}")
}

fn number(text: &str) -> Result<u128, String> {
    u128::from_str_radix(text, 16).map_err(|error| format!("{text:?} is no number: {error}"))
}

/// Where the file is.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("identity.json")
}

/// Reads the file; `None` when there is none.
pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Contents>, Error> {
    let path = path(dir);
    if !disk.exists(&path) {
        return Ok(None);
    }
    let bytes = read_all(disk, &path)?;
    let corrupt = |why: String| Error::Corrupt { path: path.clone(), why };
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    // The version comes first: a newer file may have any other fields.
    let found = value
        .get("version")
        .and_then(serde_json::Value::as_u64)
        .ok_or_else(|| corrupt("it has no version".into()))?;
    if found > FORMAT {
        return Err(Error::Newer { path, found, known: FORMAT });
    }
    let written: Written =
        serde_json::from_value(value).map_err(|error| corrupt(error.to_string()))?;
    written.contents().map(Some).map_err(corrupt)
}

fn read_all(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, Error> {
    let file = disk.open(path, OpenMode::Read).map_err(Error::io(path))?;
    let length = file.len().map_err(Error::io(path))?;
    if length > LENGTH {
        return Err(Error::Corrupt { path: path.to_owned(), why: format!("{length} bytes long") });
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let count = file.read_at(0, &mut bytes).map_err(Error::io(path))?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Replaces the file so that at every moment, also after a power cut, the old or the new one is
/// there.
pub(super) fn write(disk: &dyn Disk, dir: &Path, contents: &Contents) -> Result<(), Error> {
    let path = path(dir);
    let temporary = dir.join("identity.json.tmp");
    let mut text = serde_json::to_string_pretty(&Written::of(contents))
        .map_err(|error| Error::Io { path: path.clone(), source: error.into() })?;
    text.push('\n');
    let store = || {
        disk.remove(&temporary)?;
        let file = disk.open(&temporary, OpenMode::CreateNew)?;
        file.write_at(0, text.as_bytes())?;
        file.sync_data()?;
        disk.rename(&temporary, &path)?;
        disk.sync_dir(dir)
    };
    store().map_err(Error::io(&path))
}
