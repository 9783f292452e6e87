//! What the headers of a backup's streams say, as JSON.

use serde::{Deserialize, Serialize};
use types::{KeyRange, KeyspaceId, RegionId};

use super::error::Error;
use super::marks::Marks;

/// The newest format this version reads, and the one it writes. Version 1 does not say of which cluster one
/// keyspace is, and knows nothing of backups that hold what came since another.
pub(super) const VERSION: u64 = 2;
const OLDEST: u64 = 1;

/// One stream of a backup.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "section", rename_all = "snake_case")]
pub enum Section {
    /// The first one, without records.
    Begin(Begin),
    /// The meta region: nodes, keyspaces, users and roles.
    Directory(DirectorySection),
    /// The region of an ordered keyspace.
    Keyspace(KeyspaceSection),
    /// Keys of a sharded keyspace.
    Share(ShareSection),
    /// The last one, without records.
    End(End),
}

/// What a backup is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The cluster: every keyspace, and users and roles.
    Cluster,
    /// One keyspace.
    Keyspace,
}

/// How a backup begins.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// The format's version.
    pub version: u64,
    /// What it is of.
    pub scope: Scope,
    /// What wrote it, for people.
    pub made_by: String,
    /// When it was begun: milliseconds since 1970.
    pub at_ms: u64,
    /// The cluster it is from, 32 hexadecimal digits; empty where it is from none of ours, or does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Which nodes it had; none where it does not say.
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    pub nodes: Marks,
    /// Which backup must come before it; missing where it stands alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// The backup that one holds what came since.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// The hash at its end.
    pub hash: String,
    /// When it was begun.
    pub at_ms: u64,
    /// Files that are needed before this one: that one, and those it needs itself.
    #[serde(default)]
    pub files: u64,
}

impl Begin {
    /// The beginning of a backup of this version, of nobody's cluster.
    #[must_use]
    pub fn new(scope: Scope, at_ms: u64, made_by: impl Into<String>) -> Self {
        let made_by = made_by.into();
        let (cluster, nodes) = (String::new(), Marks::new());
        Self { version: VERSION, scope, made_by, at_ms, cluster, nodes, since: None }
    }
}

/// The meta region.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectorySection {
    /// The cluster it is from, 32 hexadecimal digits; empty where it is from none of ours.
    pub cluster: String,
}

/// The region of an ordered keyspace, as of one revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyspaceSection {
    /// Its number.
    pub keyspace: u32,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: u64,
    /// Its machine, if that is not the one of keys and values.
    pub machine: Option<String>,
    /// Its newest revision.
    pub revision: i64,
    /// The oldest one that can be read; 0 if nothing was compacted.
    pub compacted: i64,
    /// What must come before it; missing where all of it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<KeyspaceSince>,
}

/// What of an ordered keyspace is not here, but in the backup before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyspaceSince {
    /// The revision the backup before has it at. What is here was written above it.
    pub revision: i64,
    /// Which versions of it are still there is listed, since it was compacted above that revision; else all.
    pub listed: bool,
}

/// Keys of a sharded keyspace, as of one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareSection {
    /// The keyspace's number.
    pub keyspace: u32,
    /// Its name.
    pub name: String,
    /// The first of them, in hexadecimal digits.
    pub start: String,
    /// The first key behind them; missing if there is no end.
    pub end: Option<String>,
    /// The newest revision of the region they are from.
    pub revision: i64,
    /// The revision the backup before has the first of them at: of those that stayed as they are there, only
    /// the keys are here. Missing where all of it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
}

/// How a backup ends: what came before it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Streams, the first one included.
    pub sections: u64,
    /// Records in them.
    pub records: u64,
    /// BLAKE2b (256 bits) of all bytes before this stream, in hexadecimal digits.
    pub hash: String,
}

impl KeyspaceSection {
    pub(super) fn keyspace(&self) -> KeyspaceId {
        KeyspaceId(self.keyspace)
    }

    pub(super) fn region(&self) -> RegionId {
        RegionId(self.region)
    }
}

impl ShareSection {
    /// The keys of `range`.
    #[must_use]
    pub fn new(keyspace: KeyspaceId, name: &str, range: &KeyRange, revision: i64) -> Self {
        Self {
            keyspace: keyspace.get(),
            name: name.to_owned(),
            start: hex(&range.start),
            end: range.end.as_ref().map(|end| hex(end)),
            revision,
            since: None,
        }
    }

    pub(super) fn keyspace(&self) -> KeyspaceId {
        KeyspaceId(self.keyspace)
    }

    /// The keys.
    ///
    /// # Errors
    /// [`Error::Header`] for what are no keys.
    pub fn range(&self) -> Result<KeyRange, Error> {
        let read = |text: &String| {
            let bytes = unhex(text);
            bytes.ok_or_else(|| Error::Header(format!("{text:?} is no key in hexadecimal digits")))
        };
        let start = read(&self.start)?.into();
        let end = self.end.as_ref().map(read).transpose()?.map(Into::into);
        let range = KeyRange { start, end };
        match range.is_empty() {
            true => Err(Error::Header("a share of no keys".to_owned())),
            false => Ok(range),
        }
    }
}

impl Section {
    /// Whether its records are marked: those that came, and the keys of those that stayed.
    pub(super) fn is_marked(&self) -> bool {
        match self {
            Self::Keyspace(keyspace) => keyspace.since.is_some_and(|since| since.listed),
            Self::Share(share) => share.since.is_some(),
            _ => false,
        }
    }

    /// The header's bytes.
    ///
    /// # Errors
    /// [`Error::Header`]; never in fact.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|error| Error::Header(error.to_string()))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let header = |error: serde_json::Error| Error::Header(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(header)?;
        // The version comes first: a newer one may say anything else.
        if value.get("section").is_some_and(|section| section == "begin") {
            let found = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(0);
            if !(OLDEST..=VERSION).contains(&found) {
                return Err(Error::Version { found });
            }
        }
        serde_json::from_value(value).map_err(header)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    Some(pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}
