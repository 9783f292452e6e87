//! All of a registry in one run of bytes, as it was at one revision, and what it takes to make a registry
//! that again. The bytes are drawn in `docs/format.md`, section "Archive of a registry".

mod apply;
mod plan;
mod read;
mod staged;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::name::{CheckKey, InstanceKey, Name};
use super::record::{Check, Instance, Node, Session};

pub(crate) use apply::restore;
pub use read::check_archive;
pub(super) use staged::Staged;
pub use write::{ArchiveWriter, Everything};

/// What an archive begins with: what it is, and the version of its form.
const MAGIC: &[u8; 8] = b"HIRACNS1";
/// What a record is.
const NODE: u8 = b'n';
const INSTANCE: u8 = b'i';
const CHECK: u8 = b'c';
const SESSION: u8 = b's';
const KEY: u8 = b'v';
/// The last one: how many there are before it.
const END: u8 = b'e';

/// One step of a restore. What was saved may be more than a command can bring, so it is brought in parts,
/// of which nobody sees anything; the last step makes the registry what they say, all of it at one
/// revision or nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RestoreStep {
    /// Keep a part. The first one of another restore takes the place of what was kept of any before.
    Stage {
        /// Whose it is.
        restore: Name,
        /// Its number, from 0 on without gaps.
        part: u32,
        /// The archive's next bytes.
        bytes: Bytes,
    },
    /// Make the registry what all parts together say.
    CarryOut {
        /// Whose they are.
        restore: Name,
        /// How many.
        parts: u32,
    },
    /// Forget the parts.
    Abandon {
        /// Whose they are.
        restore: Name,
    },
}

/// A key as it is in an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ArchivedKey {
    pub(crate) value: Bytes,
    pub(crate) flags: u64,
    pub(crate) lock_index: u64,
    pub(crate) session: Bytes,
}

/// What an archive says, checked: everything in it is something that could be registered, and what it
/// refers to is in it, too.
#[derive(Default, Debug)]
pub(crate) struct Archive {
    nodes: BTreeMap<Name, Node>,
    instances: BTreeMap<InstanceKey, Instance>,
    checks: BTreeMap<CheckKey, Check>,
    sessions: BTreeMap<Name, Session>,
    pub(crate) keys: BTreeMap<Bytes, ArchivedKey>,
}

/// What a registry holds, to be looked at later.
type Shared<T> = Vec<Arc<T>>;
