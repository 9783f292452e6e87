//! Consul's `?filter=`: an expression over the JSON an answer is made of, in the language of HashiCorp's
//! `go-bexpr`.
//!
//! ```text
//! or         = and { "or" and }
//! and        = not { "and" not }
//! not        = "not" not | "(" or ")" | comparison
//! comparison = selector ( "==" | "!=" | [ "not" ] "contains" | [ "not" ] "matches" ) value
//!            | selector "is" [ "not" ] "empty"
//!            | value [ "not" ] "in" selector
//! selector   = name { "." name | "[" string "]" }
//! value      = string | number | selector
//! string     = '"' characters with Go's escapes '"' | '`' characters '`'
//! ```
//!
//! What can be selected is in [`shape`]: so a selector that no answer has, an operator that does not fit,
//! and a value of another type are errors at once, also where nothing is there to be filtered. A field
//! that an answer leaves out has its empty value, as for Consul; a key that a map has not is equal to
//! nothing and empty. A selector that goes through a list asks whether any element fits.
//!
//! Two things are taken that Consul 1.21 refuses, and one differs: strings may be asked whether they are
//! empty, and words need no blank beside a quoted string; a key that is not there matches no pattern.

mod bind;
mod error;
mod evaluate;
mod expression;
mod lexer;
mod parser;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
mod unquote;

use serde_json::Value;

pub(crate) use error::FilterError;
use expression::Expression;
use shape::Shape;

/// Bytes of an expression.
const BYTES: usize = 8 << 10;
/// How deep parentheses and `not` may nest.
const DEPTH: usize = 64;
/// Comparisons in an expression.
const COMPARISONS: usize = 128;
/// Patterns in an expression.
const PATTERNS: usize = 16;
/// Bytes one compiled pattern may take, and again what it may remember while it is used.
const PATTERN_BYTES: usize = 128 << 10;

/// An expression that was found good.
#[derive(Debug)]
pub(crate) struct Filter {
    /// `None` takes everything.
    expression: Option<Expression>,
}

impl Filter {
    /// Reads an expression over what has this shape; an empty one takes everything.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &str, shape: &'static Shape) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Ok(Self { expression: None });
        }
        let tokens = lexer::tokens(text)?;
        Ok(Self { expression: Some(parser::parse(text, &tokens, shape)?) })
    }

    /// Whether it takes this element of an answer.
    pub(crate) fn matches(&self, element: &Value) -> bool {
        self.expression.as_ref().is_none_or(|expression| evaluate::holds(expression, element))
    }
}
