//! An expression whose selectors, operators and values fit the shape they were bound to.

use regex::bytes::Regex;

use super::shape::Shape;

#[derive(Debug)]
pub(super) enum Expression {
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Comparison(Comparison),
}

#[derive(Debug)]
pub(super) struct Comparison {
    /// The names and keys on the way, from an element of an answer on.
    pub(super) path: Vec<String>,
    /// The element's shape.
    pub(super) shape: &'static Shape,
    /// `!=` and the operators with `not`.
    pub(super) negated: bool,
    pub(super) test: Test,
}

#[derive(Debug)]
pub(super) enum Test {
    Text(String),
    Number(i64),
    Truth(bool),
    /// A part of a text.
    Contains(String),
    /// An element of a list, or a key of a map.
    Has(String),
    Empty,
    Matches(Regex),
}
