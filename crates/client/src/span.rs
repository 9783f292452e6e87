use bytes::Bytes;

/// Which keys a request is about: one, all with a common beginning, or all between two.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    pub(crate) key: Bytes,
    pub(crate) end: Bytes,
}

/// How the wire says "to the end of the key space", and the smallest key.
const ZERO: Bytes = Bytes::from_static(&[0]);

impl Span {
    /// One key.
    pub fn key(key: impl Into<Bytes>) -> Self {
        Self { key: key.into(), end: Bytes::new() }
    }

    /// All keys that begin with `prefix`; with an empty one, all keys.
    pub fn prefix(prefix: impl Into<Bytes>) -> Self {
        let prefix = prefix.into();
        let end = after_prefix(&prefix);
        Self { key: if prefix.is_empty() { ZERO } else { prefix }, end }
    }

    /// The keys from `from` up to, without, `to`; an empty `to` means to the end.
    pub fn range(from: impl Into<Bytes>, to: impl Into<Bytes>) -> Self {
        let (from, to) = (from.into(), to.into());
        let key = if from.is_empty() { ZERO } else { from };
        Self { key, end: if to.is_empty() { ZERO } else { to } }
    }

    /// What is left of the span after `key`.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> Self {
        Self { key: [key, &[0]].concat().into(), end: self.end.clone() }
    }

    /// What is left of the span before `key`.
    #[must_use]
    pub fn before(&self, key: Bytes) -> Self {
        Self { key: self.key.clone(), end: key }
    }
}

/// The first key after all that begin with `prefix`.
fn after_prefix(prefix: &[u8]) -> Bytes {
    let Some(last) = prefix.iter().rposition(|byte| *byte != u8::MAX) else { return ZERO };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    end.into()
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn prefixes_end_where_the_next_one_begins() {
        for (prefix, key, end) in [
            (&b""[..], &b"\0"[..], &b"\0"[..]),
            (b"a", b"a", b"b"),
            (b"a\xff", b"a\xff", b"b"),
            (b"\xff\xff", b"\xff\xff", b"\0"),
        ] {
            let span = Span::prefix(prefix);
            assert_eq!((span.key.as_ref(), span.end.as_ref()), (key, end), "{prefix:?}");
        }
    }
}
