//! Who is taken when, and with whom.

use std::time::Duration;

use bytes::Bytes;
use region::Committed;
use types::{Entry, Index, RegionId, Term};

use super::ToApplier;
use super::queue::{Part, Queues, Turn};

fn commits(region: u64, from: u64, count: u64) -> ToApplier {
    let entry = |index| Entry {
        term: Term(1),
        index: Index(index),
        data: Bytes::from_static(b"x"),
        ..Entry::default()
    };
    ToApplier::Committed(Committed {
        region: RegionId(region),
        term: Term(1),
        entries: (from..from + count).map(entry).collect(),
        waiting: Vec::new(),
        configurations: Vec::new(),
    })
}

fn push(queues: &Queues, region: u64, task: ToApplier) {
    queues.of(RegionId(region)).push(task);
}

/// The regions of a turn, and how many entries each has in it.
fn shape(turn: Option<&Turn>) -> Vec<(u64, usize)> {
    match turn {
        Some(Turn::Apply { parts, .. }) => {
            let entries = |part: &Part| part.commits.iter().map(|it| it.entries.len()).sum();
            parts.iter().map(|part| (part.region.get(), entries(part))).collect()
        }
        Some(Turn::Other { region, .. }) => vec![(region.get(), 0)],
        None => Vec::new(),
    }
}

/// The turn is over; each of its entries took `each`.
fn done(queues: &Queues, turn: Turn, each: Duration) {
    match turn {
        Turn::Apply { mut parts, alone } => {
            for part in &mut parts {
                let entries: usize = part.commits.iter().map(|it| it.entries.len()).sum();
                part.applied = (entries, each * u32::try_from(entries).unwrap());
                part.commits.clear();
            }
            queues.give_back(parts, alone);
        }
        Turn::Other { region, alone, .. } => {
            let part = Part { region, commits: Default::default(), applied: (0, Duration::ZERO) };
            queues.give_back(vec![part], alone);
        }
    }
}

const QUICK: Duration = Duration::from_micros(5);
const SLOW: Duration = Duration::from_millis(50);

fn queues(workers: usize) -> Queues {
    let queues = Queues::default();
    for _ in 0..workers {
        queues.enlist();
    }
    queues
}

#[test]
fn quick_regions_go_together_each_in_order_and_with_one_worker_at_a_time() {
    let queues = queues(2);
    for region in 2..5 {
        push(&queues, region, commits(region, 1, 3));
    }
    push(&queues, 2, commits(2, 4, 2));
    push(&queues, 2, ToApplier::Export);
    push(&queues, 2, commits(2, 6, 1));
    let first = queues.try_take().unwrap();
    assert_eq!(shape(Some(&first)), [(2, 5), (3, 3), (4, 3)], "up to what is no entry");
    push(&queues, 3, commits(3, 4, 1));
    push(&queues, 5, commits(5, 1, 1));
    let second = queues.try_take();
    assert_eq!(shape(second.as_ref()), [(5, 1)], "what a worker has nobody else takes");
    assert_eq!(shape(queues.try_take().as_ref()), []);
    done(&queues, first, QUICK);
    let export = queues.try_take().unwrap();
    assert!(matches!(export, Turn::Other { task: ToApplier::Export, alone: false, .. }));
    assert_eq!(shape(queues.try_take().as_ref()), [(3, 1)]);
    done(&queues, export, QUICK);
    assert_eq!(shape(queues.try_take().as_ref()), [(2, 1)]);
}

#[test]
fn a_large_backlog_is_taken_in_pieces_and_others_come_between() {
    let queues = queues(2);
    for batch in 0..10 {
        push(&queues, 2, commits(2, batch * 600 + 1, 600));
    }
    push(&queues, 3, commits(3, 1, 1));
    let first = queues.try_take().unwrap();
    assert_eq!(shape(Some(&first)), [(2, 1200)]);
    done(&queues, first, QUICK);
    assert_eq!(shape(queues.try_take().as_ref()), [(3, 1), (2, 1200)]);
}

#[test]
fn what_is_left_of_a_turn_comes_first_at_the_next() {
    let queues = queues(2);
    push(&queues, 2, commits(2, 1, 9));
    push(&queues, 2, commits(2, 10, 1));
    let Some(Turn::Apply { mut parts, alone }) = queues.try_take() else { panic!() };
    // Seven were applied, then the time was up.
    parts[0].commits[0].entries.drain(..7);
    queues.give_back(parts, alone);
    let Some(Turn::Apply { parts, .. }) = queues.try_take() else { panic!() };
    let entries = parts[0].commits.iter().flat_map(|it| &it.entries);
    assert_eq!(entries.map(|entry| entry.index.get()).collect::<Vec<_>>(), [8, 9, 10]);
}

#[test]
fn slow_regions_are_taken_alone_and_never_by_the_last_worker() {
    let queues = queues(2);
    // One of others, and one of ours that turned out slow.
    queues.of(RegionId(7)).set_foreign();
    push(&queues, 8, commits(8, 1, 2));
    let turn = queues.try_take().unwrap();
    done(&queues, turn, SLOW);
    for region in [7, 8, 9] {
        push(&queues, region, commits(region, 3, 2));
    }
    let slow = queues.try_take().unwrap();
    assert_eq!(shape(Some(&slow)), [(7, 2)]);
    assert_eq!(shape(queues.try_take().as_ref()), [(9, 2)], "the other slow one waits");
    push(&queues, 10, commits(10, 1, 1));
    assert_eq!(shape(queues.try_take().as_ref()), [(10, 1)], "and quick ones go on and on");
    // Help comes when none of the slow got on from one look to the next.
    assert!(queues.is_stuck());
    queues.enlist();
    assert_eq!(shape(queues.try_take().as_ref()), [(8, 2)]);
    done(&queues, slow, QUICK);
    assert!(!queues.is_stuck());
}

#[test]
fn a_slow_region_that_is_quick_again_goes_with_the_others() {
    let queues = queues(2);
    push(&queues, 2, commits(2, 1, 1));
    let turn = queues.try_take().unwrap();
    done(&queues, turn, SLOW);
    let mut turns = 0;
    loop {
        push(&queues, 2, commits(2, 1, 1));
        let turn = queues.try_take().unwrap();
        let alone = matches!(turn, Turn::Apply { alone: true, .. });
        done(&queues, turn, QUICK);
        if !alone {
            break;
        }
        turns += 1;
        assert!(turns < 50, "it stays slow for ever");
    }
    assert!(turns > 2, "one quick command does not make it quick");
}

#[test]
fn one_worker_alone_takes_slow_and_quick_in_turns() {
    let queues = queues(1);
    queues.of(RegionId(7)).set_foreign();
    for round in 0..3 {
        push(&queues, 7, commits(7, round + 1, 1200));
        push(&queues, 2, commits(2, round + 1, 1200));
    }
    let mut order = Vec::new();
    for _ in 0..6 {
        let turn = queues.try_take().unwrap();
        order.push(shape(Some(&turn))[0].0);
        done(&queues, turn, QUICK);
    }
    assert_eq!(order, [7, 2, 7, 2, 7, 2]);
}

#[test]
fn a_worker_that_fails_with_a_slow_region_leaves_nobody_waiting() {
    let queues = queues(2);
    for region in [7, 8] {
        queues.of(RegionId(region)).set_foreign();
        push(&queues, region, commits(region, 1, 1));
    }
    let failed = queues.try_take();
    assert_eq!(shape(failed.as_ref()), [(7, 1)]);
    assert_eq!(shape(queues.try_take().as_ref()), [], "the other slow one waits for it");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| queues.take().is_none());
        queues.abandon();
        assert!(waits.join().unwrap(), "it ends, and takes nothing more");
    });
    push(&queues, 9, commits(9, 1, 1));
    assert!(queues.take().is_none());
}
