use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use crate::limits::{DEPTH, YAML_VALUES};

/// The documents in a text. Aliases stand for what they name, within bounds; keys are texts.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            format!("{} at line {} column {}", error.info(), marker.line(), marker.col() + 1)
        })?;
        let line = span.start.line();
        builder.take(event).map_err(|why| format!("{why} at line {line}"))?;
    }
    Ok(builder.documents)
}

/// A collection that is not at its end.
enum Open {
    List {
        anchor: usize,
        items: Vec<Value>,
    },
    /// With what `<<` takes over, which is only known to be missing at the end.
    Map {
        anchor: usize,
        pairs: Map<String, Value>,
        key: Option<String>,
        merged: Vec<Value>,
    },
}

#[derive(Default)]
struct Builder {
    documents: Vec<Value>,
    open: Vec<Open>,
    /// What anchors name, with how many values that is.
    anchors: BTreeMap<usize, (Value, usize)>,
    values: usize,
}

/// How many values there are in a value.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(pairs) => pairs.values().map(count).sum(),
        _ => 0,
    }
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref())?;
                // What is read as something else is a key by its text.
                let key = text.into_owned();
                self.add(value, Some(key), anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::List { anchor, items: Vec::new() }),
            Event::MappingStart(anchor, _) => {
                self.begin(Open::Map { anchor, pairs: Map::new(), key: None, merged: Vec::new() })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { anchor, items }) => self.add(Value::Array(items), None, anchor),
                Some(Open::Map { anchor, mut pairs, merged, .. }) => {
                    merged.into_iter().try_for_each(|value| merge(&mut pairs, value))?;
                    self.add(Value::Object(pairs), None, anchor)
                }
                None => Err("a collection ends that did not begin".to_owned()),
            },
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor);
                let (value, size) =
                    known.cloned().ok_or("an alias stands for something it is in")?;
                self.grow(size)?;
                let key = value.as_str().map(str::to_owned);
                self.add(value, key, 0)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn grow(&mut self, by: usize) -> Result<(), String> {
        self.values += by;
        match self.values > YAML_VALUES {
            true => Err(format!("there are more than {YAML_VALUES} values, aliases written out")),
            false => Ok(()),
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        if self.open.len() >= DEPTH {
            return Err(format!("it is nested deeper than {DEPTH}"));
        }
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, value: Value, text: Option<String>, anchor: usize) -> Result<(), String> {
        self.grow(1)?;
        if anchor != 0 {
            let size = count(&value);
            self.grow(size)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        match self.open.last_mut() {
            None => self.documents.push(value),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Map { pairs, key, merged, .. }) => match key.take() {
                None => *key = Some(text.ok_or("a key is no text")?),
                Some(name) if name == "<<" => merged.push(value),
                Some(name) => {
                    if pairs.insert(name.clone(), value).is_some() {
                        return Err(format!("the key {name:?} is there twice"));
                    }
                }
            },
        }
        Ok(())
    }
}

/// `<<` takes over what is not there, of one map or of several.
fn merge(pairs: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(more) => {
            for (key, value) in more {
                pairs.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(all) if all.iter().all(Value::is_object) => {
            all.into_iter().try_for_each(|one| merge(pairs, one))
        }
        _ => Err("what is merged by << is no map".to_owned()),
    }
}

/// A value by YAML 1.2's core schema.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let string = || Value::String(text.to_owned());
    let wanted = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if wanted == Some("str")
        || (wanted.is_none() && style != ScalarStyle::Plain)
        || tag.is_some_and(|it| it.handle == "!")
    {
        return Ok(string());
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => match number(text) {
            Some(number) => Value::Number(number),
            None => string(),
        },
    })
}

fn number(text: &str) -> Option<Number> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(Number::from);
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = whole.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = whole.parse::<u64>() {
            return Some(number.into());
        }
    }
    let is_float = digits
        .bytes()
        .all(|it| it.is_ascii_digit() || matches!(it, b'.' | b'e' | b'E' | b'-' | b'+'));
    text.parse::<f64>().ok().filter(|_| is_float).and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::documents;

    #[test]
    fn scalars_are_what_the_core_schema_says() {
        let text = "[1, -2, 0x1f, 0o17, 1.5, 1e3, .5, ~, null, yes, \
                    '1', \"a\\n\", !!str 5, 2026-01-01, 1.2.3, +7, '']";
        let expected = json!([
            1,
            -2,
            31,
            15,
            1.5,
            1000.0,
            0.5,
            null,
            null,
            "yes",
            "1",
            "a\n",
            "5",
            "2026-01-01",
            "1.2.3",
            7,
            ""
        ]);
        assert_eq!(documents(text).unwrap(), [expected]);
    }

    #[test]
    fn anchors_are_written_out_within_bounds() {
        let text = "base: &b {x: 1, y: 2}\none: *b\ntwo:\n  <<: *b\n  y: 3\n";
        let base = json!({"x": 1, "y": 2});
        assert_eq!(
            documents(text).unwrap(),
            [json!({"base": base, "one": base, "two": {"x": 1, "y": 3}})]
        );
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for at in 1..9 {
            let before = format!("*a{}", at - 1);
            bomb += &format!("a{at}: &a{at} [{}]\n", vec![before; 9].join(", "));
        }
        assert!(documents(&bomb).unwrap_err().contains("more than"));
        assert!(documents(&"[".repeat(200)).unwrap_err().contains("deeper"));
        assert!(documents("a: 1\na: 2").unwrap_err().contains("twice at line 2"));
        assert!(documents("a: &x [*x]").is_err());
    }
}
