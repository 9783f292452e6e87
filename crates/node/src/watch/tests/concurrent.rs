//! Real threads: a publisher that never waits, readers that do.

use std::sync::Arc;

use types::{KeyRange, Revision};

use super::world::{TIGHT, World, Write, between, single, watch};
use crate::watch::{WatchCreate, WatchLimits, WatchMessage};

const WRITES: i64 = 3_000;

/// Reads until `last` was seen; answers the revisions.
async fn read(world: Arc<World>, create: WatchCreate, last: i64, slow: usize) -> Vec<i64> {
    let (control, mut messages) = world.open();
    control.create(create).unwrap();
    let mut seen = Vec::new();
    let mut heard = 0;
    while seen.last() != Some(&last) {
        heard += 1;
        if slow > 0 && heard % slow == 0 {
            tokio::task::yield_now().await;
        }
        match messages.next().await.expect("the stream goes on") {
            WatchMessage::Events { events, .. } => {
                seen.extend(events.iter().map(|event| event.kv.mod_revision.0));
            }
            WatchMessage::Canceled { fault, .. } => panic!("canceled: {fault:?}"),
            WatchMessage::Created { .. } | WatchMessage::Progress { .. } => {}
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_every_speed_get_everything_in_order() {
    let limits = WatchLimits { queue_bytes: 20_000, page_bytes: 20_000, ..TIGHT };
    let world = Arc::new(World::new(limits));
    for _ in 0..100 {
        world.put("a", "before");
    }
    let mut readers = Vec::new();
    for number in 0..12 {
        let range = match number % 3 {
            0 => single("a"),
            1 => between("a", "b"),
            _ => KeyRange::all(),
        };
        let create = WatchCreate { prev_kv: number % 4 == 0, ..watch(range, 1 + number) };
        let read = read(world.clone(), create, 100 + WRITES, number.cast_unsigned() as usize);
        readers.push((1 + number, tokio::spawn(read)));
    }
    let publisher = {
        let world = world.clone();
        std::thread::spawn(move || {
            let mut revision = 100;
            while revision < 100 + WRITES {
                // Several revisions per publish, as an applier does.
                let mut events = Vec::new();
                for _ in 0..(1 + revision % 4).min(100 + WRITES - revision) {
                    let (at, written) = world.memory.apply(&[Write::Put("a", "live")]);
                    revision = at.0;
                    events.extend(written);
                }
                world.hub.publish(super::world::REGION, Revision(revision), &events);
            }
        })
    };
    for (start, reader) in readers {
        assert_eq!(reader.await.unwrap(), (start..=100 + WRITES).collect::<Vec<_>>());
    }
    publisher.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_is_behind_catches_up_while_another_is_busy() {
    let world = Arc::new(World::new(TIGHT));
    for _ in 0..200 {
        world.put("old", &"x".repeat(100));
    }
    let (control, mut messages) = world.open();
    control.create(watch(single("busy"), 0)).unwrap();
    control.create(watch(single("old"), 1)).unwrap();
    let (mut old, mut busy) = (0, 0);
    while old < 200 {
        // The queue is never empty.
        world.put("busy", "x");
        world.put("busy", "x");
        match messages.next().await.expect("the stream goes on") {
            WatchMessage::Events { id: 0, events, .. } => busy += events.len(),
            WatchMessage::Events { events, .. } => old += events.len(),
            _ => {}
        }
        assert!(busy < 100_000, "starved with {old} of 200");
    }
}

#[tokio::test]
async fn dropping_a_wait_loses_nothing() {
    let world = World::new(TIGHT);
    for _ in 0..40 {
        world.put("a", &"x".repeat(200));
    }
    let (control, mut messages) = world.open();
    control.create(WatchCreate { prev_kv: true, ..watch(single("a"), 1) }).unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&40) {
        // Dropped at its first wait, over and over, whatever is under way.
        let message = tokio::select! {
            biased;
            message = messages.next() => message,
            () = tokio::task::yield_now() => continue,
        };
        if let Some(WatchMessage::Events { events, .. }) = message {
            seen.extend(events.iter().map(|event| event.kv.mod_revision.0));
        }
    }
    assert_eq!(seen, (1..=40).collect::<Vec<_>>());
}
