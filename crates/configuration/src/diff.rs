//! What differs between two texts, line by line, in the unified format that `diff -u` and `patch` speak.

use std::fmt::Write;

use crate::limits::DIFF_EDITS;

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Same,
    Gone,
    Come,
}

/// The difference between two texts under these names; empty if there is none. Where they differ very much
/// it is one, but not the smallest.
#[must_use]
pub fn unified(before: (&str, &str), after: (&str, &str)) -> String {
    let (old, new) = (lines(before.1), lines(after.1));
    let steps = steps(&old, &new);
    let mut out = String::new();
    if steps.iter().all(|step| *step == Step::Same) {
        return out;
    }
    // Writing into a string cannot fail.
    let _ = writeln!(out, "--- {}\n+++ {}", before.0, after.0);
    let (mut at, mut a, mut b) = (0, 0, 0);
    for (first, end) in hunks(&steps) {
        while at < first {
            (at, a, b) = (at + 1, a + 1, b + 1);
        }
        let count = |not: Step| steps[first..end].iter().filter(|step| **step != not).count();
        let (olds, news) = (count(Step::Come), count(Step::Gone));
        let start = |at: usize, lines: usize| if lines == 0 { at } else { at + 1 };
        let _ = writeln!(out, "@@ -{},{olds} +{},{news} @@", start(a, olds), start(b, news));
        for step in &steps[first..end] {
            let (sign, line) = match step {
                Step::Same => (' ', old[a]),
                Step::Gone => ('-', old[a]),
                Step::Come => ('+', new[b]),
            };
            a += usize::from(*step != Step::Come);
            b += usize::from(*step != Step::Gone);
            out.push(sign);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
        at = end;
    }
    out
}

/// Lines with their ends.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Where changes are, with what is around them: from, up to and without.
fn hunks(steps: &[Step]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (at, _) in steps.iter().enumerate().filter(|(_, step)| **step != Step::Same) {
        let (first, end) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(steps.len()));
        match hunks.last_mut() {
            Some((_, last)) if first <= *last => *last = end,
            _ => hunks.push((first, end)),
        }
    }
    hunks
}

/// How one becomes the other.
fn steps(old: &[&str], new: &[&str]) -> Vec<Step> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let old_middle = &old_rest[..old_rest.len() - tail];
    let new_middle = &new_rest[..new_rest.len() - tail];
    let mut steps = vec![Step::Same; head];
    match shortest(old_middle, new_middle) {
        Some(middle) => steps.extend(middle),
        None => {
            steps.extend(std::iter::repeat_n(Step::Gone, old_middle.len()));
            steps.extend(std::iter::repeat_n(Step::Come, new_middle.len()));
        }
    }
    steps.extend(std::iter::repeat_n(Step::Same, tail));
    steps
}

/// The shortest way (E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986); `None` where it is
/// too long to be looked for.
fn shortest(old: &[&str], new: &[&str]) -> Option<Vec<Step>> {
    let most = (old.len() + new.len()).min(DIFF_EDITS);
    // On diagonal `k`, which is kept at `k + most + 1`, the furthest place reached in `old`.
    let mut furthest = vec![0_usize; 2 * most + 3];
    let mut trace: Vec<Vec<usize>> = Vec::new();
    let place = |k: isize| (k + most as isize + 1) as usize;
    for edits in 0..=most as isize {
        // What the way back asks for: the diagonals that were reached with fewer.
        trace.push(furthest[place(-edits)..=place(edits)].to_vec());
        for k in (-edits..=edits).step_by(2) {
            let down =
                k == -edits || (k != edits && furthest[place(k - 1)] < furthest[place(k + 1)]);
            let mut x = if down { furthest[place(k + 1)] } else { furthest[place(k - 1)] + 1 };
            let mut y = (x as isize - k) as usize;
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            furthest[place(k)] = x;
            if x >= old.len() && y >= new.len() {
                return Some(way_back(&trace, old.len(), new.len()));
            }
        }
    }
    None
}

fn way_back(trace: &[Vec<usize>], old: usize, new: usize) -> Vec<Step> {
    let (mut x, mut y) = (old as isize, new as isize);
    let mut steps = Vec::new();
    for (edits, furthest) in trace.iter().enumerate().rev() {
        let edits = edits as isize;
        let at = |k: isize| furthest.get((k + edits) as usize).map_or(0, |x| *x as isize);
        let k = x - y;
        let down = k == -edits || (k != edits && at(k - 1) < at(k + 1));
        let before_k = if down { k + 1 } else { k - 1 };
        let before_x = if edits == 0 { 0 } else { at(before_k) };
        let before_y = before_x - before_k;
        while x > before_x && y > before_y && x > 0 && y > 0 {
            steps.push(Step::Same);
            (x, y) = (x - 1, y - 1);
        }
        if edits > 0 {
            steps.push(if down { Step::Come } else { Step::Gone });
            (x, y) = (before_x, before_y);
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Step, lines, steps, unified};

    #[test]
    fn it_reads_like_diff() {
        let before = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let after = "a\nb\nx\nd\ne\nf\ng\nh\nlast";
        let expected = "--- 1\n+++ 2\n@@ -1,8 +1,9 @@\n a\n b\n-c\n+x\n d\n e\n f\n g\n h\n+last\n\
                        \\ No newline at end of file\n";
        assert_eq!(unified(("1", before), ("2", after)), expected);
        assert_eq!(unified(("1", before), ("2", before)), "");
        assert_eq!(unified(("1", ""), ("2", "a\n")), "--- 1\n+++ 2\n@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(unified(("1", "a\n"), ("2", "")), "--- 1\n+++ 2\n@@ -1,1 +0,0 @@\n-a\n");
    }

    #[test]
    fn far_apart_is_told_as_well() {
        let text =
            |from: u32| (from..from + 30_000).map(|at| format!("{at}\n")).collect::<String>();
        let (one, other) = (text(0), text(100_000));
        assert_eq!(unified(("1", &one), ("2", &other)).lines().count(), 60_003);
    }

    proptest! {
        /// Whoever takes the steps has the other text, and no step is one too many.
        #[test]
        fn the_steps_lead_from_one_to_the_other(
            old in prop::collection::vec("[a-d]\n", 0..40), new in prop::collection::vec("[a-d]\n", 0..40),
        ) {
            let (old, new) = (old.concat(), new.concat());
            let (old, new) = (lines(&old), lines(&new));
            let (mut a, mut b) = (0, 0);
            let mut made = Vec::new();
            let mut edits = 0;
            for step in steps(&old, &new) {
                match step {
                    Step::Same => {
                        prop_assert_eq!(old[a], new[b]);
                        made.push(old[a]);
                        (a, b) = (a + 1, b + 1);
                    }
                    Step::Gone => { a += 1; edits += 1; }
                    Step::Come => { made.push(new[b]); b += 1; edits += 1; }
                }
            }
            prop_assert_eq!(a, old.len());
            prop_assert_eq!(&made, &new);
            // The longest common part, the slow way.
            let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
            for i in 0..old.len() {
                for j in 0..new.len() {
                    common[i + 1][j + 1] = if old[i] == new[j] { common[i][j] + 1 }
                        else { common[i][j + 1].max(common[i + 1][j]) };
                }
            }
            prop_assert_eq!(edits, old.len() + new.len() - 2 * common[old.len()][new.len()]);
        }
    }
}
