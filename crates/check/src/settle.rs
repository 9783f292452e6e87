//! What a history itself tells about its unanswered writes.

use std::collections::BTreeMap;

use crate::{Action, Operation, Seen};

/// Leaves out what says nothing and bounds what is known to have happened, so that many unanswered
/// operations do not make a history too wide to decide. The verdict stays the same:
///
/// - An unanswered get says nothing.
/// - An unanswered write whose value somebody saw was carried out before that answer came.
/// - One whose value nobody saw can be taken out of any order that explains the answers: whatever
///   came next in it was an unanswered write, too.
///
/// Sound only where every put and swap of a history writes a value of its own and every answered
/// operation tells the value it found. Deletes are kept as they are.
#[must_use]
pub fn settle(history: &[Operation]) -> Vec<Operation> {
    let first_seen = first_seen(history);
    let settled = history.iter().filter_map(|operation| {
        let written = match operation.action {
            _ if operation.seen != Seen::Nothing => return Some(*operation),
            Action::Get => return None,
            Action::Delete => return Some(*operation),
            Action::Put(new) | Action::Swap { new, .. } => new,
        };
        let seen = *first_seen.get(&written)?;
        // Seen before it was asked for: a wrong history, and the checker shall say so.
        let end = if seen > operation.start { seen.min(operation.end) } else { operation.end };
        Some(Operation { end, ..*operation })
    });
    settled.collect()
}

/// For each value somebody saw, when the first such answer came.
fn first_seen(history: &[Operation]) -> BTreeMap<u64, u64> {
    let mut first = BTreeMap::new();
    let note = |first: &mut BTreeMap<u64, u64>, value: Option<u64>, end: u64| {
        let Some(value) = value else { return };
        let earliest = first.entry(value).or_insert(u64::MAX);
        *earliest = end.min(*earliest);
    };
    for operation in history {
        match (operation.seen, operation.action) {
            (Seen::Value(found) | Seen::Kept(found), _) => note(&mut first, found, operation.end),
            (Seen::Swapped, Action::Swap { expect, .. }) => {
                note(&mut first, expect, operation.end);
            }
            _ => {}
        }
    }
    // Who saw what an unanswered swap wrote knows that the swap saw what it expected.
    let mut todo: Vec<u64> = first.keys().copied().collect();
    while let Some(value) = todo.pop() {
        let end = first.get(&value).copied().unwrap_or(u64::MAX);
        for operation in history.iter().filter(|operation| operation.seen == Seen::Nothing) {
            if let Action::Swap { expect: Some(expect), new } = operation.action
                && new == value
                && first.get(&expect).is_none_or(|known| *known > end)
            {
                note(&mut first, Some(expect), end);
                todo.push(expect);
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::settle;
    use crate::{Action, Operation, Seen, Verdict, check};

    fn operation(start: u64, end: u64, action: Action, seen: Seen) -> Operation {
        Operation { client: start, start, end, action, seen }
    }

    const NEVER: u64 = u64::MAX;

    #[test]
    fn a_history_with_many_unanswered_writes_can_be_decided() {
        let mut history: Vec<Operation> =
            (1..=100).map(|at| operation(at, NEVER, Action::Put(at), Seen::Nothing)).collect();
        history.push(operation(200, 201, Action::Get, Seen::Value(Some(7))));
        history.push(operation(202, 203, Action::Get, Seen::Value(Some(9))));
        assert_eq!(check(&history), Verdict::Undecided);
        assert_eq!(check(&settle(&history)), Verdict::Linearizable);
        history.push(operation(204, 205, Action::Get, Seen::Value(Some(7))));
        assert!(matches!(check(&settle(&history)), Verdict::Broken(_)), "7 came a second time");
    }

    #[test]
    fn a_value_seen_before_it_was_written_stays_wrong() {
        let history = [
            operation(1, 2, Action::Get, Seen::Value(Some(5))),
            operation(3, NEVER, Action::Put(5), Seen::Nothing),
        ];
        assert!(matches!(check(&settle(&history)), Verdict::Broken(0)));
    }

    #[test]
    fn the_verdict_of_small_histories_is_not_changed() {
        let writes = [Action::Put(1), Action::Swap { expect: Some(1), new: 2 }];
        for seen in 0..27 {
            let value = |digit: u64| Seen::Value([None, Some(1), Some(2)][digit as usize % 3]);
            let history = [
                operation(1, NEVER, writes[0], Seen::Nothing),
                operation(2, NEVER, writes[1], Seen::Nothing),
                operation(3, 5, Action::Get, value(seen)),
                operation(4, 7, Action::Get, value(seen / 3)),
                operation(6, 8, Action::Get, value(seen / 9)),
            ];
            let plain = check(&history) == Verdict::Linearizable;
            let settled = check(&settle(&history)) == Verdict::Linearizable;
            assert_eq!(plain, settled, "{history:?}");
        }
    }
}
