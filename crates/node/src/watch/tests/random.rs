//! Many streams, every bound tight, every order the seed wants; nothing missing, nothing twice.

use std::collections::BTreeMap;

use state::response::EventKind;
use types::{Code, KeyRange, Revision};

use super::world::{REGION, TIGHT, World, Write, between, single, watch};
use crate::watch::{WatchControl, WatchCreate, WatchMessage, WatchMessages};

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (number ^ (number >> 31)) % bound
    }

    fn key(&mut self) -> String {
        format!("k{}", self.below(12))
    }
}

/// What the client of one watch knows.
struct Seen {
    create: WatchCreate,
    /// The first revision it is owed.
    from: Revision,
    events: Vec<(Revision, u32)>,
    progress: Revision,
}

struct Client {
    control: WatchControl,
    messages: WatchMessages,
    /// Orders to create, in order: answers come in the same.
    creating: std::collections::VecDeque<WatchCreate>,
    watches: BTreeMap<i64, Seen>,
    canceled: usize,
}

/// What the watch is owed up to `to`.
fn owed(world: &World, seen: &Seen, to: Revision) -> Vec<(Revision, u32)> {
    let wanted = |event: &state::response::Event| {
        let out = match event.kind {
            EventKind::Put => seen.create.no_put,
            EventKind::Delete => seen.create.no_delete,
        };
        let revision = event.position.revision;
        !out && seen.create.range.contains(&event.kv.key) && revision >= seen.from && revision <= to
    };
    let events = world.memory.events();
    let wanted = events.iter().filter(|event| wanted(event));
    wanted.map(|event| (event.position.revision, event.position.sub)).collect()
}

impl Client {
    fn hear(&mut self, message: WatchMessage, world: &World) {
        match message {
            WatchMessage::Created { id, revision } => {
                let create = self.creating.pop_front().expect("an order for every answer");
                let start = create.start.0;
                let from = if start == 0 { revision.0 + 1 } else { start };
                let (events, progress) = (Vec::new(), Revision(0));
                let seen = Seen { create, from: Revision(from), events, progress };
                assert!(self.watches.insert(id, seen).is_none(), "{id} created twice");
            }
            WatchMessage::Events { id, revision, events } => {
                let all = world.memory.events();
                let seen =
                    self.watches.get_mut(&id).expect("events before Created or after the end");
                assert!(!events.is_empty() && events.last().unwrap().kv.mod_revision == revision);
                assert!(events[0].kv.mod_revision > seen.progress, "progress overtook events");
                for event in events.iter() {
                    let same = |other: &&state::response::Event| {
                        other.kv == event.kv && other.kind == event.kind
                    };
                    let known = all.iter().find(same).expect("an event that happened");
                    seen.events.push((known.position.revision, known.position.sub));
                    let before = known.previous.filter(|_| seen.create.prev_kv);
                    let before = before.map(|position| {
                        all.iter().find(|event| event.position == position).unwrap().kv.clone()
                    });
                    assert!(event.prev_kv.is_none() || event.prev_kv == before);
                }
                // Whole revisions, in order, none missing and none twice.
                assert_eq!(seen.events, owed(world, seen, revision), "watch {id}");
            }
            WatchMessage::Progress { id: -1, revision } => {
                for seen in self.watches.values_mut() {
                    assert_eq!(seen.events, owed(world, seen, revision), "progress {revision}");
                    seen.progress = revision;
                }
            }
            WatchMessage::Progress { id, revision } => {
                let seen = self.watches.get_mut(&id).expect("progress of a watch that is");
                assert_eq!(seen.events, owed(world, seen, revision), "progress {revision}");
                seen.progress = revision;
            }
            WatchMessage::Canceled { id: -1, .. } => {
                self.creating.pop_front().expect("an order for every answer");
            }
            WatchMessage::Canceled { id, fault, compacted, .. } => {
                self.watches.remove(&id).expect("the end of a watch that is");
                self.canceled += 1;
                if let Some(fault) = fault {
                    assert_eq!(fault.code, Code::Compacted);
                    assert!(compacted > Revision(0));
                }
            }
        }
    }

    fn read(&mut self, most: u64, world: &World) {
        for _ in 0..most {
            let Some(message) = self.messages.poll_blocking() else { return };
            self.hear(message, world);
        }
    }

    fn order(&mut self, random: &mut Random, revision: i64) {
        match random.below(8) {
            0 => drop(self.control.cancel(random.below(8).cast_signed())),
            1 => drop(self.control.progress()),
            _ => {
                let range = match random.below(4) {
                    0 => KeyRange::all(),
                    1 => between(&random.key(), &random.key()),
                    _ => single(&random.key()),
                };
                let start = match random.below(4) {
                    0 => revision.saturating_add(random.below(6).cast_signed()),
                    1 => 0,
                    _ => random.below(revision.cast_unsigned() + 1).cast_signed(),
                };
                let create = WatchCreate {
                    id: (random.below(3) == 0).then(|| random.below(8).cast_signed()),
                    prev_kv: random.below(4) == 0,
                    no_put: random.below(6) == 0,
                    no_delete: random.below(6) == 0,
                    progress_notify: random.below(2) == 0,
                    ..watch(range, start)
                };
                if self.control.create(create.clone()).is_ok() {
                    self.creating.push_back(create);
                }
            }
        }
    }
}

fn open(world: &World) -> Client {
    let (control, messages) = world.open();
    let (creating, watches) = Default::default();
    Client { control, messages, creating, watches, canceled: 0 }
}

fn write(world: &World, random: &mut Random, count: &mut u64) {
    let (mut events, mut revision) = (Vec::new(), Revision(0));
    for _ in 0..=random.below(4) {
        let mut keys: Vec<String> = (0..=random.below(4)).map(|_| random.key()).collect();
        keys.sort();
        keys.dedup();
        *count += 1;
        let value = format!("{count}{}", "x".repeat(random.below(300) as usize));
        let writes: Vec<Write<'_>> = keys
            .iter()
            .map(|key| match random.below(4) {
                0 => Write::Delete(key),
                _ => Write::Put(key, &value),
            })
            .collect();
        let (at, written) = world.memory.apply(&writes);
        revision = at;
        events.extend(written);
    }
    if random.below(10) == 0 {
        world.hub.jump(REGION, revision);
    } else {
        world.hub.publish(REGION, revision, &events);
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let scan = if random.below(2) == 0 { usize::MAX } else { 5 };
    let world = World::over(TIGHT, scan);
    let mut clients: Vec<Client> = (0..8).map(|_| open(&world)).collect();
    let (mut count, mut seconds, mut compacted) = (0, 0, 0);
    for _ in 0..400 {
        let revision = world.memory.events().last().map_or(0, |event| event.position.revision.0);
        let client = random.below(8) as usize;
        match random.below(20) {
            0..=6 => write(&world, &mut random, &mut count),
            7..=10 => clients[client].order(&mut random, revision),
            11 => clients[client] = open(&world),
            12 => {
                seconds += 25;
                world.hub.tick(env::Moment(core::time::Duration::from_secs(seconds)));
            }
            13 if revision - compacted > 60 => {
                compacted = revision - random.below(50).cast_signed();
                world.memory.compact(Revision(compacted));
            }
            _ => {
                let most = 1 + random.below(12);
                clients[client].read(most, &world);
            }
        }
    }
    let last = world.memory.events().last().map_or(Revision(0), |event| event.position.revision);
    for client in &mut clients {
        client.read(u64::MAX, &world);
        assert!(client.creating.is_empty());
        for (id, seen) in &client.watches {
            assert_eq!(seen.events, owed(&world, seen, last), "watch {id} at the end");
        }
    }
}

#[test]
fn no_gap_and_no_repeat_whatever_happens() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("WATCH_FIRST_SEED").unwrap_or(0);
    for seed in first..first + number("WATCH_SEEDS").unwrap_or(60) {
        let failed = std::panic::catch_unwind(|| run(seed));
        assert!(failed.is_ok(), "seed {seed}");
    }
}
