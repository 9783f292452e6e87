//! Which keys of a range several others leave out.

use types::KeyRange;

/// What of `whole` is in none of `parts`, in order.
#[must_use]
pub fn uncovered(whole: &KeyRange, parts: &[KeyRange]) -> Vec<KeyRange> {
    let mut parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).collect();
    parts.sort_by(|a, b| a.start.cmp(&b.start));
    let mut gaps = Vec::new();
    let mut next = whole.start.clone();
    for part in parts {
        let before = KeyRange { start: next.clone(), end: Some(part.start.clone()) };
        let gap = before.shared_with(whole);
        if !gap.is_empty() {
            gaps.push(gap);
        }
        match &part.end {
            None => return gaps,
            Some(end) => next = next.max(end.clone()),
        }
    }
    let rest = KeyRange { start: next, end: whole.end.clone() };
    if !rest.is_empty() {
        gaps.push(rest);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use types::KeyRange;

    use super::uncovered;

    fn range((start, end): (&'static str, &'static str)) -> KeyRange {
        let end = if end.is_empty() { None } else { Some(end.into()) };
        KeyRange { start: start.into(), end }
    }

    #[test]
    fn what_is_left_out_is_told() {
        type Ranges = &'static [(&'static str, &'static str)];
        let cases: [(Ranges, Ranges); 6] = [
            (&[], &[("", "")]),
            (&[("", "")], &[]),
            (&[("c", "e"), ("", "c"), ("e", "")], &[]),
            (&[("c", "e"), ("d", "g")], &[("", "c"), ("g", "")]),
            (&[("a", "z"), ("c", "e")], &[("", "a"), ("z", "")]),
            (&[("x", ""), ("", "b")], &[("b", "x")]),
        ];
        for (parts, gaps) in cases {
            let parts: Vec<_> = parts.iter().map(|it| range(*it)).collect();
            let gaps: Vec<_> = gaps.iter().map(|it| range(*it)).collect();
            assert_eq!(uncovered(&KeyRange::all(), &parts), gaps, "{parts:?}");
        }
        let whole = range(("d", "m"));
        assert_eq!(uncovered(&whole, &[range(("a", "e"))]), [range(("e", "m"))]);
        assert_eq!(uncovered(&whole, &[range(("n", ""))]), [whole]);
    }
}
