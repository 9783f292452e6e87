//! Words of rules.

use super::RulesError;

/// A word, or a sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// A name without quotes, a number, `true`.
    Bare(String),
    /// In quotes.
    Text(String),
    /// One of `{ } [ ] = : ,`.
    Sign(char),
}

/// The words of `text`, each with its line, from 1.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, u32)>, RulesError> {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1 };
    let mut all = Vec::new();
    while let Some(token) = lexer.next()? {
        all.push(token);
    }
    Ok(all)
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
}

impl Lexer<'_> {
    fn take(&mut self) -> Option<char> {
        let next = self.rest.next();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn error(&self, what: impl Into<String>) -> RulesError {
        RulesError { line: self.line, what: what.into() }
    }

    fn next(&mut self) -> Result<Option<(Token, u32)>, RulesError> {
        loop {
            let line = self.line;
            let Some(next) = self.take() else { return Ok(None) };
            let token = match next {
                next if next.is_whitespace() => continue,
                '#' => {
                    self.skip_line();
                    continue;
                }
                '/' => {
                    self.skip_comment()?;
                    continue;
                }
                '{' | '}' | '[' | ']' | '=' | ':' | ',' => Token::Sign(next),
                '"' => Token::Text(self.text()?),
                next if is_bare(next) => {
                    let mut word = String::from(next);
                    while let Some(more) = self.rest.next_if(|next| is_bare(*next)) {
                        word.push(more);
                    }
                    Token::Bare(word)
                }
                other => return Err(self.error(format!("{other:?} has no meaning here"))),
            };
            return Ok(Some((token, line)));
        }
    }

    fn skip_line(&mut self) {
        while self.rest.next_if(|next| *next != '\n').is_some() {}
    }

    fn skip_comment(&mut self) -> Result<(), RulesError> {
        match self.take() {
            Some('/') => {
                self.skip_line();
                Ok(())
            }
            Some('*') => {
                let mut star = false;
                loop {
                    match self.take() {
                        Some('/') if star => return Ok(()),
                        Some(next) => star = next == '*',
                        None => return Err(self.error("a comment that does not end")),
                    }
                }
            }
            _ => Err(self.error("'/' has no meaning here")),
        }
    }

    fn text(&mut self) -> Result<String, RulesError> {
        let mut text = String::new();
        loop {
            match self.take() {
                None | Some('\n') => return Err(self.error("a text whose quotes do not end")),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(next) => text.push(next),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, RulesError> {
        match self.take() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some(same @ ('"' | '\\' | '/')) => Ok(same),
            Some('u') => {
                let first = self.hexadecimal()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first)
                        .ok_or_else(|| self.error("a half of a character by itself"));
                }
                // JSON writes those above U+FFFF as two halves.
                let second = match (self.take(), self.take()) {
                    (Some('\\'), Some('u')) => self.hexadecimal()?,
                    _ => 0,
                };
                let whole = (0xdc00..0xe000)
                    .contains(&second)
                    .then(|| 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                whole
                    .and_then(char::from_u32)
                    .ok_or_else(|| self.error("a half of a character by itself"))
            }
            _ => Err(self.error("a backslash before something that has no meaning there")),
        }
    }

    fn hexadecimal(&mut self) -> Result<u32, RulesError> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.take().and_then(|next| next.to_digit(16));
            number = number * 16 + digit.ok_or_else(|| self.error("four digits follow `\\u`"))?;
        }
        Ok(number)
    }
}

fn is_bare(next: char) -> bool {
    next.is_ascii_alphanumeric() || matches!(next, '_' | '-' | '.')
}
