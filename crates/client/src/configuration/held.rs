use std::sync::Arc;

use bytes::Bytes;
use proto::hiraeth::v1 as pb;

use crate::Error;

/// A content as a reader gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigContent {
    /// The number of its version.
    pub version: u64,
    /// What it is written in.
    pub content_type: pb::ConfigContentType,
    /// It.
    pub content: Bytes,
    /// SHA-256 of it.
    pub digest: Bytes,
    /// Whether it is a gray release.
    pub gray: bool,
}

impl ConfigContent {
    pub(super) fn of(answer: pb::GetConfigResponse) -> Result<Self, Error> {
        let lacks = || Error::Malformed("a configuration without a version");
        let version = answer.version.ok_or_else(lacks)?;
        Ok(Self {
            content_type: version.content_type(),
            version: version.version,
            digest: version.digest,
            content: answer.content,
            gray: answer.gray,
        })
    }

    /// The content as text, which it always is.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap_or_default()
    }
}

/// What a program made of a content.
#[derive(PartialEq, Eq, Debug)]
pub struct Held<T> {
    /// It.
    pub value: T,
    /// Of this one.
    pub content: ConfigContent,
}

/// A version that the program could make nothing of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejected {
    /// The version.
    pub version: u64,
    /// What the program said.
    pub why: String,
}

/// What is known of a configuration that is followed.
#[derive(Debug)]
pub struct Sight<T> {
    /// The newest that the program could make something of. It stays when a newer one makes no sense, when
    /// no server is reached, and when the configuration is removed; `None` if there never was one.
    pub held: Option<Arc<Held<T>>>,
    /// A newer one that makes no sense.
    pub rejected: Option<Rejected>,
    /// Whether no server has confirmed this since it was last lost: it may be old.
    pub is_stale: bool,
    /// Whether there is no such configuration (any more).
    pub is_gone: bool,
    /// Why the newest one could not be kept for a start without servers.
    pub unsaved: Option<String>,
    /// Why it is followed no more, if it is not.
    pub ended: Option<Arc<Error>>,
}

impl<T> Default for Sight<T> {
    fn default() -> Self {
        Self {
            held: None,
            rejected: None,
            is_stale: true,
            is_gone: false,
            unsaved: None,
            ended: None,
        }
    }
}

impl<T> Clone for Sight<T> {
    fn clone(&self) -> Self {
        Self {
            held: self.held.clone(),
            rejected: self.rejected.clone(),
            is_stale: self.is_stale,
            is_gone: self.is_gone,
            unsaved: self.unsaved.clone(),
            ended: self.ended.clone(),
        }
    }
}
