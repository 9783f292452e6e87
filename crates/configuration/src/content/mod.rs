//! What contents are written in, and what is in them.

mod properties;
mod toml;
mod yaml;

use serde_json::Value;
use types::{Code, Fault};

use crate::limits::CONTENT_BYTES;

/// What a content is written in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ContentType {
    Text = 0,
    Json = 1,
    Yaml = 2,
    Toml = 3,
    Properties = 4,
}

impl ContentType {
    /// As people and HTTP say it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Toml => "toml",
            Self::Properties => "properties",
        }
    }
}

/// Whether this can be the content of a version: text of at most 1 MiB that is what it is said to be.
///
/// # Errors
/// `RequestTooLarge`; `InvalidArgument` with where it stops to be that.
pub fn check(kind: ContentType, content: &[u8]) -> Result<(), Fault> {
    if content.len() > CONTENT_BYTES {
        let text = format!("the content has {} bytes; it may have {CONTENT_BYTES}", content.len());
        return Err(Fault::new(Code::RequestTooLarge, text));
    }
    values(kind, content).map(drop)
}

/// What a content says, to be held against a schema.
///
/// # Errors
/// As [`check`]; `InvalidArgument` for a text, which says nothing, and for several documents in one.
pub fn value(kind: ContentType, content: &[u8]) -> Result<Value, Fault> {
    let mut values = values(kind, content)?;
    match (values.pop(), values.is_empty()) {
        (Some(value), true) => Ok(value),
        (Some(_), false) => {
            refuse("there are several documents in it, and a schema is for one".into())
        }
        (None, _) => refuse(
            "a text cannot be held against a schema; say that it is json, yaml, toml or properties"
                .into(),
        ),
    }
}

fn refuse<T>(why: String) -> Result<T, Fault> {
    Err(Fault::new(Code::InvalidArgument, why))
}

/// The documents in a content; none in a text.
fn values(kind: ContentType, content: &[u8]) -> Result<Vec<Value>, Fault> {
    let wrong = |why: String| {
        Fault::new(Code::InvalidArgument, format!("the content is no {}: {why}", kind.name()))
    };
    let text = std::str::from_utf8(content).map_err(|error| {
        wrong(format!(
            "the byte at {} is no UTF-8; bytes are kept with `hiraeth kv`",
            error.valid_up_to()
        ))
    })?;
    let one = |value| vec![value];
    match kind {
        ContentType::Text => Ok(Vec::new()),
        ContentType::Json => {
            serde_json::from_str(text).map(one).map_err(|error| wrong(error.to_string()))
        }
        ContentType::Yaml => yaml::documents(text).map_err(wrong),
        ContentType::Toml => toml::parse(text).map(one).map_err(wrong),
        ContentType::Properties => properties::parse(text).map(one).map_err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{ContentType, check, value};

    #[test]
    fn the_same_thing_is_read_from_every_language() {
        let expected =
            json!({"name": "a", "port": 80, "on": true, "tags": ["x", "y"], "deep": {"f": 1.5}});
        for (kind, text) in [
            (
                ContentType::Json,
                r#"{"name":"a","port":80,"on":true,"tags":["x","y"],"deep":{"f":1.5}}"#,
            ),
            (
                ContentType::Yaml,
                "name: a\nport: 80\non: true\ntags:\n  - x\n  - 'y'\ndeep: {f: 1.5}\n",
            ),
            (
                ContentType::Toml,
                "name = 'a'\nport = 80\non = true\ntags = ['x', 'y']\n[deep]\nf = 1.5\n",
            ),
        ] {
            assert_eq!(value(kind, text.as_bytes()).unwrap(), expected, "{kind:?}");
        }
        let flat = value(
            ContentType::Properties,
            b"# no\nname = a\nport: 80\nlong = 1\\\n  2\n\\u00e4=\\t",
        );
        assert_eq!(flat.unwrap(), json!({"name": "a", "port": "80", "long": "12", "ä": "\t"}));
    }

    #[test]
    fn what_is_something_else_is_refused_with_its_place() {
        for (kind, text, place) in [
            (ContentType::Json, "{\n  \"a\": }", "line 2 column"),
            (ContentType::Yaml, "a: b\n c: d: e\n", "line 2"),
            (ContentType::Toml, "a = 1\nb = \n", "line 2 column"),
            (ContentType::Properties, "a=\\u00g0", "line 1"),
            (ContentType::Json, "{\"a\": 1} 2", "line 1"),
        ] {
            let told = check(kind, text.as_bytes()).unwrap_err().detail;
            assert!(told.contains(kind.name()) && told.contains(place), "{told}");
        }
        let told = check(ContentType::Text, b"ab\xff").unwrap_err().detail;
        assert!(told.contains("the byte at 2"), "{told}");
        assert!(check(ContentType::Text, &vec![b'a'; (1 << 20) + 1]).is_err());
        assert!(value(ContentType::Text, b"a").is_err());
        assert!(value(ContentType::Yaml, b"a: 1\n---\nb: 2\n").is_err());
        assert!(check(ContentType::Yaml, b"a: 1\n---\nb: 2\n").is_ok());
    }

    proptest! {
        #[test]
        fn nothing_panics(
            kind in 0..5_i32, text in "[-:#?*&!|>'\"%@`{}\\[\\], a-c\\n\\t=\\\\u0-9<~.]{0,60}",
        ) {
            let kind = ContentType::try_from(kind).unwrap();
            drop(check(kind, text.as_bytes()));
        }
    }
}
