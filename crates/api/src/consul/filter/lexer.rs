//! From text to tokens.

use super::unquote::unquote;
use super::{BYTES, FilterError};

/// A token and the byte it begins at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Open,
    Close,
    Equal,
    NotEqual,
    /// A keyword, a selector or a value that is not quoted: its parts. Which one, only the place tells.
    Word(Vec<String>),
    Number(String),
    Text(String),
}

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, FilterError> {
    if text.len() > BYTES {
        let what = format!("it has {} bytes, more than {BYTES}", text.len());
        return Err(FilterError::whole(what));
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.blanks();
        let at = lexer.at;
        let Some(token) = lexer.token()? else { return Ok(tokens) };
        tokens.push(Placed { token, at });
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, takes: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !takes(character)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn blanks(&mut self) {
        self.take_while(|character| matches!(character, ' ' | '\t' | '\r' | '\n'));
    }

    fn error<T>(&self, at: usize, what: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::at(self.text, at, what))
    }

    fn token(&mut self) -> Result<Option<Token>, FilterError> {
        let Some(first) = self.peek() else { return Ok(None) };
        let simple = [
            ("(", Token::Open),
            (")", Token::Close),
            ("==", Token::Equal),
            ("!=", Token::NotEqual),
        ];
        for (sign, token) in simple {
            if self.skip(sign) {
                return Ok(Some(token));
            }
        }
        match first {
            '"' | '`' => self.string().map(Token::Text).map(Some),
            '-' | '0'..='9' => self.number().map(Some),
            'a'..='z' | 'A'..='Z' => self.word().map(Some),
            _ => self.error(self.at, format!("{first:?} begins nothing that is known here")),
        }
    }

    fn word(&mut self) -> Result<Token, FilterError> {
        let mut parts = vec![self.name()?];
        loop {
            if self.skip(".") {
                parts.push(self.name()?);
            } else if self.peek() == Some('[') {
                parts.push(self.index()?);
            } else {
                return Ok(Token::Word(parts));
            }
        }
    }

    fn name(&mut self) -> Result<String, FilterError> {
        if !self.peek().is_some_and(|first| first.is_ascii_alphabetic()) {
            return self.error(self.at, "a name is missing: it begins with a letter");
        }
        let takes = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '/');
        Ok(self.take_while(takes).to_owned())
    }

    fn index(&mut self) -> Result<String, FilterError> {
        let open = self.at;
        self.skip("[");
        self.blanks();
        if !matches!(self.peek(), Some('"' | '`')) {
            return self.error(open, "Invalid index: a quoted string belongs between [ and ]");
        }
        let key = self.string()?;
        self.blanks();
        if self.skip("]") { Ok(key) } else { self.error(open, "Unclosed index expression") }
    }

    fn string(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        let quote = if self.skip("`") { '`' } else { '"' };
        if quote == '"' {
            self.skip("\"");
        }
        let inner = self.take_while(|character| character != quote);
        if self.peek().is_none() {
            return self.error(start, "Unterminated string literal");
        }
        self.at += quote.len_utf8();
        if quote == '`' {
            // As in Go's raw strings.
            return Ok(inner.replace('\r', ""));
        }
        unquote(inner).map_err(|(at, what)| FilterError::at(self.text, start + 1 + at, what))
    }

    fn number(&mut self) -> Result<Token, FilterError> {
        let start = self.at;
        self.skip("-");
        let whole = self.take_while(|character| character.is_ascii_digit());
        let mut good = !whole.is_empty() && (whole == "0" || !whole.starts_with('0'));
        if self.skip(".") {
            good &= !self.take_while(|character| character.is_ascii_digit()).is_empty();
        }
        good &= matches!(self.peek(), None | Some(' ' | '\t' | '\r' | '\n' | ')'));
        match self.text.get(start..self.at) {
            Some(number) if good => Ok(Token::Number(number.to_owned())),
            _ => self.error(start, "Invalid number literal: what is no number needs quotes"),
        }
    }
}
