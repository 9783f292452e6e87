//! Whether a range lies in the union of others.

use bytes::Bytes;
use types::KeyRange;

/// Whether every key of `wanted` lies in one of `granted`.
pub(super) fn covers<'a>(
    granted: impl Iterator<Item = &'a KeyRange> + Clone,
    wanted: &KeyRange,
) -> bool {
    if wanted.is_empty() || granted.clone().any(|range| contains(range, wanted)) {
        return true;
    }
    // Every key before this one is covered; each look gets on as far as one of the ranges goes.
    let mut at = &wanted.start;
    loop {
        let next = granted.clone().filter(|range| range.start <= *at);
        let next = next.map(|range| range.end.as_ref()).max_by(|a, b| by_end(*a, *b));
        match next {
            None => return false,
            Some(None) => return true,
            Some(Some(end)) if end <= at => return false,
            Some(Some(end)) if by_end(Some(end), wanted.end.as_ref()).is_ge() => return true,
            Some(Some(end)) => at = end,
        }
    }
}

/// The ranges, those that meet made one, in order.
pub(super) fn merged(mut ranges: Vec<KeyRange>) -> Vec<KeyRange> {
    ranges.sort_by(|a, b| a.start.cmp(&b.start));
    let mut all: Vec<KeyRange> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if last.end.as_ref().is_none_or(|end| *end >= range.start) => {
                if by_end(range.end.as_ref(), last.end.as_ref()).is_gt() {
                    last.end = range.end;
                }
            }
            _ => all.push(range),
        }
    }
    all
}

fn contains(outer: &KeyRange, inner: &KeyRange) -> bool {
    outer.start <= inner.start && by_end(outer.end.as_ref(), inner.end.as_ref()).is_ge()
}

/// No end comes after every end.
fn by_end(a: Option<&Bytes>, b: Option<&Bytes>) -> core::cmp::Ordering {
    (a.is_none(), a).cmp(&(b.is_none(), b))
}
