//! From a JSON value to a schema: every word of it is looked at before anything is held against it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::keywords::{Shape, UNSUPPORTED, shape};
use super::pattern::Pattern;
use super::{Dialect, Schema, pattern};
use crate::limits::{DEPTH, PATTERNS, PATTERNS_COMPILED_BYTES, SCHEMA_PLACE_BYTES};

/// Dialects by what `$schema` says.
const DIALECTS: [(&str, Dialect); 3] = [
    ("json-schema.org/draft/2020-12/schema", Dialect::Draft2020),
    ("json-schema.org/draft/2019-09/schema", Dialect::Draft2019),
    ("json-schema.org/draft-07/schema", Dialect::Draft7),
];
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

pub(super) fn read(root: Value) -> Result<Schema, String> {
    let dialect = dialect(&root)?;
    let mut reader = Reader {
        dialect,
        patterns: BTreeMap::new(),
        compiled: 0,
        anchors: BTreeMap::new(),
        references: Vec::new(),
    };
    reader.schema(&root, String::new(), 0)?;
    let Reader { patterns, anchors, references, .. } = reader;
    let schema = Schema { root, dialect, patterns, anchors };
    for (place, reference) in references {
        let found = schema.find(&reference);
        // It may lead to where nobody looked, as into an example.
        let is_schema = |it: &&Value| it.is_boolean() || it.is_object();
        if found.filter(is_schema).is_none() {
            return Err(match reference.starts_with('#') {
                true => format!("at {place}: there is nothing at {reference:?} in this schema"),
                false => format!(
                    "at {place}: {reference:?} leads out of this schema, and nothing is fetched; put it \
                     below $defs and say \"#/$defs/NAME\""
                ),
            });
        }
    }
    Ok(schema)
}

fn dialect(root: &Value) -> Result<Dialect, String> {
    let Some(said) = root.get("$schema") else { return Ok(Dialect::Draft2020) };
    let text = said.as_str().unwrap_or_default();
    let bare =
        text.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('#');
    let known = DIALECTS.iter().find(|(name, _)| *name == bare).map(|(_, dialect)| *dialect);
    known.ok_or_else(|| {
        format!("says in $schema that it is of {said}; known are the drafts 2020-12, 2019-09 and 7")
    })
}

struct Reader {
    dialect: Dialect,
    patterns: BTreeMap<String, Pattern>,
    /// Bytes that they take up.
    compiled: usize,
    anchors: BTreeMap<String, String>,
    references: Vec<(String, String)>,
}

/// A step of a JSON pointer.
pub(super) fn step(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl Reader {
    fn schema(&mut self, schema: &Value, place: String, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("is nested deeper than {DEPTH}"));
        }
        if place.len() > SCHEMA_PLACE_BYTES {
            let begins: String = place.chars().take(40).collect();
            return Err(format!(
                "has longer names than can be: where it begins with {begins}... there is a place whose names \
                 have more than {SCHEMA_PLACE_BYTES} bytes together"
            ));
        }
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(words) => words
                .iter()
                .try_for_each(|(word, value)| self.word(words, word, value, &place, depth)),
            _ => Err(told(&place, "a schema is an object, true or false")),
        }
    }

    fn word(
        &mut self,
        words: &Map<String, Value>,
        word: &str,
        value: &Value,
        place: &str,
        depth: usize,
    ) -> Result<(), String> {
        let at = step(place, word);
        let Some(shape) = shape(self.dialect, word) else {
            return Err(unknown(words, word, place));
        };
        let wrong = |what: &str| Err(told(&at, what));
        match shape {
            Shape::Note if word == "$id" && !place.is_empty() => {
                wrong("only the whole schema can have an $id here; name places by $anchor or $defs")
            }
            Shape::Note => Ok(()),
            Shape::Schema => self.schema(value, at, depth + 1),
            Shape::SchemaOrSchemas if !value.is_array() => self.schema(value, at, depth + 1),
            Shape::Schemas | Shape::SchemaOrSchemas => match value.as_array() {
                Some(all) if !all.is_empty() || shape == Shape::SchemaOrSchemas => {
                    all.iter().enumerate().try_for_each(|(number, it)| {
                        self.schema(it, format!("{at}/{number}"), depth + 1)
                    })
                }
                _ => wrong("it is to be a list of schemas"),
            },
            Shape::Named | Shape::Patterned | Shape::NamedOrNames => {
                let Some(named) = value.as_object() else {
                    return wrong("it is to be an object of schemas");
                };
                for (name, it) in named {
                    let at = step(&at, name);
                    if shape == Shape::Patterned {
                        self.pattern(name, &at)?;
                    }
                    if shape == Shape::NamedOrNames && it.is_array() {
                        names(it, &at)?;
                        continue;
                    }
                    self.schema(it, at, depth + 1)?;
                }
                Ok(())
            }
            Shape::Pattern => match value.as_str() {
                Some(text) => self.pattern(text, &at),
                None => wrong("it is to be a text"),
            },
            Shape::Reference | Shape::Anchor => match value.as_str() {
                Some(text) if shape == Shape::Reference => {
                    self.references.push((at, text.to_owned()));
                    Ok(())
                }
                Some(text) => match self.anchors.insert(text.to_owned(), place.to_owned()) {
                    None => Ok(()),
                    Some(_) => wrong("another place is called so already"),
                },
                None => wrong("it is to be a text"),
            },
            plain => check(plain, value).or_else(wrong),
        }
    }

    fn pattern(&mut self, text: &str, at: &str) -> Result<(), String> {
        if !self.patterns.contains_key(text) {
            if self.patterns.len() >= PATTERNS {
                return Err(told(at, &format!("a schema has {PATTERNS} patterns at most")));
            }
            let compiled = pattern::compile(text).map_err(|why| told(at, &why))?;
            self.compiled += compiled.size;
            if self.compiled > PATTERNS_COMPILED_BYTES {
                let why = "the patterns of the schema are too large together; say them more simply";
                return Err(told(at, why));
            }
            self.patterns.insert(text.to_owned(), compiled);
        }
        Ok(())
    }
}

/// What follows a word where no schema does.
fn check(shape: Shape, value: &Value) -> Result<(), &'static str> {
    let is_type = |it: &Value| it.as_str().is_some_and(|name| TYPES.contains(&name));
    let good = match shape {
        Shape::Types => match value {
            Value::Array(all) => !all.is_empty() && all.iter().all(is_type),
            one => is_type(one),
        },
        Shape::Values => value.is_array(),
        Shape::Number => value.is_number(),
        Shape::Positive => value.as_f64().is_some_and(|number| number > 0.0),
        Shape::Count => count(value).is_some(),
        Shape::Flag => value.is_boolean(),
        Shape::Names => are_names(value),
        Shape::NamesByName => value.as_object().is_some_and(|all| all.values().all(are_names)),
        _ => true,
    };
    let what = match shape {
        Shape::Types => {
            "it is to be one or several of null, boolean, object, array, number, string, integer"
        }
        Shape::Values => "it is to be a list",
        Shape::Number => "it is to be a number",
        Shape::Positive => "it is to be a number over 0",
        Shape::Count => "it is to be a whole number from 0 on",
        Shape::Flag => "it is to be true or false",
        Shape::Names => "it is to be a list of texts",
        _ => "it is to be an object of lists of texts",
    };
    if good { Ok(()) } else { Err(what) }
}

/// A whole number from 0 on, however it is written.
pub(super) fn count(value: &Value) -> Option<u64> {
    let float = value.as_f64().filter(|it| it.fract() == 0.0 && (0.0..9e15).contains(it));
    value.as_u64().or(float.map(|it| it as u64))
}

fn are_names(value: &Value) -> bool {
    value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
}

fn names(value: &Value, at: &str) -> Result<(), String> {
    are_names(value).then_some(()).ok_or_else(|| told(at, "it is to be a list of texts"))
}

fn unknown(words: &Map<String, Value>, word: &str, place: &str) -> String {
    if UNSUPPORTED.contains(&word) {
        return told(place, &format!("{word:?} is not supported here"));
    }
    let hint = match words.get("type").and_then(Value::as_str) {
        Some("object") if word.starts_with(char::is_lowercase) => {
            "; what a content has belongs below \"properties\""
        }
        _ => "; what is for your own tools begins with \"x-\"",
    };
    told(place, &format!("{word:?} is no word of a schema{hint}"))
}

fn told(place: &str, what: &str) -> String {
    format!("at {}: {what}", if place.is_empty() { "/" } else { place })
}

/// `%41` as it is meant; `None` for what is none.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits)
            .ok()
            .filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}
