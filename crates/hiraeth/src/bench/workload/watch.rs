//! Watchers, and the writers whose puts they wait for. A value says which put it is of, so that each
//! event is told from when its put was due.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Instant;

use crate::bench::data::{Random, Shape};
use crate::bench::driver::Workload;
use crate::bench::http2::{Connection, Event, Status};
use crate::bench::pace::{LOOK, Next, Pace};
use crate::bench::protobuf::{Field, Fields, bytes, put_bytes};
use crate::bench::run::Run;

/// Puts of one key whose events did not all come yet; more are not begun.
const UNDER_WAY: usize = 4096;
/// Bytes of a value that say which put it is of: key and number.
pub(in crate::bench) const STAMP: usize = 16;

/// Which put of which key has how many events to come.
pub(in crate::bench) struct Board {
    keys: RefCell<Vec<Key>>,
    /// The connection that writes.
    writer: usize,
    run: Rc<Run>,
}

#[derive(Default)]
struct Key {
    watchers: usize,
    /// Oldest first, numbered without a gap.
    puts: VecDeque<Put>,
    next: u64,
}

struct Put {
    number: u64,
    since: Instant,
    arrived: usize,
}

impl Board {
    /// `watchers` over so many keys; `writer` is the number of the connection that writes.
    pub(in crate::bench) fn new(
        run: Rc<Run>,
        watchers: usize,
        keys: usize,
        writer: usize,
    ) -> Rc<Self> {
        let mut all: Vec<Key> = (0..keys).map(|_| Key::default()).collect();
        (0..watchers).for_each(|watcher| all[watcher % keys].watchers += 1);
        Rc::new(Self { keys: RefCell::new(all), writer, run })
    }

    fn begin(&self, key: usize, since: Instant) -> Option<u64> {
        let key = &mut self.keys.borrow_mut()[key];
        if key.puts.len() >= UNDER_WAY {
            return None;
        }
        let number = key.next;
        key.next += 1;
        key.puts.push_back(Put { number, since, arrived: 0 });
        Some(number)
    }

    /// An event came to one of the watchers.
    fn arrived(&self, key: usize, number: u64, now: Instant) {
        let mut keys = self.keys.borrow_mut();
        let Some(Key { watchers, puts, .. }) = keys.get_mut(key) else { return };
        let place = puts.front().and_then(|first| number.checked_sub(first.number));
        let Some(put) = place.and_then(|place| puts.get_mut(place as usize)) else { return };
        put.arrived += 1;
        self.run.done(0, put.since, now);
        if put.arrived == *watchers {
            self.run.measure(1, put.since, now, 0);
            while puts.front().is_some_and(|put| put.arrived >= *watchers) {
                puts.pop_front();
            }
            if puts.is_empty() {
                self.run.wakes[self.writer].notify_one();
            }
        }
    }

    /// A put failed; its events may come or not.
    fn forget(&self, key: usize, number: u64) {
        let Key { watchers, puts, .. } = &mut self.keys.borrow_mut()[key];
        let place = puts.front().and_then(|first| number.checked_sub(first.number));
        if let Some(put) = place.and_then(|place| puts.get_mut(place as usize)) {
            put.arrived = *watchers;
        }
        while puts.front().is_some_and(|put| put.arrived >= *watchers) {
            puts.pop_front();
        }
    }

    fn complete(&self, key: usize) -> bool {
        self.keys.borrow()[key].puts.is_empty()
    }

    /// How many events are to come.
    fn missing(&self) -> usize {
        let keys = self.keys.borrow();
        let missing =
            |key: &Key| key.puts.iter().map(|put| key.watchers - put.arrived).sum::<usize>();
        keys.iter().map(missing).sum()
    }
}

/// The watchers of one connection.
pub(in crate::bench) struct Watchers {
    run: Rc<Run>,
    board: Rc<Board>,
    shape: Shape,
    /// The key each watches.
    keys: Vec<usize>,
    streams: usize,
    created: usize,
}

impl Watchers {
    pub(in crate::bench) fn new(
        run: Rc<Run>,
        board: Rc<Board>,
        shape: Shape,
        keys: Vec<usize>,
        streams: usize,
    ) -> Self {
        let streams = streams.clamp(1, keys.len().max(1));
        Self { run, board, shape, keys, streams, created: 0 }
    }

    fn give_up(&self, status: &Status) {
        self.run.failed(status);
        self.run.give_up(status.clone());
    }
}

impl Workload for Watchers {
    fn connected(&mut self, connection: &mut Connection) {
        let streams: Vec<u32> =
            (0..self.streams).map(|at| connection.open("/etcdserverpb.Watch/Watch", at)).collect();
        for (at, key) in self.keys.iter().enumerate() {
            let (mut name, mut create, mut message) = (Vec::new(), Vec::new(), Vec::new());
            self.shape.key(*key as u64, &mut name);
            put_bytes(&mut create, 1, &name);
            put_bytes(&mut message, 1, &create);
            connection.send(streams[at % self.streams], &message, false);
        }
        if self.keys.is_empty() {
            self.run.is_set_up();
        }
    }

    fn event(&mut self, _: &mut Connection, event: Event<'_>, now: Instant) {
        let message = match event {
            Event::Message { bytes, .. } => bytes,
            Event::Closed { status, .. } => return self.give_up(&status),
        };
        for field in Fields(&message) {
            match field {
                Field::Number(3, 1) => {
                    self.created += 1;
                    if self.created == self.keys.len() {
                        self.run.is_set_up();
                    }
                }
                Field::Number(4, 1) => {
                    self.give_up(&Status::new(Status::INTERNAL, "a watcher was cancelled"));
                }
                Field::Bytes(11, event) => {
                    let value = bytes(bytes(event, 2), 5);
                    let stamp = value.first_chunk::<STAMP>().map(|it| u128::from_le_bytes(*it));
                    if let Some(stamp) = stamp {
                        self.board.arrived((stamp >> 64) as usize, stamp as u64, now);
                    }
                }
                _ => {}
            }
        }
    }

    fn advance(&mut self, _: &mut Connection, now: Instant) -> Option<Instant> {
        // The writers wait for the events and then wake everybody.
        let through = self.run.fatal().is_some() || self.board.keys.borrow().is_empty();
        (!through).then_some(now + LOOK)
    }

    fn lost(&mut self, why: &Status) {
        self.give_up(why);
    }
}

/// The writers, all on one connection. Each has keys of its own.
pub(in crate::bench) struct Writers {
    run: Rc<Run>,
    board: Rc<Board>,
    shape: Shape,
    random: Random,
    slots: Vec<Slot>,
    keys: usize,
    pace: Pace,
    set_up: bool,
    over: Option<Instant>,
    message: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Slot {
    key: usize,
    number: u64,
    /// When its put was due, while it is not acknowledged.
    busy: Option<Instant>,
}

impl Writers {
    pub(in crate::bench) fn new(
        run: Rc<Run>,
        board: Rc<Board>,
        shape: Shape,
        keys: usize,
        writers: usize,
    ) -> Self {
        let writers = writers.clamp(1, keys);
        let slots = (0..writers).map(|key| Slot { key, number: 0, busy: None }).collect();
        let random = Random::new(run.plan.seed);
        let pace = Pace::share(Rc::clone(&run), 0, 1);
        let message = Vec::new();
        Self { run, board, shape, random, slots, keys, pace, set_up: false, over: None, message }
    }

    fn put(&mut self, connection: &mut Connection, slot: usize, since: Instant) {
        let writers = self.slots.len();
        let Slot { key, .. } = &mut self.slots[slot];
        *key = if *key + writers < self.keys { *key + writers } else { slot };
        let key = *key;
        let Some(number) = self.board.begin(key, since) else {
            let words = "watchers are too far behind: a put was left out";
            return self.run.failed(&Status::new(Status::DEADLINE_EXCEEDED, words));
        };
        let mut name = Vec::with_capacity(self.shape.key_bytes);
        self.shape.key(key as u64, &mut name);
        let mut value = Vec::with_capacity(self.shape.value_bytes);
        self.shape.value(&mut self.random, &mut value);
        let stamp = (key as u128) << 64 | u128::from(number);
        value[..STAMP].copy_from_slice(&stamp.to_le_bytes());
        self.message.clear();
        put_bytes(&mut self.message, 1, &name);
        put_bytes(&mut self.message, 2, &value);
        let stream = connection.open("/etcdserverpb.KV/Put", slot);
        connection.send(stream, &self.message, true);
        self.slots[slot] = Slot { key, number, busy: Some(since) };
    }

    fn begin(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        for slot in 0..self.slots.len() {
            let Slot { key, busy, .. } = self.slots[slot];
            // In a closed loop the next put waits for all events of the one before.
            let waits = self.run.plan.rate.is_none() && !self.board.complete(key);
            if busy.is_some() || waits {
                continue;
            }
            match self.pace.next(now) {
                Next::Begins(since) => self.put(connection, slot, since),
                Next::Later(due) => return Some(due),
                Next::Not => break,
            }
        }
        None
    }

    fn finish(&self) {
        let missing = self.board.missing();
        for _ in 0..missing {
            let words = "an event did not come in --timeout";
            self.run.failed(&Status::new(Status::DEADLINE_EXCEEDED, words));
        }
        self.board.keys.borrow_mut().clear();
        self.run.wakes.iter().for_each(|wake| wake.notify_one());
        self.run.changed.notify_one();
    }
}

impl Workload for Writers {
    fn connected(&mut self, _: &mut Connection) {
        if !std::mem::replace(&mut self.set_up, true) {
            self.run.is_set_up();
        }
    }

    fn event(&mut self, _: &mut Connection, event: Event<'_>, now: Instant) {
        let Event::Closed { tag, status } = event else { return };
        let slot = self.slots[tag];
        let Some(since) = self.slots[tag].busy.take() else { return };
        if status.code == 0 {
            self.run.measure(2, since, now, 0);
        } else {
            self.run.failed(&status);
            self.board.forget(slot.key, slot.number);
        }
    }

    fn advance(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        if self.run.fatal().is_some() {
            return None;
        }
        let next = self.begin(connection, now);
        if self.run.is_over(now) {
            let since = *self.over.get_or_insert(now);
            let idle = self.slots.iter().all(|slot| slot.busy.is_none());
            if idle && self.board.missing() == 0 || now > since + self.run.plan.timeout {
                self.finish();
                return None;
            }
        }
        Some(self.pace.wake(next, now))
    }

    fn lost(&mut self, why: &Status) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].busy.take().is_some() {
                self.run.failed(why);
                self.board.forget(self.slots[slot].key, self.slots[slot].number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::Board;
    use crate::bench::run::{Plan, Run};

    #[test]
    fn a_put_is_complete_when_each_watcher_has_its_event() {
        let timeout = std::time::Duration::from_secs(1);
        let (rate, total, keyspace) = (None, None, None);
        let plan = Plan { clients: 1, connections: 1, rate, total, timeout, seed: 0, keyspace };
        let run = Run::new(plan, &["event", "all"], 1).unwrap();
        let (board, now) = (Board::new(run.clone(), 5, 2, 0), Instant::now());
        assert_eq!(
            (board.begin(0, now), board.begin(0, now), board.begin(1, now)),
            (Some(0), Some(1), Some(0))
        );
        assert_eq!(board.missing(), 8);
        (0..3).for_each(|_| board.arrived(0, 1, now));
        assert!(!board.complete(0), "the older one is not");
        (0..3).for_each(|_| board.arrived(0, 0, now));
        assert!(board.complete(0) && !board.complete(1));
        board.arrived(0, 0, now);
        assert_eq!(run.stats.borrow().acknowledged, 6, "what nobody waits for counts for nothing");
        board.forget(1, 0);
        assert_eq!(board.missing(), 0);
    }
}
