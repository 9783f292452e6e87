//! A value against a schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::found::{Found, between, numbers};
use super::read::{count, step};
use super::value::{canonical, equal, is_type, kind, listed, short};
use super::{Dialect, Schema, Violation};
use crate::limits::{DEPTH, SCHEMA_STEPS};

const TOO_LONG: &str =
    "holding the content against the schema takes too long; make the schema simpler";

pub(super) fn run(schema: &Schema, value: &Value) -> Result<Vec<Violation>, String> {
    let mut run = Run { schema, steps: 0, depth: 0 };
    let mut found = Found { violations: Vec::new(), tells: true };
    run.check(&schema.root, value, "", &mut found)?;
    Ok(found.violations)
}

struct Run<'a> {
    schema: &'a Schema,
    steps: u64,
    depth: usize,
}

impl<'a> Run<'a> {
    fn walk(&mut self, steps: u64) -> Result<(), String> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > SCHEMA_STEPS { Err(TOO_LONG.to_owned()) } else { Ok(()) }
    }

    /// A place in the value that is looked at, which has to be written down.
    fn inside(&mut self, place: &str, name: &str) -> Result<String, String> {
        self.walk(1 + bytes(place) + bytes(name))?;
        Ok(step(place, name))
    }

    /// The same for an item of a list.
    fn item(&mut self, place: &str, at: usize) -> Result<String, String> {
        self.walk(1 + bytes(place))?;
        Ok(format!("{place}/{at}"))
    }

    /// Whether two values are the same one.
    fn equal(&mut self, one: &Value, other: &Value) -> Result<bool, String> {
        let is_equal = equal(one, other, &mut self.steps);
        self.walk(0)?;
        Ok(is_equal)
    }

    /// Whether it holds; nobody is told why not.
    fn holds(&mut self, schema: &'a Value, value: &Value, place: &str) -> Result<bool, String> {
        let mut found = Found::silent();
        self.check(schema, value, place, &mut found)?;
        Ok(found.violations.is_empty())
    }

    fn check(
        &mut self,
        schema: &'a Value,
        value: &Value,
        place: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        self.walk(1)?;
        // References can go round in circles.
        if self.depth > 2 * DEPTH {
            return Err(TOO_LONG.to_owned());
        }
        if found.is_full() {
            return Ok(());
        }
        self.depth += 1;
        let checked = match schema {
            Value::Bool(false) => {
                found.add(place, || "nothing may be here".to_owned());
                Ok(())
            }
            Value::Object(words) => self.words(words, value, place, found),
            _ => Ok(()),
        };
        self.depth -= 1;
        checked
    }

    fn words(
        &mut self,
        words: &'a Map<String, Value>,
        value: &Value,
        place: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        if let Some(reference) = words.get("$ref").and_then(Value::as_str) {
            self.walk(reference.len() as u64 / 8)?;
            // That it leads somewhere was seen when the schema was read.
            if let Some(there) = self.schema.find(reference) {
                self.check(there, value, place, found)?;
            }
            if self.schema.dialect == Dialect::Draft7 {
                return Ok(());
            }
        }
        self.any(words, value, place, found)?;
        self.combined(words, value, place, found)?;
        match value {
            Value::Number(number) => numbers(words, number, place, found),
            Value::String(text) => self.text(words, text, place, found)?,
            Value::Array(items) => self.items(words, items, place, found)?,
            Value::Object(pairs) => self.pairs(words, (value, pairs), place, found)?,
            Value::Null | Value::Bool(_) => {}
        }
        Ok(())
    }

    /// What is said of values of every kind.
    fn any(
        &mut self,
        words: &'a Map<String, Value>,
        value: &Value,
        place: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        if let Some(types) = words.get("type") {
            let is = |name: &Value| name.as_str().is_some_and(|name| is_type(value, name));
            let all = types.as_array();
            self.walk(all.map_or(0, |all| all.len() as u64))?;
            let good = all.map_or_else(|| is(types), |all| all.iter().any(is));
            if !good {
                found.add(place, || {
                    format!("it is to be {}, and is {}", listed(types), kind(value))
                });
            }
        }
        if let Some(all) = words.get("enum").and_then(Value::as_array) {
            let mut is_one = false;
            for one in all {
                is_one = is_one || self.equal(one, value)?;
            }
            if !is_one {
                found.add(place, || {
                    format!("it is to be one of {}", listed(&Value::Array(all.clone())))
                });
            }
        }
        if let Some(one) = words.get("const")
            && !self.equal(one, value)?
        {
            found.add(place, || format!("it is to be {}", short(one)));
        }
        Ok(())
    }

    fn combined(
        &mut self,
        words: &'a Map<String, Value>,
        value: &Value,
        place: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        let list = |word: &str| words.get(word).and_then(Value::as_array);
        for one in list("allOf").into_iter().flatten() {
            self.check(one, value, place, found)?;
        }
        if let Some(all) = list("anyOf") {
            let mut any = false;
            for one in all {
                any = any || self.holds(one, value, place)?;
            }
            if !any {
                found.add(place, || "none of what it may be (anyOf) fits".to_owned());
            }
        }
        if let Some(all) = list("oneOf") {
            let mut fits = 0;
            for one in all {
                fits += u32::from(self.holds(one, value, place)?);
            }
            if fits != 1 {
                found.add(place, || {
                    format!("exactly one of what it may be (oneOf) has to fit, and {fits} do")
                });
            }
        }
        if let Some(not) = words.get("not")
            && self.holds(not, value, place)?
        {
            found.add(place, || format!("it must not be so: {}", short(not)));
        }
        if let Some(condition) = words.get("if") {
            let branch = if self.holds(condition, value, place)? { "then" } else { "else" };
            if let Some(branch) = words.get(branch) {
                self.check(branch, value, place, found)?;
            }
        }
        Ok(())
    }

    fn text(
        &mut self,
        words: &Map<String, Value>,
        text: &str,
        place: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        self.walk(bytes(text))?;
        let length = text.chars().count() as u64;
        between(words, ("minLength", "maxLength"), length, "characters", place, found);
        if let Some(pattern) = words.get("pattern").and_then(Value::as_str)
            && !self.matches(pattern, text)?
        {
            found.add(place, || format!("it does not match the pattern {pattern:?}"));
        }
        Ok(())
    }

    fn matches(&mut self, pattern: &str, text: &str) -> Result<bool, String> {
        let Some(pattern) = self.schema.patterns.get(pattern) else { return Ok(true) };
        self.walk(pattern.steps(text))?;
        Ok(pattern.is_match(text))
    }

    fn items(
        &mut self,
        words: &'a Map<String, Value>,
        items: &[Value],
        place: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        between(words, ("minItems", "maxItems"), items.len() as u64, "items", place, found);
        let old = self.schema.dialect != Dialect::Draft2020;
        let (first, rest) = match words.get("items") {
            Some(Value::Array(first)) if old => (Some(first), words.get("additionalItems")),
            items => (words.get("prefixItems").and_then(Value::as_array).filter(|_| !old), items),
        };
        let first = first.map(Vec::as_slice).unwrap_or_default();
        for (at, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(at).or(rest) {
                let place = self.item(place, at)?;
                self.check(schema, item, &place, found)?;
            }
        }
        if let Some(contains) = words.get("contains") {
            let mut fits = 0;
            for (at, item) in items.iter().enumerate() {
                let place = self.item(place, at)?;
                fits += u64::from(self.holds(contains, item, &place)?);
            }
            let newer = self.schema.dialect != Dialect::Draft7;
            let bound = |word| words.get(word).filter(|_| newer).and_then(count);
            let (least, most) = (bound("minContains").unwrap_or(1), bound("maxContains"));
            if fits < least || most.is_some_and(|most| fits > most) {
                found.add(place, || format!("{fits} of its items are what it is to contain"));
            }
        }
        if words.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut seen = BTreeSet::new();
            for (at, item) in items.iter().enumerate() {
                let text = canonical(item);
                self.walk(1 + text.len() as u64 / 16)?;
                if !seen.insert(text) {
                    found.add(&format!("{place}/{at}"), || "it is there twice".to_owned());
                    break;
                }
            }
        }
        Ok(())
    }

    fn pairs(
        &mut self,
        words: &'a Map<String, Value>,
        (whole, pairs): (&Value, &Map<String, Value>),
        place: &str,
        found: &mut Found,
    ) -> Result<(), String> {
        let number = pairs.len() as u64;
        between(words, ("minProperties", "maxProperties"), number, "properties", place, found);
        self.needed(words.get("required"), pairs, place, found, String::new)?;
        let map = |word: &str| words.get(word).and_then(Value::as_object);
        for word in ["dependentRequired", "dependentSchemas", "dependencies"] {
            for (name, follows) in map(word).into_iter().flatten() {
                self.walk(1 + bytes(name))?;
                if !pairs.contains_key(name) {
                    continue;
                }
                match follows {
                    Value::Array(_) => {
                        self.needed(Some(follows), pairs, place, found, || {
                            format!(", because of {name:?}")
                        })?;
                    }
                    schema => self.check(schema, whole, place, found)?,
                }
            }
        }
        let (named, patterned) = (map("properties"), map("patternProperties"));
        for (name, value) in pairs {
            let at = self.inside(place, name)?;
            let mut is_known = false;
            if let Some(schema) = named.and_then(|named| named.get(name)) {
                is_known = true;
                self.check(schema, value, &at, found)?;
            }
            for (pattern, schema) in patterned.into_iter().flatten() {
                if self.matches(pattern, name)? {
                    is_known = true;
                    self.check(schema, value, &at, found)?;
                }
            }
            match words.get("additionalProperties").filter(|_| !is_known) {
                None => {}
                Some(Value::Bool(false)) => {
                    found.add(&at, || "there is no such property".to_owned());
                }
                Some(schema) => self.check(schema, value, &at, found)?,
            }
            if let Some(names) = words.get("propertyNames")
                && !self.holds(names, &Value::String(name.clone()), &at)?
            {
                found.add(&at, || "it may not be called so (propertyNames)".to_owned());
            }
        }
        Ok(())
    }

    fn needed(
        &mut self,
        names: Option<&Value>,
        pairs: &Map<String, Value>,
        place: &str,
        found: &mut Found,
        why: impl Fn() -> String,
    ) -> Result<(), String> {
        let names = names.and_then(Value::as_array).into_iter().flatten();
        for name in names.filter_map(Value::as_str) {
            self.walk(1 + bytes(name))?;
            if !pairs.contains_key(name) {
                found.add(place, || format!("the property {name:?} is missing{}", why()));
            }
        }
        Ok(())
    }
}

/// What a text is in steps, for work that only passes over it.
fn bytes(text: &str) -> u64 {
    text.len() as u64 / 64
}
