//! Regular expressions as schemas write them (ECMA 262) in the words of the crate `regex`, which has no
//! look-around and no references back: what cannot be said without those is refused. In return no
//! expression takes longer than the text is long.

use regex::{Regex, RegexBuilder};

/// Bytes that a pattern may take up once it is compiled.
const COMPILED_BYTES: usize = 1 << 20;
const SPACE: &str = concat!(
    r"\t\n\x0B\x0C\r \u{a0}\u{1680}\u{2000}-\u{200a}",
    r"\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}",
);

pub(super) fn compile(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(&translated(text));
    builder.size_limit(COMPILED_BYTES).dfa_size_limit(COMPILED_BYTES).nest_limit(50);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => format!("the pattern {text:?} is too large"),
        error => {
            let told = error.to_string();
            let last = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the pattern {text:?} cannot be used here: {last}")
        }
    })
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
        for bad in ["(?=a)", r"(a)\1", "[", "(", "a{100000}{1000}"] {
            assert!(compile(bad).unwrap_err().contains("the pattern"), "{bad}");
        }
    }
}
