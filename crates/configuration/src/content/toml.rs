use std::collections::BTreeSet;

use serde_json::Value;
use toml_parser::decoder::Encoding;
use toml_parser::parser::{EventReceiver, parse_document};
use toml_parser::{ErrorSink, ParseError, Source, Span};

use crate::limits::DEPTH;

/// What a text says. How deep it is nested is found out before anything is built of it: the parser bounds
/// brackets and the parts of a key each for itself, and with both at once a text of 15 KiB is so deep that
/// looking at it overflows a stack.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let tokens = Source::new(text).lex().into_vec();
    let mut depth = Depth::default();
    let mut error: Option<ParseError> = None;
    parse_document(&tokens, &mut depth, &mut error);
    if let Some(at) = depth.too_deep {
        return Err(format!("it is nested deeper than {DEPTH}{}", place(text, at)));
    }
    if let Some(error) = error {
        let at = error.unexpected().or(error.context()).map_or(text.len(), |span| span.start());
        return Err(format!("{}{}", error.description(), place(text, at)));
    }
    match text.parse::<toml::Table>() {
        Ok(table) => Ok(plain(toml::Value::Table(table))),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            Err(format!("{}{}", error.message(), place(text, at)))
        }
    }
}

/// Where that is, on one line.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(" at line {} column {column}", before.matches('\n').count() + 1)
}

fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        // Infinity and what is no number are none in JSON.
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(items) => items.into_iter().map(plain).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, it)| (key, plain(it))).collect(),
    }
}

/// How deep what comes next is nested.
#[derive(Default)]
struct Depth {
    /// Of the collections that are open: how deep they are, and what is in them.
    open: Vec<(usize, usize)>,
    /// Of the table that the last header named.
    table: usize,
    /// Of what was named last.
    at: usize,
    is_header: bool,
    /// Parts of the header so far.
    parts: usize,
    /// After how many parts of a header there is a list of tables somewhere, of which the last one is meant:
    /// such a part is two deep.
    lists: BTreeSet<usize>,
    /// Where it was too deep first.
    too_deep: Option<usize>,
}

impl Depth {
    fn look(&mut self, span: Span) -> bool {
        if self.at > DEPTH || self.open.len() > DEPTH {
            self.too_deep.get_or_insert(span.start());
        }
        self.too_deep.is_none()
    }

    fn header(&mut self) {
        self.open.clear();
        (self.at, self.parts, self.is_header) = (0, 0, true);
    }

    fn header_ends(&mut self) {
        (self.table, self.is_header) = (self.at, false);
    }

    fn close(&mut self) {
        self.at = self.open.pop().map_or(self.table, |(before, _)| before);
    }
}

impl EventReceiver for Depth {
    fn std_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header();
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header();
    }

    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header_ends();
    }

    fn array_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        if self.lists.insert(self.parts) {
            self.at += 1;
            self.look(span);
        }
        self.header_ends();
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open.push((self.at, self.at));
        self.look(span)
    }

    fn inline_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close();
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open.push((self.at, self.at + 1));
        self.at += 1;
        self.look(span)
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close();
    }

    fn simple_key(&mut self, span: Span, _: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.at += 1;
        if self.is_header {
            self.parts += 1;
            self.at += usize::from(self.lists.contains(&self.parts));
        }
        self.look(span);
    }

    fn value_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.at = self.open.last().map_or(self.table, |(_, inside)| *inside);
    }

    fn newline(&mut self, _: Span, _: &mut dyn ErrorSink) {
        if self.open.is_empty() {
            (self.at, self.is_header) = (self.table, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::parse;

    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Value::Object(pairs) => 1 + pairs.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// `a.a.a` of so many parts.
    fn key(parts: usize) -> String {
        vec!["a"; parts].join(".")
    }

    #[test]
    fn what_is_too_deep_is_refused_before_it_is_built() {
        let tables = |tables: usize, parts: usize| {
            let key = key(parts);
            format!("{}{key} = 1{}\n", format!("{key} = {{").repeat(tables), "}".repeat(tables))
        };
        let lists = |lists: usize| format!("a = {}{}", "[".repeat(lists), "]".repeat(lists));
        let headers: String = (1..=70).map(|parts| format!("[[{}]]\n", key(parts))).collect();
        for (text, place) in [
            (tables(79, 79), "line 1"),
            (tables(2, 79), "line 1"),
            (format!("b = 1\n[{}]\n{}", key(79), tables(2, 8)), "line 3"),
            (format!("[{}]\n{} = 1\n", key(79), key(22)), "line 2"),
            (format!("[[{}]]\n{} = 1\n", key(79), key(21)), "line 2"),
            (lists(101), "line 1 column 104"),
            (lists(1 << 19), "line 1"),
            (headers, "line 51"),
            (format!("{} = 1", key(1 << 18)), "line 1"),
            (format!("a = {}", "[{a=".repeat(1 << 17)), "line 1"),
        ] {
            let told = parse(&text).unwrap_err();
            assert!(told.contains("deeper than 100") && told.contains(place), "{told}");
        }
        for broken in ["", "a = "] {
            assert!(parse(&format!("{broken}{}", "{".repeat(1 << 19))).is_err());
        }
        // What is not is read, however many there are beside each other.
        let wide = format!("x = [{}]\n", "[[1], [2]], {a.b = [3], c = {}},\n".repeat(200));
        let many: String = (0..200).map(|at| format!("[t{at}.u.v]\nk.l = 1\nm = 2\n")).collect();
        for (text, is) in [
            (wide, 5),
            (many, 5),
            (tables(2, 30), 90),
            (lists(75), 76),
            (format!("[{}]\n{} = 1\n", key(79), key(21)), 100),
            (format!("[[{}]]\n{} = 1\n", key(79), key(20)), 100),
            (format!("[[{}]]\n[{}]\nb = 1\n", key(20), key(79)), 81),
        ] {
            assert_eq!(parse(&text).map(|value| depth(&value)), Ok(is), "{text}");
        }
    }
}
