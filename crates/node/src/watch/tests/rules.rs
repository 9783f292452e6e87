//! The order of messages, ids, starts, filters, and how watches end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use types::{Code, Fault, KeyRange, Revision};

use super::world::{REGION, TIGHT, World, Write, between, drain, single, watch};
use crate::watch::{WatchCreate, WatchMessage};

#[test]
fn a_watch_is_created_first_and_gets_whole_revisions_of_its_keys() {
    let world = World::new(TIGHT);
    world.put("a", "0");
    let (control, mut messages) = world.open();
    control.create(watch(between("a", "c"), 0)).unwrap();
    control.create(watch(single("c"), 0)).unwrap();
    world.write(&[Write::Put("a", "1"), Write::Put("c", "1"), Write::Put("b", "1")]);
    world.write(&[Write::Put("d", "1")]);
    world.write(&[Write::Delete("a")]);
    assert_eq!(
        drain(&mut messages),
        [
            "0 created at 1",
            "1 created at 1",
            "0 up to 2: a=1 b=1",
            "1 up to 2: c=1",
            "0 up to 4: -a",
        ]
    );
}

#[test]
fn several_revisions_come_together_unless_they_are_too_many_bytes() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(KeyRange::all(), 0)).unwrap();
    let (_, mut events) = world.memory.apply(&[Write::Put("a", "1")]);
    events.extend(world.memory.apply(&[Write::Put("b", "2")]).1);
    // Four events of about 260 bytes each: a revision over the bound of 1,000 stays whole.
    events.extend(world.memory.apply(&["c", "d", "e", "f"].map(|key| Write::Put(key, "3"))).1);
    let (revision, last) = world.memory.apply(&[Write::Put("g", "4")]);
    events.extend(last);
    world.hub.publish(REGION, revision, &events);
    assert_eq!(
        drain(&mut messages),
        ["0 created at 0", "0 up to 2: a=1 b=2", "0 up to 3: c=3 d=3 e=3 f=3", "0 up to 4: g=4",]
    );
}

#[test]
fn watches_of_the_same_keys_share_their_events_and_the_encoded_form() {
    let world = World::new(TIGHT);
    let (one, mut ones) = world.open();
    let (other, mut others) = world.open();
    one.create(watch(single("a"), 0)).unwrap();
    one.create(watch(single("a"), 0)).unwrap();
    other.create(watch(single("a"), 0)).unwrap();
    world.put("a", "1");
    let mut shared = Vec::new();
    for messages in [&mut ones, &mut others] {
        while let Some(message) = messages.poll_blocking() {
            if let WatchMessage::Events { events, .. } = message {
                shared.push(events);
            }
        }
    }
    assert_eq!(shared.len(), 3);
    assert!(shared.iter().all(|events| Arc::ptr_eq(events, &shared[0])));
    let first = shared[0].encoded(|events| events[0].kv.value.clone());
    let again = shared[2].encoded(|_| unreachable!("encoded twice"));
    assert_eq!((first, again), ("1".into(), "1".into()));
}

#[test]
fn ids_are_unique_on_a_stream_and_free_again_after_the_end() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    let with_id = |id| WatchCreate { id, ..watch(single("a"), 0) };
    for id in [Some(1), None, None, Some(1), Some(-1)] {
        control.create(with_id(id)).unwrap();
    }
    control.cancel(1).unwrap();
    control.cancel(9).unwrap();
    control.create(with_id(Some(1))).unwrap();
    world.put("a", "1");
    assert_eq!(
        drain(&mut messages),
        [
            "1 created at 0",
            "0 created at 0",
            "2 created at 0",
            "-1 canceled at 0: DuplicateWatch",
            "-1 canceled at 0: InvalidArgument",
            "1 canceled at 0: as asked",
            "1 created at 0",
            "0 up to 1: a=1",
            "1 up to 1: a=1",
            "2 up to 1: a=1",
        ]
    );
}

#[test]
fn an_empty_range_is_refused() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(between("b", "b"), 0)).unwrap();
    assert_eq!(drain(&mut messages), ["-1 canceled at 0: EmptyWatchRange"]);
}

#[test]
fn a_start_below_the_compacted_revision_is_refused_and_at_it_is_not() {
    let world = World::new(TIGHT);
    for value in ["1", "2", "3"] {
        world.put("a", value);
    }
    world.memory.compact(Revision(2));
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 1)).unwrap();
    control.create(watch(single("a"), 2)).unwrap();
    assert_eq!(
        drain(&mut messages),
        ["0 created at 3", "0 canceled at 3: Compacted 2", "1 created at 3", "1 up to 3: a=2 a=3",]
    );
}

#[test]
fn a_future_start_gets_nothing_older() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 4)).unwrap();
    control.create(watch(single("a"), 1)).unwrap();
    control.create(watch(single("a"), 3)).unwrap();
    world.put("a", "1");
    // The start lies inside one publish.
    let (_, mut events) = world.memory.apply(&[Write::Put("a", "2")]);
    events.extend(world.memory.apply(&[Write::Put("a", "3")]).1);
    world.hub.publish(REGION, Revision(3), &events);
    world.put("a", "4");
    control.cancel(2).unwrap();
    world.put("a", "5");
    assert_eq!(
        drain(&mut messages),
        [
            "0 created at 0",
            "1 created at 0",
            "2 created at 0",
            "1 up to 1: a=1",
            "1 up to 3: a=2 a=3",
            "2 up to 3: a=3",
            "1 up to 4: a=4",
            "2 up to 4: a=4",
            "0 up to 4: a=4",
            "2 canceled at 4: as asked",
            "1 up to 5: a=5",
            "0 up to 5: a=5",
        ]
    );
}

#[test]
fn an_old_start_is_read_from_history_and_goes_on_live() {
    let world = World::new(TIGHT);
    for number in 0..10 {
        world.write(&[Write::Put("a", &number.to_string()), Write::Put("b", "x")]);
    }
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 9)).unwrap();
    world.put("a", "live");
    assert_eq!(drain(&mut messages), ["0 created at 10", "0 up to 11: a=8 a=9 a=live"]);
    world.put("a", "more");
    let pages = world.memory.pages.load(Ordering::Relaxed);
    assert_eq!(drain(&mut messages), ["0 up to 12: a=more"]);
    assert_eq!(world.memory.pages.load(Ordering::Relaxed), pages, "live events need no history");
}

#[test]
fn a_stream_opened_between_apply_and_publish_gets_every_revision_once() {
    let world = World::new(TIGHT);
    let (revision, events) = world.memory.apply(&[Write::Put("a", "1")]);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    control.create(watch(single("a"), 1)).unwrap();
    world.hub.publish(REGION, revision, &events);
    world.put("a", "2");
    assert_eq!(
        drain(&mut messages),
        ["0 created at 1", "1 created at 1", "0 up to 2: a=2", "1 up to 2: a=1 a=2",]
    );
}

#[test]
fn filters_leave_out_and_records_before_are_read_only_for_who_asks() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    control.create(WatchCreate { no_put: true, ..watch(single("a"), 0) }).unwrap();
    control.create(WatchCreate { no_delete: true, ..watch(single("a"), 0) }).unwrap();
    world.put("a", "1");
    world.write(&[Write::Delete("a")]);
    assert_eq!(
        drain(&mut messages)[3..],
        ["0 up to 1: a=1", "2 up to 1: a=1", "0 up to 2: -a", "1 up to 2: -a",]
    );
    assert_eq!(world.memory.records.load(Ordering::Relaxed), 0);

    // From history, with what was before; the oldest record before is compacted.
    world.put("a", "3");
    world.put("a", "4");
    let with_before = || WatchCreate { prev_kv: true, ..watch(single("a"), 4) };
    control.create(with_before()).unwrap();
    world.put("a", "5");
    assert_eq!(drain(&mut messages).last().unwrap(), "3 up to 5: a=4<3 a=5<4");
    world.memory.compact(Revision(4));
    control.create(with_before()).unwrap();
    assert_eq!(drain(&mut messages).last().unwrap(), "4 up to 5: a=4 a=5<4");

    // Live, on two streams: read once.
    let (other, mut others) = world.open();
    other.create(WatchCreate { start: Revision(0), ..with_before() }).unwrap();
    let records = world.memory.records.load(Ordering::Relaxed);
    world.write(&[Write::Delete("a")]);
    assert!(drain(&mut messages).contains(&"3 up to 6: -a<5".into()));
    assert_eq!(drain(&mut others).last().unwrap(), "0 up to 6: -a<5");
    assert_eq!(world.memory.records.load(Ordering::Relaxed), records + 1);
}

#[test]
fn nothing_comes_after_a_cancel() {
    let world = World::new(TIGHT);
    world.put("a", "1");
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    control.create(watch(single("a"), 1)).unwrap();
    world.put("a", "2");
    control.cancel(0).unwrap();
    control.cancel(1).unwrap();
    world.put("a", "3");
    assert_eq!(
        drain(&mut messages),
        [
            "0 created at 1",
            "1 created at 1",
            "0 up to 2: a=2",
            "0 canceled at 2: as asked",
            "1 canceled at 2: as asked",
        ]
    );
}

#[test]
fn events_of_other_keys_do_not_touch_a_stream() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    control.create(watch(between("m", "n"), 0)).unwrap();
    drain(&mut messages);
    for key in ["b", "a\0", "l", "n", ""] {
        world.put(key, "x");
        assert_eq!(control.stream.state.lock().queued(), 2, "woken for {key:?}");
    }
    world.put("a", "x");
    assert_eq!(control.stream.state.lock().queued(), 3);
}

#[test]
fn orders_and_watches_are_bounded() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    let code = |fault: Result<(), Fault>| fault.map_err(|fault| fault.code);
    for _ in 0..4 {
        for _ in 0..16 {
            control.create(watch(single("a"), 0)).unwrap();
        }
        assert_eq!(code(control.cancel(0)), Err(Code::LimitReached), "16 answers wait");
        drain(&mut messages);
    }
    assert_eq!(code(control.create(watch(single("a"), 0))), Err(Code::LimitReached));
    control.cancel(0).unwrap();
    control.create(watch(single("a"), 0)).unwrap();

    let streams: Vec<_> = (1..64).map(|_| world.open()).collect();
    assert_eq!(world.hub.open(REGION).err().unwrap().code, Code::LimitReached);
    drop(streams);
    world.open();
}

#[test]
fn a_closed_region_and_a_shutdown_end_every_watch() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    world.hub.close_region(REGION, &Code::RegionNotFound.into());
    assert_eq!(drain(&mut messages), ["0 created at 0", "0 canceled at 0: RegionNotFound"]);
    let refused = control.create(watch(single("a"), 0)).unwrap_err();
    assert_eq!(refused.code, Code::RegionNotFound);

    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    world.hub.shutdown();
    assert_eq!(drain(&mut messages), ["0 created at 0", "0 canceled at 0: ShuttingDown"]);
    assert_eq!(world.hub.open(REGION).err().unwrap().code, Code::ShuttingDown);
}

#[tokio::test]
async fn dropping_the_control_ends_the_stream_after_what_is_queued() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    world.put("a", "1");
    drop(control);
    world.put("a", "2");
    assert!(matches!(messages.next().await, Some(WatchMessage::Created { .. })));
    let Some(WatchMessage::Events { revision, .. }) = messages.next().await else { panic!() };
    assert_eq!(revision, Revision(1));
    assert_eq!(messages.next().await, None);
}
