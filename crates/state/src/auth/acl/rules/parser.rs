//! The form of rules, which HCL and JSON share: names, and behind them a text or more of the same in braces.

use super::RulesError;
use super::lexer::{Token, tokens};

/// Braces within braces; three are of use.
const DEPTH: usize = 6;

/// Names, and what they stand for.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Item {
    pub(super) names: Vec<String>,
    pub(super) value: Value,
    pub(super) line: u32,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Value {
    Text(String),
    /// Not in quotes.
    Bare(String),
    Object(Vec<Item>),
    List(Vec<(Value, u32)>),
}

/// All items of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, RulesError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    // JSON has braces around all of it, and what is only blanks has nothing in it.
    let is_json = parser.peek() == Some(&Token::Sign('{'));
    if is_json {
        parser.at += 1;
    }
    let items = parser.items(is_json)?;
    match parser.peek() {
        None => Ok(items),
        Some(_) => Err(parser.error("something follows the last brace")),
    }
}

struct Parser {
    tokens: Vec<(Token, u32)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn line(&self) -> u32 {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(1, |(_, line)| *line)
    }

    fn error(&self, what: impl Into<String>) -> RulesError {
        RulesError { line: self.line(), what: what.into() }
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn skip(&mut self, sign: char) -> bool {
        let is_there = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(is_there);
        is_there
    }

    /// Until the brace that ends them, or the end of the text.
    fn items(&mut self, in_braces: bool) -> Result<Vec<Item>, RulesError> {
        let mut items = Vec::new();
        loop {
            if self.skip(',') {
                continue;
            }
            if in_braces && self.skip('}') {
                return Ok(items);
            }
            match self.peek() {
                None if in_braces => return Err(self.error("a brace is not closed")),
                None => return Ok(items),
                Some(_) => items.push(self.item()?),
            }
        }
    }

    fn item(&mut self) -> Result<Item, RulesError> {
        let line = self.line();
        let mut names = Vec::new();
        loop {
            match self.peek().cloned() {
                Some(Token::Bare(name) | Token::Text(name)) => {
                    names.push(name);
                    self.at += 1;
                }
                Some(Token::Sign('=' | ':')) if !names.is_empty() => {
                    self.at += 1;
                    let value = self.value()?;
                    return Ok(Item { names, value, line });
                }
                Some(Token::Sign('{')) if !names.is_empty() => {
                    let value = self.value()?;
                    return Ok(Item { names, value, line });
                }
                Some(Token::Sign(sign)) => {
                    return Err(self.error(format!("{sign:?} where a name is due")));
                }
                None => {
                    let last = names.last().cloned().unwrap_or_default();
                    return Err(self.error(format!("nothing follows {last:?}")));
                }
            }
        }
    }

    fn value(&mut self) -> Result<Value, RulesError> {
        if self.depth == DEPTH {
            return Err(self.error("too many braces within braces"));
        }
        match self.take() {
            Some(Token::Text(text)) => Ok(Value::Text(text)),
            Some(Token::Bare(text)) => Ok(Value::Bare(text)),
            Some(Token::Sign('{')) => {
                self.depth += 1;
                let items = self.items(true)?;
                self.depth -= 1;
                Ok(Value::Object(items))
            }
            Some(Token::Sign('[')) => {
                self.depth += 1;
                let mut list = Vec::new();
                while !self.skip(']') {
                    if !self.skip(',') {
                        let line = self.line();
                        list.push((self.value()?, line));
                    }
                }
                self.depth -= 1;
                Ok(Value::List(list))
            }
            Some(Token::Sign(sign)) => Err(self.error(format!("{sign:?} where a value is due"))),
            None => Err(self.error("the text ends where a value is due")),
        }
    }
}
