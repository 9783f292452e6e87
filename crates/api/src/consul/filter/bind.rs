//! Whether a selector is one, and operator and value fit what it selects.

use regex::bytes::{Regex, RegexBuilder};

use super::PATTERN_BYTES;
use super::expression::{Comparison, Test};
use super::shape::Shape;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Equal,
    /// As `Contains`, with the value first.
    In,
    Contains,
    Empty,
    Matches,
}

/// A comparison with what `path` selects.
///
/// # Errors
/// What does not fit, for people.
pub(super) fn bind(
    path: &[String],
    operator: Operator,
    negated: bool,
    value: String,
    shape: &'static Shape,
) -> Result<Comparison, String> {
    let selected = select(path, shape)?;
    let test = match (operator, selected) {
        (Operator::Equal, Shape::Text) => Test::Text(value),
        (Operator::Equal, Shape::Number) => Test::Number(coerce(&value, path, integer)?),
        (Operator::Equal, Shape::Truth) => Test::Truth(coerce(&value, path, truth)?),
        (Operator::In | Operator::Contains, Shape::Text) => Test::Contains(value),
        (Operator::In | Operator::Contains, Shape::Texts | Shape::Map(_)) => Test::Has(value),
        (Operator::Empty, Shape::Text | Shape::Texts | Shape::List(_) | Shape::Map(_)) => {
            Test::Empty
        }
        (Operator::Matches, Shape::Text) => Test::Matches(pattern(&value)?),
        _ => {
            let words = words(operator, negated);
            return Err(format!(
                "Invalid match operator {words:?} for selector {:?}",
                path.join(".")
            ));
        }
    };
    Ok(Comparison { path: path.to_vec(), shape, negated, test })
}

fn select(path: &[String], mut shape: &'static Shape) -> Result<&'static Shape, String> {
    for (at, name) in path.iter().enumerate() {
        while let Shape::List(element) = shape {
            shape = element;
        }
        let inner = match shape {
            Shape::Struct(fields) => {
                fields.iter().find(|(field, _)| field == name).map(|(_, shape)| shape)
            }
            Shape::Map(value) => Some(*value),
            _ => None,
        };
        let unknown = || format!("Selector {:?} is not valid", path[..=at].join("."));
        shape = inner.ok_or_else(unknown)?;
    }
    Ok(shape)
}

fn words(operator: Operator, negated: bool) -> &'static str {
    match (operator, negated) {
        (Operator::Equal, false) => "Equal",
        (Operator::Equal, true) => "Not Equal",
        (Operator::In | Operator::Contains, false) => "In",
        (Operator::In | Operator::Contains, true) => "Not In",
        (Operator::Empty, false) => "Is Empty",
        (Operator::Empty, true) => "Is Not Empty",
        (Operator::Matches, false) => "Matches",
        (Operator::Matches, true) => "Not Matches",
    }
}

fn coerce<T>(value: &str, path: &[String], read: fn(&str) -> Option<T>) -> Result<T, String> {
    let failed = || format!("Failed to coerce value {value:?} for selector {:?}", path.join("."));
    read(value).ok_or_else(failed)
}

/// As Go reads integers whose base their beginning tells.
fn integer(value: &str) -> Option<i64> {
    let (negative, digits) = match value.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value.strip_prefix('+').unwrap_or(value)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let found = prefixes.into_iter().find_map(|(it, radix)| Some((lower.strip_prefix(it)?, radix)));
    let (digits, radix) = found.unwrap_or_else(|| match lower.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => (octal, 8),
        _ => (&*lower, 10),
    });
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -number } else { number }).ok()
}

/// As Go reads booleans.
fn truth(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Classes such as `\w` are those of ASCII, as in Go, which also keeps patterns small; only a pattern that
/// has other characters, or asks for classes of Unicode, is read as Unicode. In the others `.` is a byte.
fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .unicode(!text.is_ascii() || text.contains("\\p") || text.contains("\\P"))
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .nest_limit(50)
        .build()
        .map_err(|error| format!("Failed to compile regular expression {text:?}: {error}"))
}
