//! Bodies of requests. Consul takes names of fields in any letter case, with and without underscores, and
//! clients use all of them; what has no meaning is passed over, and `null` is as if it were not there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use state::registry::{Name, Pairs};

use super::duration;
use super::problem::Problem;

/// One JSON object.
pub(super) struct Input<'a> {
    fields: BTreeMap<String, &'a Value>,
}

impl<'a> Input<'a> {
    /// The body's JSON; nothing at all is as good as `{}` and `null`.
    pub(super) fn parse(body: &[u8]) -> Result<Value, Problem> {
        if body.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        let value = serde_json::from_slice(body);
        value.map_err(|error| Problem::bad(format!("Request decode failed: {error}")))
    }

    pub(super) fn of(value: &'a Value) -> Result<Self, Problem> {
        match value {
            Value::Null => Ok(Self { fields: BTreeMap::new() }),
            Value::Object(object) => {
                let fields = object.iter().filter(|(_, value)| !value.is_null());
                let plain = |name: &str| name.replace('_', "").to_lowercase();
                Ok(Self { fields: fields.map(|(name, value)| (plain(name), value)).collect() })
            }
            other => {
                let what = kind(other);
                Err(Problem::bad(format!(
                    "Request decode failed: {what} where an object was expected"
                )))
            }
        }
    }

    /// A field by any of its names, which are in lower case without underscores.
    pub(super) fn get(&self, names: &[&str]) -> Option<&'a Value> {
        names.iter().find_map(|name| self.fields.get(*name).copied())
    }

    fn wrong(names: &[&str], value: &Value, wanted: &str) -> Problem {
        let (name, found) = (names[0], kind(value));
        Problem::bad(format!("Request decode failed: {name:?} is {found}, not {wanted}"))
    }

    pub(super) fn text(&self, names: &[&str]) -> Result<&'a str, Problem> {
        match self.get(names) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(Self::wrong(names, other, "a string")),
        }
    }

    pub(super) fn name(&self, names: &[&str]) -> Result<Name, Problem> {
        Ok(self.text(names)?.into())
    }

    pub(super) fn truth(&self, names: &[&str]) -> Result<bool, Problem> {
        match self.get(names) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" || text.is_empty() => Ok(false),
            Some(other) => Err(Self::wrong(names, other, "true or false")),
        }
    }

    /// A whole number up to `most`.
    pub(super) fn number(&self, names: &[&str], most: u64) -> Result<u64, Problem> {
        match self.get(names) {
            None => Ok(0),
            Some(value) => {
                let number = match value {
                    Value::String(text) => text.parse().ok(),
                    other => other.as_u64(),
                };
                number.filter(|number| *number <= most).ok_or_else(|| {
                    Self::wrong(names, value, &format!("a whole number up to {most}"))
                })
            }
        }
    }

    pub(super) fn list(&self, names: &[&str]) -> Result<&'a [Value], Problem> {
        match self.get(names) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(Self::wrong(names, other, "a list")),
        }
    }

    pub(super) fn texts(&self, names: &[&str]) -> Result<Vec<Name>, Problem> {
        let texts = self.list(names)?.iter().map(|value| match value {
            Value::String(text) => Ok(text.as_str().into()),
            other => Err(Self::wrong(names, other, "a list of strings")),
        });
        texts.collect()
    }

    /// A map of texts, whose keys stay as they are; numbers and truths become what they look like.
    pub(super) fn pairs(&self, names: &[&str]) -> Result<Pairs, Problem> {
        let object = match self.get(names) {
            None => return Ok(Pairs::from([])),
            Some(Value::Object(object)) => object,
            Some(other) => return Err(Self::wrong(names, other, "an object")),
        };
        let mut pairs: BTreeMap<Name, Name> = BTreeMap::new();
        for (key, value) in object {
            let text = match value {
                Value::String(text) => text.as_str().into(),
                Value::Number(number) => number.to_string().into(),
                Value::Bool(truth) => truth.to_string().into(),
                other => return Err(Self::wrong(names, other, "an object of strings")),
            };
            pairs.insert(key.as_str().into(), text);
        }
        Ok(pairs.into_iter().collect())
    }

    pub(super) fn object(&self, names: &[&str]) -> Result<Option<Input<'a>>, Problem> {
        self.get(names).map(Input::of).transpose()
    }

    /// A duration: Go's words, or a number of nanoseconds; `None` if it is not there or empty.
    pub(super) fn duration(&self, names: &[&str]) -> Result<Option<Duration>, Problem> {
        let text = match self.get(names) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::Number(number)) => {
                let nanos = number.as_f64().filter(|nanos| *nanos >= 0.0 && *nanos < 9.2e18);
                let nanos = nanos.ok_or_else(|| invalid(names, &number.to_string()))?;
                return Ok(Some(Duration::from_nanos(nanos as u64)));
            }
            Some(Value::String(text)) => text,
            Some(other) => return Err(Self::wrong(names, other, "a duration")),
        };
        // Some clients send the number as a text.
        if let Ok(nanos) = text.parse() {
            return Ok(Some(Duration::from_nanos(nanos)));
        }
        duration::parse(text).map(Some).ok_or_else(|| invalid(names, text))
    }
}

fn invalid(names: &[&str], text: &str) -> Problem {
    let name = names[0];
    Problem::bad(format!("Request decode failed: {name}: time: invalid duration {text:?}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::Input;

    #[test]
    fn names_are_taken_in_any_dress() {
        for name in ["DeregisterCriticalServiceAfter", "deregister_critical_service_after"] {
            let value = json!({ name: "1m", "Other": null });
            let input = Input::of(&value).unwrap();
            let after = input.duration(&["deregistercriticalserviceafter"]).unwrap();
            assert_eq!(after, Some(Duration::from_secs(60)));
            assert_eq!(input.text(&["other"]).unwrap(), "");
        }
    }

    #[test]
    fn large_numbers_stay_exact_and_wrong_ones_are_named() {
        let value =
            json!({ "Flags": 0x2ddc_cbc0_58a5_0c18_u64, "Port": 70_000, "Tags": [1], "TTL": "x" });
        let input = Input::of(&value).unwrap();
        assert_eq!(input.number(&["flags"], u64::MAX).unwrap(), 0x2ddc_cbc0_58a5_0c18);
        assert!(input.number(&["port"], 65_535).unwrap_err().text.contains("\"port\""));
        assert!(input.texts(&["tags"]).unwrap_err().text.contains("a number"));
        assert!(input.duration(&["ttl"]).unwrap_err().text.contains("invalid duration \"x\""));
        assert!(Input::of(&json!([])).is_err());
        assert!(Input::parse(b"{").is_err());
        assert!(Input::parse(b" ").unwrap().is_null());
    }
}
