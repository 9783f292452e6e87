use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use crate::limits::{DEPTH, YAML_BYTES, YAML_VALUES};

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
    /// What anchors name, with how much that is.
    anchors: BTreeMap<usize, (Value, Size)>,
    values: usize,
    bytes: usize,
}

/// How much there is in a value.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    /// Of its texts and keys.
    bytes: usize,
    /// Collections in each other.
    depth: usize,
}

impl Size {
    fn of(value: &Value) -> Self {
        let mut size = Self { values: 1, ..Self::default() };
        match value {
            Value::String(text) => size.bytes = text.len(),
            Value::Array(items) => {
                size.depth = 1;
                items.iter().for_each(|item| size.hold(Self::of(item)));
            }
            Value::Object(pairs) => {
                size.depth = 1;
                for (key, value) in pairs {
                    size.bytes += key.len();
                    size.hold(Self::of(value));
                }
            }
            _ => {}
        }
        size
    }

    fn hold(&mut self, inner: Self) {
        self.values += inner.values;
        self.bytes += inner.bytes;
        self.depth = self.depth.max(1 + inner.depth);
    }
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.grow(0, text.len())?;
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
                let size = known.ok_or("an alias stands for something it is in")?.1;
                if self.open.len() + size.depth > DEPTH {
                    return Err(format!("it is nested deeper than {DEPTH}, aliases written out"));
                }
                // What it takes is known before it is taken.
                self.grow(size.values, size.bytes)?;
                let value = self.anchors.get(&anchor).map(|(value, _)| value.clone());
                let value = value.unwrap_or_default();
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

    fn grow(&mut self, values: usize, bytes: usize) -> Result<(), String> {
        self.values += values;
        self.bytes += bytes;
        if self.values > YAML_VALUES {
            return Err(format!("there are more than {YAML_VALUES} values, aliases written out"));
        }
        if self.bytes > YAML_BYTES {
            return Err(format!(
                "its texts have more than {YAML_BYTES} bytes, aliases written out"
            ));
        }
        Ok(())
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        if self.open.len() >= DEPTH {
            return Err(format!("it is nested deeper than {DEPTH}"));
        }
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, value: Value, text: Option<String>, anchor: usize) -> Result<(), String> {
        self.grow(1, 0)?;
        if anchor != 0 {
            // It is kept a second time.
            let size = Size::of(&value);
            self.grow(size.values, size.bytes)?;
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

    /// Few values can be many bytes, and little text can be nested deep.
    #[test]
    fn aliases_are_counted_in_bytes_and_depth_too() {
        let text = "x".repeat(1 << 19);
        let bomb = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 10_000].join(", "));
        let told = documents(&bomb).unwrap_err();
        assert!(told.contains("its texts have more than 4194304 bytes"), "{told}");
        // Keys count, too, and what is named again and again while it is in something else.
        let keys = format!("a: &a {{{text}: 1}}\nb: [{}]\n", vec!["*a"; 10_000].join(", "));
        assert!(documents(&keys).unwrap_err().contains("more than 4194304 bytes"));
        let nested: String = (0..90).map(|at| format!("&n{at} [")).collect();
        let nested = format!("{nested}{text}{}", "]".repeat(90));
        assert!(documents(&nested).unwrap_err().contains("more than 4194304 bytes"));
        let few = format!("a: &a {text}\nb: [*a, *a]\n");
        assert_eq!(documents(&few).unwrap()[0]["b"][1].as_str().map(str::len), Some(1 << 19));

        let mut deep = "a0: &a0 [1]\n".to_owned();
        for at in 1..40 {
            deep += &format!("a{at}: &a{at} {}*a{}{}\n", "[".repeat(40), at - 1, "]".repeat(40));
        }
        let told = documents(&deep).unwrap_err();
        assert!(told.contains("deeper than 100, aliases written out at line 4"), "{told}");
    }
}
