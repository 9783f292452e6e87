//! A body's JSON objects, one after the other, however it is cut into chunks.

use bytes::{Bytes, BytesMut};

/// Takes a body apart.
#[derive(Default)]
pub(super) struct Objects {
    held: BytesMut,
    /// So far `held` was looked at.
    seen: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// More bytes than one object may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Objects {
    /// Takes more of the body.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole value of at most `most` bytes; `None` if more of the body is needed. What is no
    /// JSON comes out too, cut somewhere: whoever reads it will say so.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<Bytes>, TooLong> {
        while let Some(byte) = self.held.get(self.seen) {
            let byte = *byte;
            self.seen += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        let object = self.held.split_to(self.seen).freeze();
                        self.seen = 0;
                        return if object.len() > most { Err(TooLong) } else { Ok(Some(object)) };
                    }
                }
                _ => {}
            }
        }
        if self.held.len() > most { Err(TooLong) } else { Ok(None) }
    }

    /// What is left when the body has ended; nothing if that is blank.
    pub(super) fn rest(self) -> Option<Bytes> {
        let is_blank = self.held.iter().all(u8::is_ascii_whitespace);
        (!is_blank).then(|| self.held.freeze())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Objects, TooLong};

    #[test]
    fn objects_are_found_however_they_are_cut() {
        let body = r#" {"a":"}\"{","b":[{}]} {"c":"\\"}
            {} "#;
        for size in 1..body.len() {
            let (mut objects, mut found) = (Objects::default(), Vec::new());
            for chunk in body.as_bytes().chunks(size) {
                objects.push(chunk);
                while let Some(object) = objects.next(100).unwrap() {
                    found.push(String::from_utf8(object.into()).unwrap().trim().to_owned());
                }
            }
            assert_eq!(found, [r#"{"a":"}\"{","b":[{}]}"#, r#"{"c":"\\"}"#, "{}"]);
            assert_eq!(objects.rest(), None);
        }
    }

    #[test]
    fn what_does_not_end_is_bounded() {
        let mut objects = Objects::default();
        objects.push(br#"{"a":"#);
        assert_eq!(objects.next(8), Ok(None));
        objects.push(b"\"1234");
        assert_eq!(objects.next(8), Err(TooLong));
        assert_eq!(objects.rest().unwrap(), r#"{"a":"1234"#);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20),
        ) {
            let (mut objects, mut out) = (Objects::default(), Vec::new());
            for chunk in &chunks {
                objects.push(chunk);
                while let Some(object) = objects.next(usize::MAX).unwrap() {
                    out.extend_from_slice(&object);
                }
            }
            out.extend(objects.rest().unwrap_or_default());
            let sent = chunks.concat();
            prop_assert!(sent.starts_with(&out));
            prop_assert!(sent[out.len()..].iter().all(u8::is_ascii_whitespace));
        }
    }
}
