//! Keys and values as people read and write them.

use std::fmt::Write;

/// `bytes` as text on one line: what is printable UTF-8 as it is, a backslash doubled, everything
/// else as `\n`, `\t`, `\r`, `\u{..}` or, where it is no UTF-8, `\xNN`.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' | '\t' | '\r' => text.extend(character.escape_default()),
                _ if is_unprintable(character) => text.extend(character.escape_unicode()),
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            // Writing into a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Characters that move the cursor, hide, or turn the direction of what stands beside them.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What [`shown`] made of bytes, as bytes again; an error names what is no escape.
pub(super) fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        match characters.next() {
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('r') => bytes.push(b'\r'),
            Some(same @ ('\\' | '"' | '\'')) => bytes.push(same as u8),
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
                bytes.push(
                    byte.ok_or_else(|| format!("\\x{digits} is no byte; say \\x00 to \\xff"))?,
                );
            }
            Some('u') => {
                let rest = characters.as_str();
                let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let (digits, rest) = inner.ok_or("\\u must be followed by {..}")?;
                let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                let character =
                    character.ok_or_else(|| format!("\\u{{{digits}}} is no character"))?;
                bytes.extend(character.encode_utf8(&mut [0; 4]).bytes());
                characters = rest.chars();
            }
            Some(other) => return Err(format!("\\{other} is no escape; a backslash is \\\\")),
            None => return Err("a backslash at the end; say \\\\".to_owned()),
        }
    }
    Ok(bytes)
}

/// A lease's number as etcd's tools show it.
pub(super) fn lease(id: i64) -> String {
    format!("{id:016x}")
}

/// A lease's number as a person gives it: hexadecimal digits.
pub(super) fn parse_lease(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = i64::from_str_radix(digits, 16).ok().filter(|id| plain && *id > 0);
    id.ok_or_else(|| {
        "a lease is up to 16 hexadecimal digits, as `lease list` shows them".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::{parse_lease, shown, unescaped};

    #[test]
    fn what_is_shown_can_be_typed() {
        for (bytes, text) in [
            (&b"plain /text"[..], "plain /text"),
            ("grün €".as_bytes(), "grün €"),
            (b"a\\b\n\t", "a\\\\b\\n\\t"),
            (b"\x00\x1b[31m", "\\u{0}\\u{1b}[31m"),
            (b"\xff\xfea", "\\xff\\xfea"),
            ("\u{202e}x".as_bytes(), "\\u{202e}x"),
        ] {
            assert_eq!(shown(bytes), text);
            assert_eq!(unescaped(text).as_deref(), Ok(bytes));
        }
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(unescaped(&shown(&every)), Ok(every));
        for wrong in ["\\", "\\q", "\\x", "\\x1", "\\xg0", "\\u1", "\\u{d800}", "\\u{"] {
            assert!(unescaped(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn leases_are_hexadecimal() {
        assert_eq!(parse_lease("32695410dcc0ca06"), Ok(0x3269_5410_dcc0_ca06));
        assert_eq!(parse_lease("0x7b"), Ok(123));
        for wrong in ["", "0", "-1", "+1", "xyz", "ffffffffffffffff", "1ffffffffffffffff"] {
            assert!(parse_lease(wrong).is_err(), "{wrong}");
        }
    }
}
