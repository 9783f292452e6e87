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

    /// Whether `key` lies in the range.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_ref() && self.end.as_ref().is_none_or(|end| key < end.as_ref())
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
