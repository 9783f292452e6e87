use serde_json::{Map, Value};

/// Pairs as Java's `Properties` reads them: all of them are texts.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut pairs = Map::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        // Only the last line is looked at for whether it goes on: it can be one of very many.
        let mut goes_on = ends_open(line);
        while goes_on {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            let next = next.trim_start_matches([' ', '\t', '\u{c}']);
            goes_on = ends_open(next);
            logical.push_str(next);
        }
        let (key, value) = split(&logical);
        let plain = |text| unescaped(text).map_err(|why| format!("{why} at line {}", at + 1));
        pairs.insert(plain(key)?, Value::String(plain(value)?));
    }
    Ok(Value::Object(pairs))
}

/// Whether a line ends with a backslash that is not itself behind one.
fn ends_open(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The key ends at the first `=`, `:` or space that is not behind a backslash.
fn split(line: &str) -> (&str, &str) {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\u{c}');
    let mut behind = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !behind && (is_space(*c) || matches!(c, '=' | ':'));
        behind = *c == '\\' && !behind;
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_space))
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut plain: Vec<u16> = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => match characters.next() {
                None => break,
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let digits: String = characters.by_ref().take(4).collect();
                    let is_hex =
                        digits.len() == 4 && digits.bytes().all(|it| it.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
                    plain.push(unit.ok_or_else(|| format!("\\u{digits} is no character"))?);
                    continue;
                }
                Some(other) => other,
            },
            other => other,
        };
        plain.extend(character.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16(&plain).map_err(|_| "half of a character is missing".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::parse;

    #[test]
    fn lines_that_go_on_are_looked_at_once() {
        assert_eq!(parse("k = 1\\\\\\\n\\\n2\nl=3"), Ok(json!({"k": "1\\2", "l": "3"})));
        // If all that came before were looked at for each line, this would take minutes.
        let began = Instant::now();
        let text = format!("k = {}end", "\\\\\\\n".repeat(200_000));
        let value = parse(&text).unwrap();
        assert_eq!(value["k"].as_str().map(str::len), Some(200_003));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
