use super::linear::{Action, Operation, Seen, Verdict, check};

/// SplitMix64, so that a seed names one run for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn operation(client: u64, start: u64, end: u64, action: Action, seen: Seen) -> Operation {
    Operation { client, start, end, action, seen }
}

#[test]
fn concurrent_answers_may_come_in_any_order_that_explains_them() {
    let history = [
        operation(1, 1, 6, Action::Put(1), Seen::Value(Some(2))),
        operation(2, 2, 5, Action::Put(2), Seen::Value(None)),
        operation(3, 3, 4, Action::Get, Seen::Value(None)),
        operation(3, 7, 8, Action::Get, Seen::Value(Some(1))),
    ];
    assert_eq!(check(&history), Verdict::Linearizable);
}

#[test]
fn a_stale_read_is_found() {
    let history = [
        operation(1, 1, 2, Action::Put(1), Seen::Value(None)),
        operation(1, 3, 4, Action::Put(2), Seen::Value(Some(1))),
        operation(2, 5, 6, Action::Get, Seen::Value(Some(1))),
    ];
    assert_eq!(check(&history), Verdict::Broken(2));
}

#[test]
fn a_value_that_was_seen_does_not_go_away_again() {
    let unanswered = operation(1, 1, u64::MAX, Action::Put(1), Seen::Nothing);
    let seen = operation(2, 2, 3, Action::Get, Seen::Value(Some(1)));
    let gone = operation(2, 4, 5, Action::Get, Seen::Value(None));
    assert_eq!(check(&[unanswered, gone, seen]), Verdict::Broken(1));
    let before = operation(2, 2, 3, Action::Get, Seen::Value(None));
    let after = operation(2, 4, 5, Action::Get, Seen::Value(Some(1)));
    assert_eq!(check(&[unanswered, before, after]), Verdict::Linearizable);
}

#[test]
fn what_can_no_longer_happen_does_not() {
    let dead = operation(1, 1, 4, Action::Put(1), Seen::Nothing);
    let before = operation(2, 2, 3, Action::Get, Seen::Value(None));
    let after = operation(2, 5, 6, Action::Get, Seen::Value(None));
    let late = operation(2, 7, 8, Action::Get, Seen::Value(Some(1)));
    assert_eq!(check(&[dead, before, after, late]), Verdict::Broken(3));
}

#[test]
fn two_swaps_of_one_value_cannot_both_win() {
    let swap = |new| Action::Swap { expect: None, new };
    let first = operation(1, 1, 5, swap(1), Seen::Swapped);
    let second = operation(2, 2, 6, swap(2), Seen::Swapped);
    assert_eq!(check(&[first, second]), Verdict::Broken(1));
    let second = operation(2, 2, 6, swap(2), Seen::Kept(Some(1)));
    assert_eq!(check(&[first, second]), Verdict::Linearizable);
}

/// Runs of a real register, with questions early and answers late, are linearizable; with one answer
/// falsified they are not.
#[test]
fn random_histories_of_a_register_pass_and_their_forgeries_fail() {
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut value = None;
        let mut history = Vec::new();
        for number in 1..=60_u64 {
            let effect = number * 1_000;
            let action = if random.below(2) == 0 { Action::Put(number) } else { Action::Get };
            let start = effect - 2 * random.below(450) - 1;
            let end = effect + 2 * random.below(2_000) + 2;
            history.push(operation(number, start, end, action, Seen::Value(value)));
            if let Action::Put(new) = action {
                value = Some(new);
            }
        }
        assert_eq!(check(&history), Verdict::Linearizable, "seed {seed}");
        let victim = usize::try_from(random.below(60)).unwrap();
        history[victim].seen = Seen::Value(Some(1_000_000));
        assert!(matches!(check(&history), Verdict::Broken(_)), "seed {seed}: a value nobody wrote");
    }
}
