//! The backup that another one holds what came since.

use std::path::Path;

use bytes::Bytes;
use client::native::{BackupBase, BackupSince, NodeStatusResponse};
use node::backup::{BASES, BASES_BYTES, Contents, FILES, KeyspaceFound, Scope, Since, goes_on};

use super::super::failure::Usage;
use super::super::remote::Remote;

/// A backup that is whole, and its name.
pub(super) struct Base {
    name: String,
    contents: Contents,
}

impl Base {
    /// Reads it from end to end: what came since one that is damaged is of no use.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let base = Self { name: path.display().to_string(), contents: super::contents(path)? };
        let (name, files) = (&base.name, base.contents.files());
        if files >= FILES as u64 {
            anyhow::bail!(
                "a restore of {name} reads {files} files, and with one more there would be more than the \
                 {FILES} that are read as one: take a full backup, without --since"
            );
        }
        let parts: usize = base.contents.keyspaces.iter().map(|it| it.shares.len().max(1)).sum();
        if parts > BASES {
            anyhow::bail!(
                "{name} has {parts} parts, and what came since is told of at most {BASES}: take a full backup"
            );
        }
        let shares = base.contents.keyspaces.iter().flat_map(|it| &it.shares);
        let bytes: usize = shares.map(|it| it.range.start.len()).sum();
        if bytes > BASES_BYTES {
            anyhow::bail!(
                "the keys at which the parts of {name} begin have {bytes} bytes, and a server is told of at \
                 most {BASES_BYTES}: take a full backup, without --since"
            );
        }
        Ok(base)
    }

    /// It is of this cluster, and of what is asked for now.
    pub(super) fn must_be_of(
        &self,
        status: &NodeStatusResponse,
        remote: &Remote,
    ) -> anyhow::Result<()> {
        let cluster = &status.cluster;
        let Self { name, contents } = self;
        let own = &contents.cluster;
        if own.is_empty() || contents.nodes.is_empty() {
            return refused(format!(
                "{name} does not say of which cluster and which nodes it is: take a full backup, without \
                 --since"
            ));
        }
        if own != cluster {
            return refused(format!(
                "{name} is of the cluster {own}, and this one is {cluster}: give a backup of this cluster, \
                 or take a full one, without --since"
            ));
        }
        if !status.marks.iter().any(|mark| contents.nodes.contains(mark)) {
            return refused(format!(
                "this cluster was restored (or all its nodes replaced) since {name} was taken: take a full \
                 backup, without --since"
            ));
        }
        let only = contents.keyspaces.first().map(|it| it.name.as_str()).unwrap_or_default();
        match (contents.begin.scope, remote.keyspace().filter(|it| !it.is_empty())) {
            (Scope::Cluster, None) => Ok(()),
            (Scope::Keyspace, Some(asked)) if asked == only => Ok(()),
            (Scope::Cluster, Some(asked)) => refused(format!(
                "{name} is of the whole cluster, and {asked:?} alone is asked for: leave out --keyspace"
            )),
            (Scope::Keyspace, _) => refused(format!(
                "{name} is of the keyspace {only:?} alone: give --keyspace {only}, or a backup of the cluster"
            )),
        }
    }

    /// What says which one it is.
    pub(super) fn since(&self) -> Since {
        let Contents { begin, end, .. } = &self.contents;
        Since { hash: end.hash.clone(), at_ms: begin.at_ms, files: self.contents.files() }
    }

    /// What a server must know of it.
    pub(super) fn request(&self) -> BackupSince {
        let bases = self.contents.keyspaces.iter().flat_map(bases).collect();
        let nodes = self.contents.nodes.iter().cloned().collect();
        BackupSince { cluster: self.contents.cluster.clone(), bases, nodes }
    }

    /// What was written goes on from it.
    pub(super) fn is_behind(&self, name: &str, written: &Contents) -> anyhow::Result<()> {
        Ok(goes_on((&self.name, &self.contents), (name, written))?)
    }
}

fn bases(found: &KeyspaceFound) -> Vec<BackupBase> {
    let base = |start: &Bytes, revision| BackupBase {
        keyspace: found.id.get(),
        start: start.clone(),
        revision,
    };
    match found.region {
        Some(_) => vec![base(&Bytes::new(), found.revision)],
        None => found.shares.iter().map(|it| base(&it.range.start, it.revision)).collect(),
    }
}

fn refused(text: String) -> anyhow::Result<()> {
    Err(Usage(text).into())
}
