//! Whether an element of an answer fits.

use serde_json::Value;

use super::expression::{Comparison, Expression, Test};
use super::shape::Shape;

pub(super) fn holds(expression: &Expression, element: &Value) -> bool {
    match expression {
        Expression::Not(inner) => !holds(inner, element),
        Expression::All(inner) => inner.iter().all(|inner| holds(inner, element)),
        Expression::Any(inner) => inner.iter().any(|inner| holds(inner, element)),
        Expression::Comparison(comparison) => {
            compares(comparison, &comparison.path, comparison.shape, Some(element))
        }
    }
}

/// Follows the rest of a path; `None` is a field that was left out.
fn compares(
    comparison: &Comparison,
    path: &[String],
    shape: &'static Shape,
    value: Option<&Value>,
) -> bool {
    let Some((name, rest)) = path.split_first() else {
        return comparison.test.holds(value) != comparison.negated;
    };
    match shape {
        Shape::List(element) => {
            let elements = value.and_then(Value::as_array).into_iter().flatten();
            elements.into_iter().any(|value| compares(comparison, path, element, Some(value)))
        }
        Shape::Struct(fields) => {
            let Some((_, shape)) = fields.iter().find(|(field, _)| field == name) else {
                return false;
            };
            compares(comparison, rest, shape, value.and_then(|value| value.get(name)))
        }
        Shape::Map(shape) => match value.and_then(|value| value.get(name)) {
            Some(value) => compares(comparison, rest, shape, Some(value)),
            None => matches!(comparison.test, Test::Empty) != comparison.negated,
        },
        // No selector that was bound goes on behind these.
        Shape::Text | Shape::Number | Shape::Truth | Shape::Texts => false,
    }
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        let text = || value.and_then(Value::as_str).unwrap_or_default();
        match self {
            Self::Text(wanted) => text() == wanted,
            Self::Number(wanted) => value.and_then(Value::as_i64).unwrap_or_default() == *wanted,
            Self::Truth(wanted) => value.and_then(Value::as_bool).unwrap_or_default() == *wanted,
            Self::Matches(pattern) => pattern.is_match(text().as_bytes()),
            Self::Contains(wanted) => text().contains(wanted.as_str()),
            Self::Has(wanted) => match value {
                Some(Value::Array(elements)) => {
                    elements.iter().any(|element| element.as_str() == Some(wanted))
                }
                Some(Value::Object(entries)) => entries.contains_key(wanted),
                _ => false,
            },
            Self::Empty => match value {
                Some(Value::Array(elements)) => elements.is_empty(),
                Some(Value::Object(entries)) => entries.is_empty(),
                _ => text().is_empty(),
            },
        }
    }
}
