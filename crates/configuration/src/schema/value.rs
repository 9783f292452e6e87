//! Values as schemas look at them: what kind they are, which are the same, which is greater.

use serde_json::{Number, Value};

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Whole numbers are compared as such: as floating ones, large ones would be taken for their neighbours.
pub(super) fn order(one: &Number, other: &Number) -> Option<std::cmp::Ordering> {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

pub(super) fn is_multiple(number: &Number, of: &Number) -> bool {
    if let (Some(number), Some(of)) = (whole(number), whole(of)) {
        return of != 0 && number % of == 0;
    }
    let (Some(number), Some(of)) = (number.as_f64(), of.as_f64()) else { return false };
    let times = number / of;
    // 0.0075 is 75 times 0.0001, whatever floating numbers make of it.
    times.is_finite() && (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
        || !times.is_finite() && of < 1.0 && number.fract() == 0.0 && (1.0 / of).fract() == 0.0
}

pub(super) fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "integer" => match value {
            Value::Number(number) => {
                whole(number).is_some() || number.as_f64().is_some_and(|it| it.fract() == 0.0)
            }
            _ => false,
        },
        name => kind(value) == name,
    }
}

pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether two values are the same one: 1 and 1.0 are. What is looked at is counted.
pub(super) fn equal(one: &Value, other: &Value, steps: &mut u64) -> bool {
    *steps += 1;
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            *steps += one.len().min(other.len()) as u64 / 64;
            one == other
        }
        (Value::Number(one), Value::Number(other)) => {
            order(one, other).is_some_and(|it| it.is_eq())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| equal(one, other, steps))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| {
                    *steps += name.len() as u64 / 64;
                    other.get(name).is_some_and(|other| equal(value, other, steps))
                })
        }
        (one, other) => one == other,
    }
}

/// The same text for values that are equal.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => match (whole(number), number.as_f64()) {
            (Some(whole), _) => whole.to_string(),
            (None, Some(float)) if float.fract() == 0.0 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(pairs) => {
            let mut pairs: Vec<String> =
                pairs.iter().map(|(name, it)| format!("{name:?}:{}", canonical(it))).collect();
            pairs.sort();
            format!("{{{}}}", pairs.join(","))
        }
        other => other.to_string(),
    }
}

/// A value as it is told: not all of it.
pub(super) fn short(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

pub(super) fn listed(values: &Value) -> String {
    match values {
        Value::Array(all) => {
            let shown: Vec<String> = all.iter().take(8).map(listed).collect();
            let rest = if all.len() > shown.len() { ", ..." } else { "" };
            format!("{}{rest}", shown.join(", "))
        }
        Value::String(name) => name.clone(),
        other => short(other),
    }
}
