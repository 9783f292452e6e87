//! How far a watch over many regions is.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;

use bytes::Bytes;
use types::KeyRange;

use super::routes::range_of;
use crate::{Error, Span};

/// Bytes of a text that can be one.
const TEXT_BYTES: usize = 8 << 20;

/// For every key of a span, the first revision that was not told of it. Regions have revisions of their own,
/// so one number would not do. As text (`Display`, `FromStr`) it can be kept, and a watch be gone on with by
/// it later, in another process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Positions {
    /// From each key on up to the next; 0 for "not begun".
    next: BTreeMap<Bytes, i64>,
    end: Option<Bytes>,
}

impl Positions {
    /// Nothing of `range` was begun.
    pub(crate) fn new(range: KeyRange) -> Self {
        Self { next: BTreeMap::from([(range.start, 0)]), end: range.end }
    }

    /// The keys it is about.
    #[must_use]
    pub fn span(&self) -> Span {
        let start = self.next.keys().next().cloned().unwrap_or_default();
        Span::range(start, self.end.clone().unwrap_or_default())
    }

    /// Whether it is about the keys of `span`, and no others.
    #[must_use]
    pub fn is_of(&self, span: &Span) -> bool {
        range_of(span) == range_of(&self.span())
    }

    /// The parts and the first revision that was not told of each.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (KeyRange, i64)> {
        let ends = self.next.keys().skip(1).cloned().map(Some).chain([self.end.clone()]);
        let parts = self.next.iter().zip(ends);
        parts.map(|((start, next), end)| (KeyRange { start: start.clone(), end }, *next))
    }

    /// Whether every part has begun.
    pub(crate) fn is_begun(&self) -> bool {
        self.next.values().all(|next| *next > 0)
    }

    /// Everything of `range` before `next` was told.
    pub(crate) fn reach(&mut self, range: &KeyRange, next: i64) {
        if range.is_empty() {
            return;
        }
        if let Some(end) = range.end.as_ref().filter(|end| self.end.as_ref() != Some(*end)) {
            self.cut(end);
        }
        let until = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let within = self.next.range((Bound::Excluded(range.start.clone()), until));
        let within: Vec<Bytes> = within.map(|(start, _)| start.clone()).collect();
        for start in within {
            self.next.remove(&start);
        }
        self.next.insert(range.start.clone(), next);
        // One entry for neighbours that are equal keeps it short.
        for start in [range.end.as_ref(), Some(&range.start)].into_iter().flatten() {
            let mut before =
                self.next.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(start.as_ref())));
            let before = before.next_back().map(|(_, next)| *next);
            if before.is_some() && before == self.next.get(start).copied() {
                self.next.remove(start);
            }
        }
    }

    /// Makes a part begin with `key`.
    fn cut(&mut self, key: &Bytes) {
        let mut before =
            self.next.range::<[u8], _>((Bound::Unbounded, Bound::Included(key.as_ref())));
        if let Some(next) = before.next_back().map(|(_, next)| *next) {
            self.next.insert(key.clone(), next);
        }
    }
}

impl fmt::Display for Positions {
    /// `hex@next,hex@next,...,hex`: each part's first key and first revision not told, then the span's end,
    /// `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, key: &[u8]| {
            key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        for (start, next) in &self.next {
            hex(f, start)?;
            write!(f, "@{next},")?;
        }
        match &self.end {
            Some(end) => hex(f, end),
            None => f.write_str("-"),
        }
    }
}

impl FromStr for Positions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Setting("this does not say how far a watch was".to_owned());
        let hex = |text: &str| -> Option<Bytes> {
            let digits = text.as_bytes();
            let pairs = digits.chunks(2).map(|pair| {
                let text = std::str::from_utf8(pair).ok().filter(|_| pair.len() == 2)?;
                let plain = pair.iter().all(u8::is_ascii_hexdigit);
                u8::from_str_radix(text, 16).ok().filter(|_| plain)
            });
            pairs.collect::<Option<Vec<u8>>>().map(Bytes::from)
        };
        let (parts, end) =
            text.rsplit_once(',').filter(|_| text.len() <= TEXT_BYTES).ok_or_else(wrong)?;
        let end = match end {
            "-" => None,
            end => Some(hex(end).ok_or_else(wrong)?),
        };
        let mut next = BTreeMap::new();
        for part in parts.split(',') {
            let (start, revision) = part.split_once('@').ok_or_else(wrong)?;
            let start = hex(start).ok_or_else(wrong)?;
            let revision: i64 = revision.parse().ok().filter(|it| *it >= 0).ok_or_else(wrong)?;
            let ascends = next.last_key_value().is_none_or(|(last, _)| *last < start);
            let inside = end.as_ref().is_none_or(|end| start < *end);
            if !ascends || !inside {
                return Err(wrong());
            }
            next.insert(start, revision);
        }
        Ok(Self { next, end })
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use bytes::Bytes;
    use types::KeyRange;

    use super::Positions;

    const KEYS: u8 = 16;

    fn range(start: u8, end: u8) -> KeyRange {
        KeyRange { start: Bytes::from(vec![start]), end: Some(Bytes::from(vec![end])) }
    }

    /// Random advances against one number for each key, and through the text.
    #[test]
    fn each_key_is_as_far_as_it_was_told() {
        for seed in 0..200_u64 {
            let random =
                |at: u64| BuildHasherDefault::<DefaultHasher>::default().hash_one((seed, at));
            let mut positions = Positions::new(range(0, KEYS));
            let mut model = vec![0; usize::from(KEYS)];
            for step in 0..40 {
                let start = u8::try_from(random(step * 3) % u64::from(KEYS)).unwrap();
                let end = start
                    + u8::try_from(random(step * 3 + 1) % u64::from(KEYS - start + 1)).unwrap();
                let next = i64::try_from(random(step * 3 + 2) % 4).unwrap();
                positions.reach(&range(start, end), next);
                model[usize::from(start)..usize::from(end)].fill(next);
                let mut seen = Vec::new();
                let mut parts: Vec<_> = positions.parts().collect();
                for (part, next) in &parts {
                    assert_eq!(part.start[0] as usize, seen.len(), "a gap or an overlap");
                    seen.resize(usize::from(part.end.as_ref().unwrap()[0]), *next);
                }
                assert_eq!(seen, model, "seed {seed} step {step}");
                parts.dedup_by_key(|(_, next)| *next);
                assert_eq!(parts.len(), positions.parts().count(), "it is as short as it can be");
                assert_eq!(positions.to_string().parse::<Positions>().unwrap(), positions);
                assert_eq!(positions.is_begun(), model.iter().all(|next| *next > 0));
            }
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        let all = Positions::new(KeyRange { start: Bytes::from_static(&[0]), end: None });
        assert_eq!(all.to_string(), "00@0,-");
        for wrong in [
            "",
            "-",
            "00",
            "00@1",
            "00@x,-",
            "0@1,-",
            "zz@1,-",
            "00@-1,-",
            "01@1,00@1,-",
            "05@1,05",
            "+1@1,-",
        ] {
            assert!(wrong.parse::<Positions>().is_err(), "{wrong}");
        }
    }
}
