//! What happened to names that is not durable yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Clone)]
pub(super) enum NameChange {
    Created(PathBuf, usize),
    Renamed(PathBuf, PathBuf, usize),
    Removed(PathBuf),
    MadeDir(PathBuf),
}

impl NameChange {
    pub(super) fn dir(&self) -> Option<&Path> {
        match self {
            Self::Created(path, _)
            | Self::Removed(path)
            | Self::Renamed(_, path, _)
            | Self::MadeDir(path) => path.parent(),
        }
    }

    pub(super) fn apply(self, names: &mut BTreeMap<PathBuf, usize>, dirs: &mut BTreeSet<PathBuf>) {
        match self {
            Self::MadeDir(path) => {
                dirs.insert(path);
            }
            Self::Created(path, inode) => {
                names.insert(path, inode);
            }
            Self::Renamed(from, to, inode) => {
                if names.get(&from) == Some(&inode) {
                    names.remove(&from);
                }
                names.insert(to, inode);
            }
            Self::Removed(path) => {
                names.remove(&path);
            }
        }
    }
}
