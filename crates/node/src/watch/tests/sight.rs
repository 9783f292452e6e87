//! What people see of watches.

use types::{KeyRange, Revision};

use super::world::{REGION, TIGHT, World, single, watch};

#[test]
fn who_is_behind_is_seen_with_what_waits() {
    let world = World::new(TIGHT);
    let (control, mut messages) = world.open();
    control.create(watch(KeyRange::all(), 0)).unwrap();
    control.create(watch(single("a"), 0)).unwrap();
    let sight = |most| world.hub.sight(most, |region| region == REGION);
    let (total, seen) = sight(9);
    assert_eq!((total, seen.len()), (2, 2));
    assert_eq!(seen[1].range, single("a"));
    let mut last = Revision(0);
    for _ in 0..100 {
        last = world.put("b", &"x".repeat(300));
    }
    let (total, seen) = sight(1);
    assert_eq!((total, seen.len()), (2, 1));
    assert!(seen[0].behind && seen[0].next < last && seen[0].waiting > 0, "{seen:?}");
    assert!(seen[0].waiting_bytes <= TIGHT.queue_bytes as u64, "{seen:?}");
    while messages.poll_blocking().is_some() {}
    for watch in sight(9).1 {
        assert!(!watch.behind && watch.waiting == 0, "{watch:?}");
        assert_eq!(watch.next, Revision(last.0 + 1));
    }
    assert_eq!(world.hub.sight(9, |_| false), (2, Vec::new()));
}
