//! What is promised about how far a watch is.

use core::time::Duration;

use env::Moment;

use super::world::{TIGHT, World, drain, line, single, watch};
use crate::watch::WatchCreate;

fn at(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

#[test]
fn asked_for_progress_comes_behind_what_is_due() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 0)).unwrap();
    world.put("a", "1");
    world.put("b", "1");
    control.progress().unwrap();
    world.put("a", "3");
    control.progress().unwrap();
    control.progress().unwrap();
    assert_eq!(
        drain(&mut messages),
        ["0 created at 0", "0 up to 1: a=1", "-1 progress 2", "0 up to 3: a=3", "-1 progress 3",]
    );
}

#[test]
fn asked_for_progress_waits_until_every_watch_has_caught_up() {
    let world = World::new(TIGHT);
    for _ in 0..30 {
        world.put("a", &"x".repeat(200));
    }
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 1)).unwrap();
    control.create(watch(single("b"), 0)).unwrap();
    control.progress().unwrap();
    world.put("b", "live");
    let lines = drain(&mut messages);
    let progress: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].contains("progress")).collect();
    assert_eq!(progress, [lines.len() - 1], "{lines:?}");
    assert_eq!(lines.last().unwrap(), "-1 progress 31");
}

#[test]
fn cancelling_the_last_watch_that_is_behind_frees_the_progress() {
    let world = World::new(TIGHT);
    world.put("a", "1");
    let (control, mut messages) = world.open();
    control.create(watch(single("a"), 1)).unwrap();
    control.progress().unwrap();
    control.cancel(0).unwrap();
    assert_eq!(drain(&mut messages).last().unwrap(), "-1 progress 1");
}

#[test]
fn no_progress_before_the_start_of_a_watch_in_the_future() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    let create = WatchCreate { progress_notify: true, ..watch(single("a"), 3) };
    control.create(create).unwrap();
    control.progress().unwrap();
    world.put("b", "1");
    assert_eq!(drain(&mut messages), ["0 created at 0"]);
    world.hub.tick(at(100));
    assert_eq!(drain(&mut messages), Vec::<String>::new());
    world.put("b", "2");
    world.put("b", "3");
    world.hub.tick(at(101));
    assert_eq!(drain(&mut messages), ["-1 progress 3"]);
    world.hub.tick(at(161));
    assert_eq!(drain(&mut messages), ["0 progress 3"]);
}

#[test]
fn idle_watches_that_asked_are_told_from_time_to_time() {
    let world = World::new(TIGHT);
    world.hub.tick(at(1_000));
    let (control, mut messages) = world.open();
    for key in ["a", "b"] {
        let create = WatchCreate { progress_notify: true, ..watch(single(key), 0) };
        control.create(create).unwrap();
    }
    control.create(watch(single("c"), 0)).unwrap();
    drain(&mut messages);

    world.hub.tick(at(1_059));
    assert_eq!(drain(&mut messages), Vec::<String>::new());
    world.put("b", "1");
    world.hub.tick(at(1_060));
    assert_eq!(drain(&mut messages), ["1 up to 1: b=1"], "a reader that is busy needs no news");
    world.hub.tick(at(1_120));
    assert_eq!(drain(&mut messages), ["0 progress 1", "1 progress 1"]);
    world.put("b", "2");
    drain(&mut messages);
    world.hub.tick(at(1_180));
    assert_eq!(drain(&mut messages), ["0 progress 2"], "1 was sent events");

    // A reader that does not read gets one notice, not one per round.
    for round in 0..10 {
        world.hub.tick(at(1_240 + 60 * round));
    }
    assert_eq!(drain(&mut messages), ["0 progress 2", "1 progress 2"]);
    for id in [0, 1, 2] {
        control.cancel(id).unwrap();
    }
    drain(&mut messages);
    world.hub.tick(at(3_000));
    world.hub.tick(at(4_000));
    assert_eq!(drain(&mut messages), Vec::<String>::new());
}

#[test]
fn a_watch_that_is_behind_is_told_nothing_for_a_live_one_with_the_same_wishes() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    let create = || WatchCreate { progress_notify: true, ..watch(single("a"), 0) };
    control.create(create()).unwrap();
    for _ in 0..20 {
        world.put("a", "x");
    }
    control.create(create()).unwrap();
    while messages.ready().is_some() {}
    world.hub.tick(at(60));
    let told: Vec<String> = core::iter::from_fn(|| messages.ready()).map(|m| line(&m)).collect();
    assert_eq!(told, ["1 progress 20"]);
}
