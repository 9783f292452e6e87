//! Comparisons and operations as people type them.

use client::{Compare, Delete, Get, Operation, Put, Relation};

use crate::cli::text;

/// Takes words off the front of a text.
struct Words<'a>(&'a str);

impl Words<'_> {
    /// The next word: in double quotes with escapes, or up to a blank or one of `ends`.
    fn word(&mut self, what: &str, ends: &[char]) -> Result<Vec<u8>, String> {
        let rest = self.0.trim_start();
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = closing_quote(quoted).ok_or(format!("the quote of {what} is not closed"))?;
            self.0 = &quoted[end + 1..];
            return text::unescaped(&quoted[..end]);
        }
        let end = rest.find(|c: char| c.is_whitespace() || ends.contains(&c)).unwrap_or(rest.len());
        if end == 0 {
            return Err(format!("{what} is missing"));
        }
        self.0 = &rest[end..];
        Ok(rest.as_bytes()[..end].to_vec())
    }

    fn take(&mut self, token: &str) -> bool {
        match self.0.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn end(&self) -> Result<(), String> {
        match self.0.trim() {
            "" => Ok(()),
            rest => Err(format!("{rest:?} is too much; blanks belong in double quotes")),
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, character)| {
        let closes = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// `WHAT(KEY) RELATION OPERAND`
pub(super) fn comparison(text: &str) -> Result<Compare, String> {
    let mut words = Words(text);
    let what = words.word("what is compared", &['(', '"'])?;
    if !words.take("(") {
        return Err("a comparison looks like mod(KEY) > 3; \"(\" is missing".to_owned());
    }
    let key = words.word("the key", &[')'])?;
    if !words.take(")") {
        return Err("the key's \")\" is missing; a key with blanks belongs in double quotes".into());
    }
    // The longer one first.
    let relations = [
        ("!=", Relation::NotEqual),
        ("=", Relation::Equal),
        ("<", Relation::Less),
        (">", Relation::Greater),
    ];
    let relation = relations.into_iter().find(|(token, _)| words.take(token));
    let (_, relation) = relation.ok_or("after the key comes =, !=, < or >")?;
    let operand = words.word("what it is compared with", &[])?;
    words.end()?;
    let number = || {
        let text = std::str::from_utf8(&operand).ok();
        let number = text.and_then(|text| text.parse::<i64>().ok());
        number.ok_or_else(|| format!("{:?} is no number", text::shown(&operand)))
    };
    Ok(match what.as_slice() {
        b"key" | b"value" => Compare::value(key, relation, operand),
        b"mod" => Compare::mod_revision(key, relation, number()?),
        b"create" => Compare::create_revision(key, relation, number()?),
        b"version" => Compare::version(key, relation, number()?),
        b"lease" => Compare::lease(key, relation, lease(&operand)?),
        other => {
            let other = text::shown(other);
            return Err(format!(
                "{other:?} cannot be compared; key, mod, create, version, lease can"
            ));
        }
    })
}

/// A lease's number, or 0 for none.
fn lease(word: &[u8]) -> Result<i64, String> {
    match std::str::from_utf8(word) {
        Ok("0") => Ok(0),
        Ok(word) => text::parse_lease(word),
        Err(error) => Err(error.to_string()),
    }
}

/// `put KEY VALUE [lease=ID]`, `get KEY`, `scan PREFIX`, `delete KEY`, `delete-prefix PREFIX`
pub(super) fn operation(text: &str) -> Result<Operation, String> {
    let mut words = Words(text);
    let verb = words.word("the operation", &[])?;
    let operation = match verb.as_slice() {
        b"put" => {
            let mut put = Put::new(words.word("the key", &[])?, words.word("the value", &[])?);
            if words.take("lease=") {
                put = put.lease(lease(&words.word("the lease", &[])?)?);
            }
            Operation::Put(put)
        }
        b"get" => Operation::Get(Get::key(words.word("the key", &[])?)),
        b"scan" => Operation::Get(Get::prefix(words.word("the prefix", &[])?)),
        b"delete" => Operation::Delete(Delete::key(words.word("the key", &[])?)),
        b"delete-prefix" => Operation::Delete(Delete::prefix(words.word("the prefix", &[])?)),
        other => {
            let other = text::shown(other);
            return Err(format!(
                "{other:?} is no operation; put, get, scan, delete, delete-prefix are"
            ));
        }
    };
    words.end()?;
    Ok(operation)
}

#[cfg(test)]
mod tests {
    use client::{Compare, Delete, Get, Operation, Put, Relation};

    use super::{comparison, operation};

    #[test]
    fn comparisons() {
        for (text, compare) in [
            ("key(a)=x", Compare::value("a", Relation::Equal, "x")),
            ("value( a ) != \"x y\"", Compare::value("a", Relation::NotEqual, "x y")),
            ("mod(a/b)>3", Compare::mod_revision("a/b", Relation::Greater, 3)),
            ("create(\"a)\\x00\") = 0", Compare::create_revision("a)\0", Relation::Equal, 0)),
            ("version(a) < 10", Compare::version("a", Relation::Less, 10)),
            ("lease(a) = 7b", Compare::lease("a", Relation::Equal, 123)),
            ("key(a) = =", Compare::value("a", Relation::Equal, "=")),
            ("key(a) = \"\"", Compare::value("a", Relation::Equal, "")),
        ] {
            assert_eq!(comparison(text), Ok(compare), "{text}");
        }
        for (text, word) in [
            ("", "missing"),
            ("key", "\"(\""),
            ("key(a", "\")\""),
            ("key()=1", "the key is missing"),
            ("key(a b)=1", "double quotes"),
            ("key(a)", "=, !="),
            ("key(a)=", "compared with is missing"),
            ("key(a)=x y", "too much"),
            ("key(\"a)=1", "not closed"),
            ("mod(a)=x", "no number"),
            ("size(a)=1", "cannot be compared"),
        ] {
            let error = comparison(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn operations() {
        for (text, expected) in [
            ("put a 1", Operation::Put(Put::new("a", "1"))),
            ("put \"a b\" \"\\\"\\n\"", Operation::Put(Put::new("a b", "\"\n"))),
            ("put a 1 lease=7b", Operation::Put(Put::new("a", "1").lease(123))),
            (" get  a ", Operation::Get(Get::key("a"))),
            ("scan \"\"", Operation::Get(Get::prefix(""))),
            ("delete a", Operation::Delete(Delete::key("a"))),
            ("delete-prefix a/", Operation::Delete(Delete::prefix("a/"))),
        ] {
            assert_eq!(operation(text), Ok(expected), "{text}");
        }
        for (text, word) in [
            ("", "missing"),
            ("put", "the key is missing"),
            ("put a", "the value is missing"),
            ("put a b c", "too much"),
            ("put a b lease=x", "hexadecimal"),
            ("get a b", "too much"),
            ("drop a", "no operation"),
            ("put a \"x", "not closed"),
            ("put a \"\\q\"", "no escape"),
        ] {
            let error = operation(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
