//! JSON Schema: what a content may be. The vocabularies for applying and validating of draft 2020-12, and
//! what drafts 2019-09 and 7 write in another way. References lead to places in the same schema only:
//! nothing is fetched. What a schema says that is not known here is refused, and not passed over: a word
//! that was mistyped must not let everything through.

mod found;
mod keywords;
mod pattern;
mod read;
#[cfg(test)]
mod tests;
mod validate;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use types::{Code, Fault};

use self::pattern::Pattern;
use crate::limits::SCHEMA_BYTES;

/// In which words a schema is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Draft7,
    Draft2019,
    Draft2020,
}

/// A schema that was read and found to be one.
#[derive(Debug)]
pub struct Schema {
    root: Value,
    dialect: Dialect,
    /// Every pattern in it.
    patterns: BTreeMap<String, Pattern>,
    /// Where its anchors are.
    anchors: BTreeMap<String, String>,
}

/// What a content has that it must not have, or lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Where in the content: a JSON pointer; empty for all of it.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.place.is_empty() { "/" } else { &self.place };
        write!(f, "at {place}: {}", self.what)
    }
}

impl Schema {
    /// The schema that a text says.
    ///
    /// # Errors
    /// `InvalidArgument` for what is none, with where.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = |why: String| Fault::new(Code::InvalidArgument, format!("the schema {why}"));
        if text.len() > SCHEMA_BYTES {
            return Err(wrong(format!("has {} bytes; it may have {SCHEMA_BYTES}", text.len())));
        }
        let root: Value =
            serde_json::from_str(text).map_err(|error| wrong(format!("is no JSON: {error}")))?;
        read::read(root).map_err(wrong)
    }

    /// What a value violates, the first of it; nothing if it is allowed.
    ///
    /// # Errors
    /// `InvalidArgument` where that takes too long to find out.
    pub fn violations(&self, value: &Value) -> Result<Vec<Violation>, Fault> {
        validate::run(self, value).map_err(|why| Fault::new(Code::InvalidArgument, why))
    }

    /// The schema that a reference names.
    fn find(&self, reference: &str) -> Option<&Value> {
        let fragment = reference.strip_prefix('#')?;
        if fragment.is_empty() {
            return Some(&self.root);
        }
        let fragment = read::percent_decoded(fragment)?;
        match fragment.starts_with('/') {
            true => self.root.pointer(&fragment),
            false => self.root.pointer(self.anchors.get(&fragment)?),
        }
    }
}
