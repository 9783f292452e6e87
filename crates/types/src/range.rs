//! Half-open ranges of keys.

use bytes::Bytes;

/// `[start, end)`; `end == None` means "to the end of the key space".
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct KeyRange {
    /// The first key in the range.
    pub start: Bytes,
    /// The first key after the range.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// Every key there is.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only `key`.
    #[must_use]
    pub fn single(key: &Bytes) -> Self {
        let mut end = Vec::with_capacity(key.len() + 1);
        end.extend_from_slice(key);
        end.push(0);
        Self { start: key.clone(), end: Some(end.into()) }
    }

    /// etcd's convention: an empty `range_end` is the single key, `\0` is "from key on", anything
    /// else the exclusive end.
    #[must_use]
    pub fn from_etcd(key: &Bytes, range_end: &Bytes) -> Self {
        match range_end.as_ref() {
            [] => Self::single(key),
            [0] => Self { start: key.clone(), end: None },
            _ => Self { start: key.clone(), end: Some(range_end.clone()) },
        }
    }

    /// The keys that begin with `prefix`; for an empty one, every key.
    #[must_use]
    pub fn prefix(prefix: &Bytes) -> Self {
        if prefix.is_empty() {
            // No key is empty, and this is how etcd's clients name all of them.
            return Self { start: Bytes::from_static(&[0]), end: None };
        }
        let last = prefix.iter().rposition(|byte| *byte < u8::MAX);
        let end = last.map(|last| {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end.into()
        });
        Self { start: prefix.clone(), end }
    }

    /// The same in memory of its own. A key that came over the wire or from a disk is part of a larger
    /// buffer, and keeps all of it: whoever keeps a range for long takes a copy.
    #[must_use]
    pub fn copied(&self) -> Self {
        let copied = |key: &Bytes| Bytes::copy_from_slice(key);
        Self { start: copied(&self.start), end: self.end.as_ref().map(copied) }
    }

    /// Whether it is one key alone.
    #[must_use]
    pub fn is_single(&self) -> bool {
        let before = self.end.as_ref().and_then(|end| end.strip_suffix(&[0]));
        before == Some(self.start.as_ref())
    }

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_ref() && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }

    /// Whether every key of `other` lies in the range.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let ends = match (&self.end, &other.end) {
            (None, _) => true,
            (Some(end), Some(other)) => other <= end,
            (Some(_), None) => false,
        };
        self.start <= other.start && ends
    }

    /// The keys that lie in both.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> Self {
        let end = match (&self.end, &other.end) {
            (Some(end), Some(other)) => Some(end.min(other).clone()),
            (end, None) | (None, end) => end.clone(),
        };
        Self { start: self.start.clone().max(other.start.clone()), end }
    }

    /// Whether no key can lie in the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end <= &self.start)
    }

    /// Whether the two have a key in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let before = |end: &Option<Bytes>, start: &Bytes| end.as_ref().is_some_and(|e| e <= start);
        !self.is_empty()
            && !other.is_empty()
            && !before(&self.end, &other.start)
            && !before(&other.end, &self.start)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::KeyRange;

    #[test]
    fn a_prefix_holds_what_begins_with_it_and_nothing_else() {
        let bytes = [0_u8, 1, 0x7f, 0xfe, 0xff];
        let pairs = bytes.into_iter().flat_map(|a| bytes.map(|b| vec![a, b]));
        let triples = pairs.clone().flat_map(|pair| bytes.map(|c| [&pair[..], &[c]].concat()));
        let all: Vec<Vec<u8>> =
            bytes.map(|a| vec![a]).into_iter().chain(pairs).chain(triples).collect();
        for prefix in std::iter::once(Vec::new()).chain(all.clone()) {
            let range = KeyRange::prefix(&Bytes::from(prefix.clone()));
            for key in &all {
                assert_eq!(range.contains(key), key.starts_with(&prefix), "{prefix:?} {key:?}");
            }
        }
    }
}
