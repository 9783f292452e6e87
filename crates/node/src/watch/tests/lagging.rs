//! Readers that are slow, and history that goes away under them.

use std::sync::atomic::Ordering;

use types::{KeyRange, Revision};

use super::world::{REGION, TIGHT, World, Write, between, drain, single, watch};
use crate::watch::catch_up::Plan;
use crate::watch::stream::Item;
use crate::watch::{WatchControl, WatchCreate, WatchLimits, WatchMessage, WatchMessages};

/// The revisions of the events that come, per message.
fn revisions(messages: &mut WatchMessages, id: i64) -> Vec<i64> {
    let mut seen = Vec::new();
    while let Some(message) = messages.poll_blocking() {
        if let WatchMessage::Events { id: watch, events, .. } = message
            && watch == id
        {
            seen.extend(events.iter().map(|event| event.kv.mod_revision.0));
        }
    }
    seen
}

fn bounded(control: &WatchControl, limits: &WatchLimits) {
    let state = control.stream.state.lock();
    assert!(state.waiting_bytes() <= limits.queue_bytes, "{} bytes wait", state.waiting_bytes());
}

#[test]
fn a_slow_reader_is_bounded_and_misses_nothing() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(KeyRange::all(), 0)).unwrap();
    control.create(watch(single("a"), 0)).unwrap();
    let big = "x".repeat(300);
    for number in 0..100 {
        world.put(if number % 3 == 0 { "a" } else { "b" }, &big);
        bounded(&control, &TIGHT);
    }
    let mut other = Vec::new();
    let mut all = Vec::new();
    while let Some(message) = messages.poll_blocking() {
        if let WatchMessage::Events { id, events, .. } = message {
            let seen = if id == 0 { &mut all } else { &mut other };
            seen.extend(events.iter().map(|event| event.kv.mod_revision.0));
        }
        // Writes go on while the reader catches up.
        if all.len() % 10 == 9 && world.memory.events().len() < 150 {
            world.put("a", &big);
        }
    }
    let written = world.memory.events();
    let want: Vec<i64> = written.iter().map(|event| event.position.revision.0).collect();
    assert_eq!(all, want);
    let of_a = written.iter().filter(|event| event.kv.key == "a");
    assert_eq!(other, of_a.map(|event| event.position.revision.0).collect::<Vec<_>>());
    assert!(world.memory.pages.load(Ordering::Relaxed) > 0, "history was never needed");
}

#[test]
fn watches_that_are_behind_share_reads() {
    let world = World::new(WatchLimits { page_bytes: 1 << 20, ..TIGHT });
    for number in 0..20 {
        world.put(&format!("k{number:02}"), "x");
    }
    let (control, mut messages) = world.open();
    for number in 0..8 {
        control.create(watch(single(&format!("k{number:02}")), 1)).unwrap();
    }
    control.create(watch(between("k10", "k12"), 1)).unwrap();
    assert_eq!(drain(&mut messages).last().unwrap(), "8 up to 12: k10=x k11=x");
    assert_eq!(world.memory.pages.load(Ordering::Relaxed), 1);
}

#[test]
fn pages_that_find_nothing_still_move_on() {
    let world = World::over(TIGHT, 3);
    world.put("a", "1");
    for _ in 0..50 {
        world.put("b", "x");
    }
    world.put("a", "2");
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 1)).unwrap();
    assert_eq!(revisions(&mut messages, 0), [1, 52]);
}

#[test]
fn compaction_under_a_watch_that_is_behind_cancels_it() {
    let world = World::new(TIGHT);
    for _ in 0..30 {
        world.put("a", &"x".repeat(200));
    }
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 1)).unwrap();
    control.create(watch(single("a"), 20)).unwrap();
    control.create(watch(single("a"), 0)).unwrap();
    *world.memory.compact_under_way.lock() = Some(Revision(20));
    let lines = drain(&mut messages);
    assert!(lines.contains(&"0 canceled at 30: Compacted 20".into()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("1 up to 30")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("0 up to")), "{lines:?}");
    world.put("a", "live");
    assert_eq!(drain(&mut messages), ["1 up to 31: a=live", "2 up to 31: a=live"]);
}

#[test]
fn a_snapshot_sends_every_watch_to_history() {
    let world = World::new(TIGHT);
    world.put("a", "1");
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    control.create(watch(single("a"), 4)).unwrap();
    control.create(watch(single("a"), 6)).unwrap();
    world.put("a", "2");
    for value in ["3", "4"] {
        world.memory.apply(&[Write::Put("a", value)]);
    }
    world.hub.jump(REGION, Revision(4));
    world.put("a", "5");
    world.put("a", "6");
    let mut lines = drain(&mut messages).split_off(3);
    lines.sort();
    assert_eq!(
        lines,
        [
            "0 up to 2: a=2",
            "0 up to 5: a=3 a=4 a=5",
            "0 up to 6: a=6",
            "1 up to 6: a=4 a=5 a=6",
            "2 up to 6: a=6",
        ]
    );
}

#[test]
fn one_revision_larger_than_every_bound_comes_whole() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(KeyRange::all(), 0)).unwrap();
    let keys: Vec<String> = (0..40).map(|number| format!("k{number:02}")).collect();
    let writes: Vec<Write<'_>> = keys.iter().map(|key| Write::Put(key, "x")).collect();
    world.write(&writes);
    world.write(&writes);
    control.create(watch(KeyRange::all(), 1)).unwrap();
    let sizes: Vec<usize> = core::iter::from_fn(|| messages.poll_blocking())
        .filter_map(|message| match message {
            WatchMessage::Events { events, .. } => Some(events.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [40; 4]);
}

#[test]
fn the_records_before_survive_a_fall_behind() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(WatchCreate { prev_kv: true, ..watch(single("a"), 0) }).unwrap();
    for number in 0..40 {
        world.put("a", &number.to_string());
    }
    let mut before = Vec::new();
    while let Some(message) = messages.poll_blocking() {
        if let WatchMessage::Events { events, .. } = message {
            before.extend(
                events.iter().map(|event| event.prev_kv.as_ref().map(|kv| kv.value.clone())),
            );
        }
    }
    let want = (0..40_i32).map(|number| (number > 0).then(|| (number - 1).to_string().into()));
    assert_eq!(before, want.collect::<Vec<_>>());
}

#[test]
fn a_watch_made_while_history_is_read_does_not_join_that_read() {
    let world = World::new(TIGHT);
    world.put("a", "1");
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 1)).unwrap();
    drop(messages.ready());
    let plan = Plan::of(&control.region, &control.stream).unwrap();
    control.create(watch(single("a"), 1)).unwrap();
    let found = plan.run(&control.region).absorb(&control.region, &control.stream);
    let Some(Item::Events { ids, .. }) = found.first() else { panic!("{found:?}") };
    assert_eq!(**ids, [0], "1 was not even told that it exists");
    assert_eq!(drain(&mut messages), ["1 created at 1", "1 up to 1: a=1"]);
}

#[test]
fn a_watch_that_began_in_the_future_and_fell_behind_can_be_canceled() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 3)).unwrap();
    for value in ["1", "2", "3"] {
        world.memory.apply(&[Write::Put("a", value)]);
    }
    world.hub.jump(REGION, Revision(3));
    assert_eq!(drain(&mut messages), ["0 created at 0", "0 up to 3: a=3"]);
    control.cancel(0).unwrap();
    world.put("a", "4");
    assert_eq!(drain(&mut messages), ["0 canceled at 3: as asked"]);
}

#[test]
fn history_is_not_read_before_what_was_queued_is_with_the_reader() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    for _ in 0..20 {
        world.put("a", "x");
    }
    assert_eq!(control.stream.state.lock().lags.len(), 1);
    assert!(Plan::of(&control.region, &control.stream).is_none(), "older events are queued");
    drop(messages.ready());
    assert!(Plan::of(&control.region, &control.stream).is_some());
}
