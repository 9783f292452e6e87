//! What is kept: drawn in `docs/format.md`, "Configurations".

use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};
use types::{Code, Fault};

use crate::ContentType;

/// The first byte of every record but contents, which are as they were given. Another one means that what
/// follows is to be read in another way, and by who does not know it not at all.
const FORMAT: u8 = 1;

/// Why a version was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Origin {
    Release = 0,
    Gray = 1,
    Rollback = 2,
}

/// How a gray release ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum Outcome {
    /// It did not, or the version never was one.
    None = 0,
    /// It was given to everybody.
    Promoted = 1,
    /// It was taken back, by somebody or because its time was over.
    Aborted = 2,
    /// It was taken back because of what clients reported.
    RolledBack = 3,
}

/// What is to be known of a version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Meta {
    /// Its number, from 1 on.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// What its content is written in.
    #[prost(enumeration = "ContentType", tag = "2")]
    pub content_type: i32,
    /// Bytes of its content.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    /// SHA-256 of its content.
    #[prost(bytes = "bytes", tag = "4")]
    pub digest: Bytes,
    /// The user who made it; empty where nobody has a name.
    #[prost(string, tag = "5")]
    pub author: String,
    /// What was said about it.
    #[prost(string, tag = "6")]
    pub comment: String,
    /// When it was made: milliseconds since 1970, by the clock of the node that was asked.
    #[prost(uint64, tag = "7")]
    pub at_ms: u64,
    /// Why it was made.
    #[prost(enumeration = "Origin", tag = "8")]
    pub origin: i32,
    /// Of a rollback: the version whose content it has.
    #[prost(uint64, tag = "9")]
    pub of: u64,
    /// How it ended as a gray release.
    #[prost(enumeration = "Outcome", tag = "10")]
    pub outcome: i32,
    /// When it did so.
    #[prost(uint64, tag = "11")]
    pub outcome_at_ms: u64,
    /// Why, or by whom.
    #[prost(string, tag = "12")]
    pub outcome_why: String,
}

/// A label, and the values a client may have for it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Rule {
    /// The label.
    #[prost(string, tag = "1")]
    pub label: String,
    /// The values; one of them is enough.
    #[prost(string, repeated, tag = "2")]
    pub values: Vec<String>,
}

/// What ends a gray release by itself.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Canary {
    /// When it ends at the latest: milliseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub ends_at_ms: u64,
    /// Clients that have to report failure for it to be rolled back; at least 1.
    #[prost(uint32, tag = "2")]
    pub failures: u32,
    /// Whether it is promoted at its end, else aborted.
    #[prost(bool, tag = "3")]
    pub promote: bool,
    /// Clients that have to have reported success by then for it to be promoted.
    #[prost(uint32, tag = "4")]
    pub least_ok: u32,
}

/// A gray release that is under way.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Gray {
    /// The version.
    #[prost(message, optional, tag = "1")]
    pub meta: Option<Meta>,
    /// All of them have to hold for a client that is not named.
    #[prost(message, repeated, tag = "2")]
    pub rules: Vec<Rule>,
    /// How many of those clients get it, of 10,000.
    #[prost(uint32, tag = "3")]
    pub basis_points: u32,
    /// Clients that get it in any case.
    #[prost(string, repeated, tag = "4")]
    pub ids: Vec<String>,
    /// What ends it by itself.
    #[prost(message, optional, tag = "5")]
    pub canary: Option<Canary>,
}

impl Gray {
    /// The number of the version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.meta.as_ref().map_or(0, |meta| meta.version)
    }
}

/// What is current of a configuration.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Head {
    /// The version that everybody gets whom no gray release is for.
    #[prost(message, optional, tag = "1")]
    pub stable: Option<Meta>,
    /// The greatest number a version ever got.
    #[prost(uint64, tag = "2")]
    pub last: u64,
    /// The oldest version that is kept, but for the stable one, which always is.
    #[prost(uint64, tag = "3")]
    pub oldest: u64,
    /// How many are kept.
    #[prost(uint32, tag = "4")]
    pub keep: u32,
    /// The gray release under way.
    #[prost(message, optional, tag = "5")]
    pub gray: Option<Gray>,
}

impl Head {
    /// The number of the stable version.
    #[must_use]
    pub fn stable_version(&self) -> u64 {
        self.stable.as_ref().map_or(0, |meta| meta.version)
    }

    /// Whether a version is kept.
    #[must_use]
    pub fn keeps(&self, version: u64) -> bool {
        (self.oldest..=self.last).contains(&version) || version == self.stable_version()
    }
}

/// A schema.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SchemaRecord {
    /// As it was given: JSON.
    #[prost(string, tag = "1")]
    pub text: String,
    /// The user who set it.
    #[prost(string, tag = "2")]
    pub author: String,
    /// When.
    #[prost(uint64, tag = "3")]
    pub at_ms: u64,
}

/// What a client reported.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Report {
    /// When.
    #[prost(uint64, tag = "1")]
    pub at_ms: u64,
    /// In its words.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// A record as it is kept.
pub fn encode(record: &impl Message) -> Bytes {
    let mut bytes = vec![FORMAT];
    bytes.reserve(record.encoded_len());
    // A vector grows as it has to.
    let _ = record.encode(&mut bytes);
    bytes.into()
}

/// A record that was kept.
///
/// # Errors
/// `Corrupt` for what is none, as when somebody put a value of their own there.
pub fn decode<M: Message + Default>(key: &[u8], bytes: &Bytes) -> Result<M, Fault> {
    let wrong = |why: &str| {
        let key = key.escape_ascii();
        Fault::new(Code::Corrupt, format!("the record at {key} of the keyspace `config` {why}"))
    };
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            M::decode(bytes.slice_ref(rest)).map_err(|error| wrong(&format!("is none: {error}")))
        }
        Some((format, _)) => {
            Err(wrong(&format!("has format {format}, and this version of Hiraeth knows {FORMAT}")))
        }
        None => Err(wrong("is empty")),
    }
}

/// The digest of a content.
#[must_use]
pub fn digest(content: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Canary, Gray, Head, Meta, Rule, decode, encode};

    fn meta() -> impl Strategy<Value = Meta> {
        (any::<u64>(), 0..5_i32, ".{0,20}", any::<u64>(), 0..3_i32, 0..4_i32).prop_map(
            |(version, content_type, comment, at_ms, origin, outcome)| Meta {
                version,
                content_type,
                comment,
                at_ms,
                origin,
                outcome,
                digest: Bytes::from_static(b"digest"),
                ..Meta::default()
            },
        )
    }

    proptest! {
        #[test]
        fn records_come_back(stable in meta(), gray in meta(), last: u64, keep: u32, bp: u32) {
            let rules = vec![Rule { label: "a".into(), values: vec!["b".into(), String::new()] }];
            let canary = Some(Canary { ends_at_ms: last, failures: keep, promote: true, least_ok: bp });
            let ids = vec!["id".to_owned()];
            let gray = Gray { meta: Some(gray), rules, basis_points: bp, ids, canary };
            let head = Head { stable: Some(stable), last, oldest: 1, keep, gray: Some(gray) };
            prop_assert_eq!(decode::<Head>(b"k", &encode(&head)).unwrap(), head);
        }

        #[test]
        fn anything_else_is_refused_and_harms_nobody(bytes: Vec<u8>) {
            drop(decode::<Head>(b"k", &Bytes::from(bytes)));
        }
    }

    #[test]
    fn what_is_refused_says_where_it_is() {
        let told = decode::<Head>(b"n/g/h/a", &Bytes::from_static(b"\x02")).unwrap_err();
        assert!(told.detail.contains("n/g/h/a") && told.detail.contains("format 2"), "{told}");
        assert!(decode::<Head>(b"k", &Bytes::new()).is_err());
    }

    /// What was kept by the first version is read for ever.
    #[test]
    fn the_bytes_are_those_of_the_document() {
        let stable = Meta { version: 3, bytes: 2, author: "ann".into(), ..Meta::default() };
        let head = Head { stable: Some(stable), last: 3, oldest: 1, keep: 100, gray: None };
        assert_eq!(
            &encode(&head)[..],
            b"\x01\x0a\x09\x08\x03\x18\x02\x2a\x03ann\x10\x03\x18\x01\x20\x64"
        );
    }
}
