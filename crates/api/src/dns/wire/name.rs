//! Domain names.

use core::fmt;

/// Bytes of a label.
const LABEL_BYTES: usize = 63;
/// Bytes of a name on the wire, without the root's zero.
const NAME_BYTES: usize = 254;

/// A name: labels with their lengths, as on the wire, without the root's zero. Letters are as they came;
/// who compares, compares without their case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(in crate::dns) struct Name(Vec<u8>);

impl Name {
    /// Reads the name at `at` of a message, and moves `at` behind it. `None` for what is none; and for
    /// pointers, which the first name of a message has no use for.
    pub(super) fn read(message: &[u8], at: &mut usize) -> Option<Self> {
        let start = *at;
        loop {
            let length = usize::from(*message.get(*at)?);
            if length > LABEL_BYTES {
                return None;
            }
            *at += 1 + length;
            if length == 0 {
                let wire = message.get(start..*at - 1)?;
                return (wire.len() <= NAME_BYTES).then(|| Self(wire.to_vec()));
            }
        }
    }

    /// A name from its labels and dots, with or without the last one; `None` for what is none.
    pub(in crate::dns) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        text.split('.').try_fold(Self::default(), |name, label| name.with(label.as_bytes()))
    }

    fn with(mut self, label: &[u8]) -> Option<Self> {
        if label.is_empty() || label.len() > LABEL_BYTES {
            return None;
        }
        self.0.push(u8::try_from(label.len()).ok()?);
        self.0.extend_from_slice(label);
        (self.0.len() <= NAME_BYTES).then_some(self)
    }

    /// This name below another one; `None` if that is too long.
    pub(in crate::dns) fn below(mut self, parent: &Self) -> Option<Self> {
        self.0.extend_from_slice(&parent.0);
        (self.0.len() <= NAME_BYTES).then_some(self)
    }

    /// From the first to the one next to the root.
    pub(in crate::dns) fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some(label)
        })
    }

    /// The labels in front of `parent`; `None` if this is no name below it, or it.
    pub(in crate::dns) fn labels_below(&self, parent: &Self) -> Option<Vec<&[u8]>> {
        let count = self.labels().count().checked_sub(parent.labels().count())?;
        let ends = self.labels().skip(count).zip(parent.labels());
        let alike = ends.into_iter().all(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs));
        alike.then(|| self.labels().take(count).collect())
    }

    pub(in crate::dns) fn is(&self, other: &Self) -> bool {
        // Lengths are below the letters, so they are not mistaken for some.
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// As on the wire, without the root's zero.
    pub(super) fn wire(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for label in self.labels() {
            write!(f, "{}.", label.escape_ascii())?;
        }
        if self.0.is_empty() { write!(f, ".") } else { Ok(()) }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_bounded_and_compared_without_case() {
        let name = Name::parse("a.B.consul").unwrap();
        assert_eq!(name.to_string(), "a.B.consul.");
        assert_eq!(Name::parse("a.B.consul.").unwrap(), name);
        assert!(name.is(&Name::parse("A.b.CONSUL").unwrap()));
        let below = name.labels_below(&Name::parse("CONSUL").unwrap()).unwrap();
        assert_eq!(below, [b"a", b"B"]);
        assert_eq!(name.labels_below(&Name::parse("b.a.consul").unwrap()), None);
        assert_eq!(
            Name::parse("xconsul").unwrap().labels_below(&Name::parse("consul").unwrap()),
            None
        );
        for wrong in ["", ".", "a..b", ".a", &"x".repeat(64), &["abcdefg"; 32].join(".")] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
        let longest = Name::parse(&["abcdefg"; 31].join(".")).unwrap();
        assert!(longest.clone().below(&Name::parse("abcde").unwrap()).is_some());
        assert!(longest.below(&Name::parse("abcdef").unwrap()).is_none());
    }

    #[test]
    fn what_is_no_name_is_none() {
        let read = |bytes: &[u8]| {
            let mut at = 0;
            Name::read(bytes, &mut at).map(|name| (name.to_string(), at))
        };
        assert_eq!(read(b"\x01a\x02bc\0rest"), Some(("a.bc.".to_owned(), 6)));
        assert_eq!(read(b"\0"), Some((".".to_owned(), 1)));
        for wrong in [&b""[..], b"\x01", b"\x01a", b"\x02a", b"\xc0\x00", b"\x01a\xc0\x0c", b"\x40"]
        {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&[b"\x01a".repeat(128), vec![0]].concat()), None);
        assert!(read(&[b"\x01a".repeat(127), vec![0]].concat()).is_some());
    }
}
