//! Regular expressions as schemas write them (ECMA 262) in the words of the crate `regex`, which has no
//! look-around and no references back: what cannot be said without those is refused. In return no
//! expression takes longer than the text is long.

use regex::{Regex, RegexBuilder};

use crate::limits::{PATTERN_BYTES, PATTERN_COMPILED_BYTES};

/// Bytes that a pattern is tried to be compiled into, one after the other: how many it takes is not told,
/// only that they are too many.
const SIZES: [usize; 6] = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, PATTERN_COMPILED_BYTES];
/// Bytes of the states that matching remembers: with fewer it would be slow.
const REMEMBERED_BYTES: usize = 1 << 16;
const SPACE: &str = concat!(
    r"\t\n\x0B\x0C\r \u{a0}\u{1680}\u{2000}-\u{200a}",
    r"\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}",
);

/// A pattern that can be held against texts.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Bytes that it takes up at most.
    pub(super) size: usize,
}

impl Pattern {
    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// How long that takes at worst, in steps: as many states as fit are looked at for each byte.
    pub(super) fn steps(&self, text: &str) -> u64 {
        1 + (text.len() as u64).saturating_mul(self.size as u64) / (8 << 10)
    }
}

pub(super) fn compile(text: &str) -> Result<Pattern, String> {
    if text.len() > PATTERN_BYTES {
        let told = format!("has {} bytes; it may have {PATTERN_BYTES}", text.len());
        return Err(format!("the pattern that begins {:?} {told}", beginning(text)));
    }
    let mut builder = RegexBuilder::new(&translated(text));
    builder.nest_limit(50);
    for size in SIZES {
        builder.size_limit(size).dfa_size_limit(size.max(REMEMBERED_BYTES));
        match builder.build() {
            Ok(regex) => return Ok(Pattern { regex, size }),
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(error) => {
                let told = error.to_string();
                let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
                return Err(format!("the pattern {text:?} cannot be used here: {last}"));
            }
        }
    }
    Err(format!("the pattern {text:?} is too large"))
}

fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What means something else there.
fn translated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                None => out.push('\\'),
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[A-Za-z0-9_]"),
                Some('W') => out.push_str("[^A-Za-z0-9_]"),
                Some('s') => out.extend(["[", SPACE, "]"]),
                Some('S') => out.extend(["[^", SPACE, "]"]),
                Some('b') if !in_class => out.push_str(r"(?-u:\b)"),
                Some('B') if !in_class => out.push_str(r"(?-u:\B)"),
                Some('b') => out.push_str(r"\x08"),
                Some('0') => out.push_str(r"\x00"),
                Some(other) => out.extend(['\\', other]),
            },
            '[' if in_class => out.push_str(r"\["),
            // `&&`, `--` and `~~` are operations there.
            '&' | '~' if in_class => out.extend(['\\', character]),
            '[' => {
                in_class = true;
                out.push('[');
                let rest = characters.as_str();
                if let Some(rest) = rest.strip_prefix('^') {
                    out.push('^');
                    characters = rest.chars();
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn patterns_mean_what_schemas_mean_by_them() {
        for (pattern, yes, no) in [
            (r"^\d+$", "12", "١٢"),
            (r"^[\w.]+$", "a.b_1", "a-b"),
            (r"^[^\s&&~]+$", "ab", "a~"),
            (r"^[[a]$", "[", "b"),
            (r"\bcat\b", "a cat", "concat"),
            (r"^a\/b$", "a/b", "a\\/b"),
            (r"b", "abc", "ac"),
            (r"^\u00e4\.$", "ä.", "ä "),
            (r"^\S{2}$", "ab", "a\u{3000}"),
        ] {
            let compiled = compile(pattern).unwrap();
            assert!(compiled.is_match(yes) && !compiled.is_match(no), "{pattern}");
        }
        assert!(compile(&"a".repeat(5_000)).unwrap_err().contains("has 5000 bytes"));
        // What is small is cheap, also many times.
        assert!(compile("^[a-z0-9-]+$").unwrap().size <= 1 << 12);
        for bad in ["(?=a)", r"(a)\1", "[", "(", "a{100000}{1000}"] {
            assert!(compile(bad).unwrap_err().contains("the pattern"), "{bad}");
        }
    }
}
