//! From tokens to an expression.

use super::bind::{Operator, bind};
use super::expression::{Expression, Test};
use super::lexer::{Placed, Token};
use super::shape::Shape;
use super::{COMPARISONS, DEPTH, FilterError, PATTERNS};

const OPERATORS: &str = "an operator is missing: ==, !=, in, not in, contains, not contains, matches, \
                         not matches, is empty or is not empty";

pub(super) fn parse(
    text: &str,
    tokens: &[Placed],
    shape: &'static Shape,
) -> Result<Expression, FilterError> {
    let mut parser = Parser { text, tokens, shape, next: 0, depth: 0, comparisons: 0, patterns: 0 };
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(expression),
        Some(Token::Close) => parser.error("Unmatched parentheses: this one closes nothing"),
        Some(_) => parser.error("and, or, or the end was expected here"),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Placed],
    shape: &'static Shape,
    next: usize,
    depth: usize,
    comparisons: usize,
    patterns: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |placed| placed.at)
    }

    fn error<T>(&self, what: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::at(self.text, self.place(), what))
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        let token = self.tokens.get(self.next + ahead).map(|placed| &placed.token);
        matches!(token, Some(Token::Word(parts)) if parts.len() == 1 && parts[0] == word)
    }

    /// Steps over these words, if all of them are next.
    fn words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.is_word(ahead, word));
        if found {
            self.next += words.len();
        }
        found
    }

    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut branches = vec![self.all()?];
        while self.words(&["or"]) {
            branches.push(self.all()?);
        }
        Ok(one_or(branches, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut branches = vec![self.deeper(Self::not)?];
        while self.words(&["and"]) {
            branches.push(self.deeper(Self::not)?);
        }
        Ok(one_or(branches, Expression::All))
    }

    fn deeper(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Expression, FilterError>,
    ) -> Result<Expression, FilterError> {
        if self.depth == DEPTH {
            return self.error(format!("it nests more than {DEPTH} levels deep"));
        }
        self.depth += 1;
        let expression = inner(self);
        self.depth -= 1;
        expression
    }

    fn not(&mut self) -> Result<Expression, FilterError> {
        let start = self.next;
        if self.words(&["not"]) {
            return self.deeper(Self::not).map(|it| Expression::Not(Box::new(it))).or_else(
                |error| {
                    // `not` may be a value, as in `not in Tags`. What comes then has no levels.
                    self.next = start;
                    self.comparison().map_err(|_| error)
                },
            );
        }
        if self.peek() != Some(&Token::Open) {
            return self.comparison();
        }
        self.next += 1;
        let inner = self.any()?;
        if self.peek() != Some(&Token::Close) {
            return self.error("Unmatched parentheses: ) was expected here");
        }
        self.next += 1;
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Expression, FilterError> {
        let place = self.place();
        let first = self.peek();
        let Some(Token::Word(_) | Token::Number(_) | Token::Text(_)) = first else {
            return self.error("a comparison was expected here");
        };
        self.next += 1;
        let (operator, negated) = self.operator()?;
        let (selector, selector_place, value) = match operator {
            Operator::In => (self.peek(), self.place(), first),
            Operator::Empty => (first, place, None),
            _ => (first, place, self.peek()),
        };
        if operator != Operator::Empty {
            self.next += 1;
        }
        let Some(Token::Word(path)) = selector else {
            return Err(FilterError::at(
                self.text,
                selector_place,
                "Invalid selector: it is a name",
            ));
        };
        let value = match value {
            Some(Token::Word(parts)) => parts.join("."),
            Some(Token::Number(value) | Token::Text(value)) => value.clone(),
            None if operator == Operator::Empty => String::new(),
            _ => {
                self.next -= 1;
                return self.error("a value was expected here");
            }
        };
        let comparison = bind(path, operator, negated, value, self.shape)
            .map_err(|what| FilterError::at(self.text, place, what))?;
        self.comparisons += 1;
        self.patterns += usize::from(matches!(comparison.test, Test::Matches(_)));
        if self.comparisons > COMPARISONS || self.patterns > PATTERNS {
            let what = format!("more than {COMPARISONS} comparisons, or {PATTERNS} patterns");
            return Err(FilterError::at(self.text, place, what));
        }
        Ok(Expression::Comparison(comparison))
    }

    /// The operator, and whether it is turned round.
    fn operator(&mut self) -> Result<(Operator, bool), FilterError> {
        for (token, negated) in [(Token::Equal, false), (Token::NotEqual, true)] {
            if self.peek() == Some(&token) {
                self.next += 1;
                return Ok((Operator::Equal, negated));
            }
        }
        let spelled: [(&[&str], Operator, bool); 8] = [
            (&["in"], Operator::In, false),
            (&["not", "in"], Operator::In, true),
            (&["contains"], Operator::Contains, false),
            (&["not", "contains"], Operator::Contains, true),
            (&["matches"], Operator::Matches, false),
            (&["not", "matches"], Operator::Matches, true),
            (&["is", "empty"], Operator::Empty, false),
            (&["is", "not", "empty"], Operator::Empty, true),
        ];
        for (words, operator, negated) in spelled {
            if self.words(words) {
                return Ok((operator, negated));
            }
        }
        self.error(OPERATORS)
    }
}

fn one_or(mut branches: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match branches.pop() {
        Some(only) if branches.is_empty() => only,
        Some(last) => {
            branches.push(last);
            many(branches)
        }
        None => many(branches),
    }
}
