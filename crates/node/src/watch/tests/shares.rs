//! Regions of sharded keyspaces: watches that follow their keys through splits, restarts and copies that
//! lie behind, with little memory for what happened last.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use state::response::{Event, EventKind, KeyValue, Position};
use types::{Code, KeyRange, RegionId, Revision};

use super::random::Random;
use super::world::{Memory, TIGHT, between, drain, single, watch};
use crate::watch::{Hub, WatchControl, WatchCreate, WatchLimits, WatchMessage, WatchMessages};

const KEYS: u64 = 16;
const FIRST: RegionId = RegionId(1);

fn hub() -> Arc<Hub> {
    Hub::new(TIGHT, Arc::new(Memory::default()))
}

fn put(key: &str, revision: i64) -> Event {
    let revision = Revision(revision);
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::from_static(b"v"));
    let kv = KeyValue { key, value, mod_revision: revision, ..KeyValue::default() };
    let position = Position { revision, sub: 0 };
    Event { kind: EventKind::Put, kv, position, previous: None }
}

#[test]
fn a_watch_of_keys_that_went_to_another_region_ends_and_goes_on_there() {
    let hub = hub();
    hub.begin_share(FIRST, Revision(0), between("a", "z"));
    let (control, mut messages) = hub.open_share(FIRST).unwrap();
    control.create(watch(between("a", "m"), 0)).unwrap();
    control.create(watch(between("a", "z"), 0)).unwrap();
    control.create(watch(single("z"), 0)).unwrap();
    control.create(WatchCreate { prev_kv: true, ..watch(single("b"), 0) }).unwrap();
    hub.publish(FIRST, Revision(3), &[put("b", 1), put("n", 2), put("o", 3)]);
    let child = RegionId(2);
    hub.split_share(FIRST, Revision(3), between("a", "m"), Some((child, between("m", "z"))));
    hub.publish(FIRST, Revision(4), &[put("b", 4)]);
    hub.publish(child, Revision(4), &[put("n", 4)]);
    assert_eq!(
        drain(&mut messages),
        [
            "0 created at 0",
            "1 created at 0",
            "-1 canceled at 0: EpochMismatch",
            "-1 canceled at 0: Unsupported",
            "0 up to 1: b=v",
            "1 up to 3: b=v n=v o=v",
            "1 canceled at 3: EpochMismatch",
            "0 up to 4: b=v",
        ]
    );
    // The child has what its parent had of its keys, the parent not any more.
    let (control, mut messages) = hub.open_share(child).unwrap();
    control.create(watch(between("m", "z"), 2)).unwrap();
    control.create(watch(single("b"), 0)).unwrap();
    let lines = drain(&mut messages);
    assert_eq!(lines[2], "0 up to 4: n=v o=v n=v");
    assert_eq!(lines[1], "-1 canceled at 4: EpochMismatch");
    assert_eq!(hub.open_share(RegionId(9)).err().unwrap().code, Code::RegionNotFound);
}

#[test]
fn what_is_forgotten_is_told_and_memory_has_bounds() {
    let tight = WatchLimits { recent_region_bytes: 1_000, recent_bytes: 1_500, ..TIGHT };
    let hub = Hub::new(tight, Arc::new(Memory::default()));
    let other = RegionId(2);
    hub.begin_share(FIRST, Revision(0), between("a", "m"));
    hub.begin_share(other, Revision(0), between("m", "z"));
    for revision in 1..=100 {
        hub.publish(FIRST, Revision(revision), &[put("b", revision)]);
        hub.publish(other, Revision(revision), &[put("n", revision)]);
    }
    let oldest = |region| {
        let (control, mut messages) = hub.open_share(region).unwrap();
        control.create(watch(KeyRange { start: Bytes::from("b"), ..single("b") }, 1)).ok();
        control.create(watch(single("n"), 1)).unwrap();
        let lines = drain(&mut messages);
        let line = lines.iter().find(|line| line.contains("Compacted")).unwrap().clone();
        line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()
    };
    assert!(oldest(FIRST) > 90 && oldest(other) > 90, "{} {}", oldest(FIRST), oldest(other));
    // A snapshot takes the place of everything.
    let (control, mut messages) = hub.open_share(FIRST).unwrap();
    control.create(watch(single("b"), 0)).unwrap();
    hub.install_share(FIRST, Revision(200), between("a", "m"));
    let lines = drain(&mut messages);
    assert_eq!(lines, ["0 created at 100", "0 canceled at 200: Compacted 201"]);
}

/// What happens to a keyspace, in the order of its regions' logs.
enum Step {
    Write { region: RegionId, event: Event },
    Split { region: RegionId, revision: Revision, kept: KeyRange, child: (RegionId, KeyRange) },
}

#[derive(Clone)]
struct Share {
    range: KeyRange,
    revision: Revision,
}

/// A node: so much of the steps is applied there.
struct Copy {
    hub: Arc<Hub>,
    applied: usize,
    shares: BTreeMap<RegionId, Share>,
}

impl Copy {
    fn new() -> Self {
        let all = Share { range: KeyRange::all(), revision: Revision(0) };
        Self { hub: hub(), applied: 0, shares: BTreeMap::from([(FIRST, all)]) }.started()
    }

    fn started(self) -> Self {
        for (region, share) in &self.shares {
            self.hub.begin_share(*region, share.revision, share.range.clone());
        }
        self
    }

    /// It has its state, and no memory of how it came about.
    fn restarted(self) -> Self {
        Self { hub: hub(), ..self }.started()
    }

    fn apply(&mut self, steps: &[Step], told: bool) {
        for step in &steps[self.applied..] {
            match step {
                Step::Write { region, event } => {
                    let share = self.shares.get_mut(region).unwrap();
                    share.revision = event.position.revision;
                    if told {
                        self.hub.publish(*region, share.revision, std::slice::from_ref(event));
                    }
                }
                Step::Split { region, revision, kept, child } => {
                    self.shares.get_mut(region).unwrap().range = kept.clone();
                    let share = Share { range: child.1.clone(), revision: *revision };
                    self.shares.insert(child.0, share);
                    if told {
                        self.hub.split_share(*region, *revision, kept.clone(), Some(child.clone()));
                    }
                }
            }
        }
        self.applied = steps.len();
        if !told {
            // As snapshots of all of them.
            for (region, share) in &self.shares {
                self.hub.install_share(*region, share.revision, share.range.clone());
            }
        }
    }
}

/// A client's watch of some keys, as far as it knows in one region.
struct Part {
    range: KeyRange,
    next: i64,
    stream: Option<(WatchControl, WatchMessages)>,
}

struct Watcher {
    parts: Vec<Part>,
    /// How many of each key's revisions were told.
    told: BTreeMap<Bytes, usize>,
    compacted: usize,
}

impl Watcher {
    /// Does what a client does: follows the keys, at the copy `at` where it opens anew.
    fn step(&mut self, at: &Copy, written: &BTreeMap<Bytes, Vec<i64>>) {
        let mut parts = Vec::new();
        for mut part in std::mem::take(&mut self.parts) {
            let Some((_, messages)) = &mut part.stream else {
                parts.extend(open(part, at));
                continue;
            };
            while let Some(message) = messages.poll_blocking() {
                match message {
                    WatchMessage::Created { revision, .. } if part.next == 0 => {
                        part.next = revision.0 + 1
                    }
                    WatchMessage::Created { .. } => {}
                    WatchMessage::Progress { revision, .. } => {
                        part.next = part.next.max(revision.0 + 1)
                    }
                    WatchMessage::Events { revision, events, .. } => {
                        for event in events.iter() {
                            let told = self.told.get_mut(&event.kv.key).unwrap();
                            assert_eq!(written[&event.kv.key][*told], event.kv.mod_revision.0);
                            *told += 1;
                        }
                        part.next = revision.0 + 1;
                    }
                    WatchMessage::Canceled { compacted, .. } if compacted.0 > 0 => {
                        // It reads the keys again, and begins with what comes after.
                        self.compacted += 1;
                        part.next = compacted.0;
                        for (key, told) in &mut self.told {
                            if part.range.contains(key) {
                                *told = written[key].partition_point(|it| *it < part.next);
                            }
                        }
                        part.stream = None;
                        break;
                    }
                    WatchMessage::Canceled { id, revision, fault, .. } => {
                        assert_eq!(fault.unwrap().code, Code::EpochMismatch);
                        if id >= 0 {
                            part.next = part.next.max(revision.0 + 1);
                        }
                        part.stream = None;
                        break;
                    }
                }
            }
            parts.push(part);
        }
        self.parts = parts;
    }
}

/// One part for each region that has keys of it.
fn open(part: Part, at: &Copy) -> Vec<Part> {
    let mut parts = Vec::new();
    for (region, share) in &at.shares {
        let range = part.range.shared_with(&share.range);
        if !range.is_empty() {
            let (control, messages) = at.hub.open_share(*region).unwrap();
            control.create(watch(range.clone(), part.next)).unwrap();
            parts.push(Part { range, next: part.next, stream: Some((control, messages)) });
        }
    }
    parts
}

#[test]
fn no_change_of_a_key_is_left_out_told_twice_or_out_of_order() {
    let (mut compacted, mut splits) = (0, 0);
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut steps = Vec::new();
        let mut now = Copy::new().shares;
        let mut copies = [Copy::new(), Copy::new()];
        let mut written = BTreeMap::<Bytes, Vec<i64>>::new();
        for key in 0..KEYS {
            written.insert(Bytes::from(format!("{key:02}")), Vec::new());
        }
        let told: BTreeMap<_, _> = written.keys().map(|key| (key.clone(), 0)).collect();
        let range = KeyRange { start: Bytes::from("0"), end: None };
        let whole = || vec![Part { range: range.clone(), next: 1, stream: None }];
        let mut watchers: Vec<Watcher> =
            (0..3).map(|_| Watcher { parts: whole(), told: told.clone(), compacted: 0 }).collect();
        for _ in 0..400 {
            match random.below(16) {
                0 if now.len() < 8 => {
                    let at = Bytes::from(format!("{:02}", random.below(KEYS)));
                    let owner =
                        now.iter().find(|(_, it)| it.range.contains(&at)).map(|(it, _)| *it);
                    let region = owner.unwrap();
                    let child = RegionId(now.len() as u64 + 1);
                    let parent = now.get_mut(&region).unwrap();
                    if parent.range.start == at {
                        continue;
                    }
                    let share = KeyRange { start: at.clone(), end: parent.range.end.take() };
                    parent.range.end = Some(at);
                    let (revision, kept) = (parent.revision, parent.range.clone());
                    now.insert(child, Share { range: share.clone(), revision });
                    steps.push(Step::Split { region, revision, kept, child: (child, share) });
                    splits += 1;
                }
                0..=7 => {
                    let key = format!("{:02}", random.below(KEYS));
                    let owner = now.iter_mut().find(|(_, it)| it.range.contains(key.as_bytes()));
                    let (region, share) = owner.unwrap();
                    share.revision.0 += 1;
                    let event = put(&key, share.revision.0);
                    written.get_mut(&event.kv.key).unwrap().push(share.revision.0);
                    steps.push(Step::Write { region: *region, event });
                }
                8..=10 => {
                    let copy = &mut copies[random.below(2) as usize];
                    let behind = steps.len() - copy.applied;
                    let until = copy.applied + random.below(behind as u64 + 1) as usize;
                    copy.apply(&steps[..until], true);
                }
                11 if random.below(8) == 0 => {
                    let at = random.below(2) as usize;
                    if random.below(2) == 0 {
                        copies[at].apply(&steps, false);
                    } else {
                        let copy = std::mem::replace(&mut copies[at], Copy::new());
                        copies[at] = copy.restarted();
                        // Their connections break.
                        for watcher in &mut watchers {
                            watcher.parts.iter_mut().for_each(|part| part.stream = None);
                        }
                    }
                }
                12 => {
                    let parts = &mut watchers[random.below(3) as usize].parts;
                    let at = random.below(parts.len() as u64) as usize;
                    parts[at].stream = None;
                }
                _ => {
                    let at = random.below(3) as usize;
                    watchers[at].step(&copies[random.below(2) as usize], &written);
                }
            }
        }
        for copy in &mut copies {
            copy.apply(&steps, true);
        }
        for watcher in &mut watchers {
            for round in 0..64 {
                watcher.step(&copies[round % 2], &written);
            }
            for (key, told) in &watcher.told {
                assert_eq!(*told, written[key].len(), "seed {seed}: {key:?}");
            }
            compacted += watcher.compacted;
        }
    }
    assert!(compacted > 50 && splits > 300, "{compacted} {splits}: it shows little");
}
