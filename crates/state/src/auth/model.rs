//! What is known of users and roles.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use types::{KeyRange, KeyspaceId};

use super::acl::Acl;

/// The user that must exist before auth can be on, and the role that may do everything.
pub const ROOT: &str = "root";

/// Bytes that no log and no error may show.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Secret(pub Bytes);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A secret itself, where it is to be kept; else empty. No log and no error may show it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KeptSecret(Box<str>);

impl fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptSecret")
    }
}

impl std::ops::Deref for KeptSecret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Box<str>>> From<T> for KeptSecret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// A user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The hash of the password, in words only the hasher understands; `None` for a user that
    /// cannot log in by password.
    pub password: Option<Secret>,
    /// The roles it has.
    pub roles: BTreeSet<String>,
    /// The auth revision that made the user or last set its password: what was proven before
    /// counts no more.
    pub since: u64,
}

impl User {
    /// Whether it may do everything.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.roles.contains(ROOT)
    }
}

/// What a permission allows. Numbered as on etcd's wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PermissionKind {
    Read = 0,
    Write = 1,
    ReadWrite = 2,
}

impl PermissionKind {
    /// The kind of this number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Read, Self::Write, Self::ReadWrite].get(usize::from(number)).copied()
    }

    /// Whether it includes all of `wanted`.
    #[must_use]
    pub fn allows(self, wanted: Self) -> bool {
        self == wanted || self == Self::ReadWrite
    }
}

/// Leave to read or write a range of one keyspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permission {
    /// Where.
    pub keyspace: KeyspaceId,
    /// Which keys.
    pub range: KeyRange,
    /// What may be done with them.
    pub kind: PermissionKind,
}

impl Permission {
    /// About what it takes up, in memory and in its role's record.
    pub(super) fn bytes(&self) -> usize {
        const BESIDE_KEYS: usize = 64;
        BESIDE_KEYS + self.range.start.len() + self.range.end.as_ref().map_or(0, Bytes::len)
    }
}

/// A role.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Role {
    /// One for each keyspace and range at most, in their order; a range without an end comes after
    /// those that have one.
    pub permissions: Vec<Permission>,
}

impl Role {
    pub(super) fn bytes(&self) -> usize {
        self.permissions.iter().map(Permission::bytes).sum()
    }

    /// Where the permission for exactly this range is, or belongs.
    pub(super) fn find(&self, keyspace: KeyspaceId, range: &KeyRange) -> Result<usize, usize> {
        let order =
            |range: &KeyRange| (range.start.clone(), range.end.is_none(), range.end.clone());
        let wanted = (keyspace, order(range));
        self.permissions.binary_search_by_key(&wanted, |it| (it.keyspace, order(&it.range)))
    }
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Auth {
    /// Whether anything is enforced.
    pub enabled: bool,
    /// Goes up with every change, from 1 (etcd's auth revision).
    pub revision: u64,
    /// Goes up with every change, from 0, switching on included; by it nodes tell one another what
    /// they know.
    pub changes: u64,
    /// What tokens are sealed with; another one each time auth is switched on.
    pub key: Secret,
    /// The users by name.
    pub users: BTreeMap<String, User>,
    /// The roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Consul's tokens and policies, with a switch of their own.
    pub acl: Acl,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            enabled: false,
            revision: 1,
            changes: 0,
            key: Secret::default(),
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            acl: Acl::default(),
        }
    }
}

impl Auth {
    /// Whether anything is to be looked at.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.enabled || self.acl.enabled
    }
}
