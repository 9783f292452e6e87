//! What is found wrong, and the words on numbers and sizes.

use serde_json::{Map, Number, Value};

use super::Violation;
use super::read::count;
use super::value::{is_multiple, order};
use crate::limits::VIOLATIONS;

/// What was found wrong.
pub(super) struct Found {
    pub(super) violations: Vec<Violation>,
    /// Whether somebody reads them; else the first is as good as all.
    pub(super) tells: bool,
}

impl Found {
    pub(super) fn silent() -> Self {
        Self { violations: Vec::new(), tells: false }
    }

    pub(super) fn is_full(&self) -> bool {
        self.violations.len() >= if self.tells { VIOLATIONS } else { 1 }
    }

    pub(super) fn add(&mut self, place: &str, what: impl FnOnce() -> String) {
        if !self.is_full() {
            // What nobody reads is not written: places can be long, and looked at often.
            let (place, what) =
                if self.tells { (place.to_owned(), what()) } else { Default::default() };
            self.violations.push(Violation { place, what });
        }
    }
}

pub(super) fn between(
    words: &Map<String, Value>,
    (least, most): (&str, &str),
    number: u64,
    of: &str,
    place: &str,
    found: &mut Found,
) {
    let bound = |word| words.get(word).and_then(count);
    if let Some(least) = bound(least).filter(|least| number < *least) {
        found.add(place, || format!("it is to have {least} {of} at least, and has {number}"));
    }
    if let Some(most) = bound(most).filter(|most| number > *most) {
        found.add(place, || format!("it is to have {most} {of} at most, and has {number}"));
    }
}

pub(super) fn numbers(words: &Map<String, Value>, number: &Number, place: &str, found: &mut Found) {
    use std::cmp::Ordering as O;
    let bounds: [(&str, &[O], &str); 4] = [
        ("maximum", &[O::Less, O::Equal], "at most"),
        ("exclusiveMaximum", &[O::Less], "less than"),
        ("minimum", &[O::Greater, O::Equal], "at least"),
        ("exclusiveMinimum", &[O::Greater], "more than"),
    ];
    for (word, good, said) in bounds {
        let Some(Value::Number(bound)) = words.get(word) else { continue };
        if !order(number, bound).is_some_and(|order| good.contains(&order)) {
            found.add(place, || format!("it is to be {said} {bound}, and is {number}"));
        }
    }
    if let Some(Value::Number(of)) = words.get("multipleOf")
        && !is_multiple(number, of)
    {
        found.add(place, || format!("it is to be a multiple of {of}, and is {number}"));
    }
}
