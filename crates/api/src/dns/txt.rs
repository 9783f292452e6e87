//! Metadata of nodes as text records.

/// A pair as RFC 1464 writes it: `key=value`, where a backquote quotes what would be mistaken in the key.
/// Of a key that begins with `rfc1035-`, the value only, as in Consul.
pub(super) fn text(key: &str, value: &str) -> Vec<u8> {
    if key.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("rfc1035-")) {
        return value.as_bytes().to_vec();
    }
    let quoted = key.replace('`', "``").replace('=', "`=");
    let inner = quoted.trim_matches(' ');
    let before = quoted.len() - quoted.trim_start_matches(' ').len();
    let after = quoted.len() - before - inner.len();
    let blanks = |count: usize| "` ".repeat(count);
    let key = format!("{}{inner}{}", blanks(before), blanks(after));
    format!("{key}={}", value.replace('`', "``")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn pairs_are_quoted_as_they_are_read() {
        for (key, value, expected) in [
            ("rack", "r1", "rack=r1"),
            ("a=b", "c=d", "a`=b=c=d"),
            ("a`b", "c`d", "a``b=c``d"),
            ("  x y ", "z", "` ` x y` =z"),
            ("   ", "z", "` ` ` =z"),
            ("", "z", "=z"),
            ("RFC1035-spf", "v=spf1 -all", "v=spf1 -all"),
            ("é", "ü", "é=ü"),
        ] {
            assert_eq!(String::from_utf8(text(key, value)).unwrap(), expected, "{key}");
        }
    }
}
