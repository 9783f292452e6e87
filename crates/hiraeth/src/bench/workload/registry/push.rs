//! Subscribers of one service, and the one who changes it. A change carries its number, so that each push
//! is told from when its change was due; one that is collapsed into a later one came with that.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::{ACKNOWLEDGE, ANSWER, OPEN, REGISTER, SUBSCRIBE, UPDATE};
use crate::bench::driver::Workload;
use crate::bench::http2::{Connection, Event, Status};
use crate::bench::pace::{LOOK, Next, Pace};
use crate::bench::protobuf::{Field, Fields, bytes, number, put_bytes, put_number};
use crate::bench::run::Run;

/// Changes whose pushes did not all come yet; more are not begun.
const UNDER_WAY: usize = 4_096;
const SERVICE: &[u8] = b"pushed";

/// Which change has how many pushes to come.
pub(in crate::bench) struct PushBoard {
    run: Rc<Run>,
    subscribers: usize,
    /// The connection that changes.
    writer: usize,
    changes: RefCell<Changed>,
}

#[derive(Default)]
struct Changed {
    /// The number of the first that is not complete.
    first: u64,
    under_way: VecDeque<(Instant, usize)>,
    over: bool,
}

impl PushBoard {
    pub(in crate::bench) fn new(run: Rc<Run>, subscribers: usize, writer: usize) -> Rc<Self> {
        // Beyond the changes of all runs before this one, which the service may still have.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(now.as_micros()).unwrap_or(0);
        let changes = RefCell::new(Changed { first, ..Changed::default() });
        Rc::new(Self { run, subscribers, writer, changes })
    }

    /// A change begins; answers its number.
    fn begin(&self, since: Instant) -> Option<u64> {
        let mut changes = self.changes.borrow_mut();
        if changes.under_way.len() >= UNDER_WAY {
            return None;
        }
        changes.under_way.push_back((since, 0));
        Some(changes.first + changes.under_way.len() as u64)
    }

    /// A subscriber that knew everything up to `before` knows everything up to `number`.
    fn arrived(&self, before: u64, number: u64, now: Instant) {
        let mut changes = self.changes.borrow_mut();
        for at in before.max(changes.first)..number {
            let place = (at - changes.first) as usize;
            let Some((since, count)) = changes.under_way.get_mut(place) else { break };
            *count += 1;
            self.run.done(0, *since, now);
            if *count == self.subscribers {
                self.run.measure(1, *since, now, 0);
            }
        }
        while changes.under_way.front().is_some_and(|(_, count)| *count >= self.subscribers) {
            changes.under_way.pop_front();
            changes.first += 1;
        }
        if changes.under_way.is_empty() {
            self.run.wakes[self.writer].notify_one();
        }
    }

    fn is_complete(&self) -> bool {
        self.changes.borrow().under_way.is_empty()
    }

    fn missing(&self) -> usize {
        let changes = self.changes.borrow();
        changes.under_way.iter().map(|(_, count)| self.subscribers - count).sum()
    }

    fn is_over(&self) -> bool {
        self.changes.borrow().over
    }
}

/// The subscribers of one connection, a stream each.
pub(in crate::bench) struct Subscribers {
    run: Rc<Run>,
    board: Rc<PushBoard>,
    /// What each knows: the newest change, and whether it is set up.
    known: Vec<Option<u64>>,
    streams: Vec<u32>,
    ready: usize,
}

impl Subscribers {
    pub(in crate::bench) fn new(run: Rc<Run>, board: Rc<PushBoard>, own: usize) -> Self {
        Self { run, board, known: vec![None; own], streams: Vec::new(), ready: 0 }
    }

    fn give_up(&self, status: &Status) {
        self.run.failed(status);
        self.run.give_up(status.clone());
    }

    fn updated(&mut self, connection: &mut Connection, tag: usize, update: &[u8], now: Instant) {
        let change = bytes(update, 2);
        let mut newest = 0;
        for field in Fields(change) {
            if let Field::Bytes(3, instance) = field {
                newest = newest.max(stamp(instance).unwrap_or(0));
            }
        }
        match self.known[tag] {
            None => {
                self.known[tag] = Some(newest);
                self.ready += 1;
                if self.ready == self.known.len() {
                    self.run.is_set_up();
                }
            }
            Some(before) if newest > before => {
                self.known[tag] = Some(newest);
                self.board.arrived(before, newest, now);
            }
            Some(_) => {}
        }
        let (mut acknowledge, mut message) = (Vec::new(), Vec::new());
        put_number(&mut acknowledge, 1, 1);
        put_number(&mut acknowledge, 2, number(change, 1));
        put_bytes(&mut message, ACKNOWLEDGE, &acknowledge);
        connection.send(self.streams[tag], &message, false);
    }
}

/// The number of the change an instance is of.
fn stamp(instance: &[u8]) -> Option<u64> {
    let pair = bytes(instance, 8);
    (bytes(pair, 1) == b"change").then(|| std::str::from_utf8(bytes(pair, 2)).ok()?.parse().ok())?
}

impl Workload for Subscribers {
    fn connected(&mut self, connection: &mut Connection) {
        for at in 0..self.known.len() {
            let (mut subscribe, mut message) = (Vec::new(), Vec::new());
            put_number(&mut subscribe, 1, 1);
            put_bytes(&mut subscribe, 3, SERVICE);
            put_bytes(&mut message, SUBSCRIBE, &subscribe);
            let stream = connection.open(OPEN, at);
            connection.send(stream, &message, false);
            self.streams.push(stream);
        }
        if self.known.is_empty() {
            self.run.is_set_up();
        }
    }

    fn event(&mut self, connection: &mut Connection, event: Event<'_>, now: Instant) {
        match event {
            Event::Message { tag, bytes } => {
                self.run.note_many("bytes pushed", bytes.len() as u64, now);
                for field in Fields(&bytes) {
                    if let Field::Bytes(UPDATE, update) = field {
                        self.updated(connection, tag, update, now);
                    }
                }
            }
            Event::Closed { status, .. } => self.give_up(&status),
        }
    }

    fn advance(&mut self, _: &mut Connection, now: Instant) -> Option<Instant> {
        // The one who changes waits for the pushes and then wakes everybody.
        let through = self.run.fatal().is_some() || self.board.is_over();
        (!through).then_some(now + LOOK)
    }

    fn lost(&mut self, why: &Status) {
        self.give_up(why);
    }
}

/// The one who changes the service: an instance of it is registered anew with every change.
pub(in crate::bench) struct Changes {
    run: Rc<Run>,
    board: Rc<PushBoard>,
    /// Instances that stay as they are.
    others: u32,
    others_left: u32,
    stream: u32,
    set_up: bool,
    busy: Option<Instant>,
    over: Option<Instant>,
    pace: Pace,
}

impl Changes {
    pub(in crate::bench) fn new(run: Rc<Run>, board: Rc<PushBoard>, others: u32) -> Self {
        let pace = Pace::share(Rc::clone(&run), 0, 1);
        let (stream, set_up, busy, over) = (0, false, None, None);
        Self { run, board, others, others_left: others, stream, set_up, busy, over, pace }
    }

    fn register(&self, connection: &mut Connection, id: &str, change: Option<u64>) {
        let (mut instance, mut register, mut message) = (Vec::new(), Vec::new(), Vec::new());
        put_bytes(&mut instance, 2, SERVICE);
        put_bytes(&mut instance, 3, id.as_bytes());
        put_bytes(&mut instance, 5, b"10.0.0.1");
        put_number(&mut instance, 6, 80);
        if let Some(change) = change {
            let mut pair = Vec::new();
            put_bytes(&mut pair, 1, b"change");
            put_bytes(&mut pair, 2, change.to_string().as_bytes());
            put_bytes(&mut instance, 8, &pair);
        }
        put_number(&mut register, 1, 1);
        put_bytes(&mut register, 2, &instance);
        put_bytes(&mut message, REGISTER, &register);
        connection.send(self.stream, &message, false);
    }

    fn finish(&self) {
        for _ in 0..self.board.missing() {
            let words = "a push did not come in --timeout";
            self.run.failed(&Status::new(Status::DEADLINE_EXCEEDED, words));
        }
        self.board.changes.borrow_mut().over = true;
        self.run.wakes.iter().for_each(|wake| wake.notify_one());
        self.run.changed.notify_one();
    }
}

impl Workload for Changes {
    fn connected(&mut self, connection: &mut Connection) {
        self.stream = connection.open(OPEN, 0);
        for other in 0..self.others {
            self.register(connection, &format!("other-{other}"), None);
        }
        if self.others == 0 {
            self.set_up = true;
            self.run.is_set_up();
        }
    }

    fn event(&mut self, _: &mut Connection, event: Event<'_>, now: Instant) {
        let message = match event {
            Event::Message { bytes, .. } => bytes,
            Event::Closed { status, .. } => {
                self.run.failed(&status);
                return self.run.give_up(status);
            }
        };
        let answer = bytes(&message, ANSWER);
        let code = number(answer, 4);
        if code != 0 {
            let words = String::from_utf8_lossy(bytes(answer, 5)).into_owned();
            let status = Status::new(code as u32, words);
            self.run.failed(&status);
            return self.run.give_up(status);
        }
        if !self.set_up {
            self.others_left -= 1;
            if self.others_left == 0 {
                self.set_up = true;
                self.run.is_set_up();
            }
            return;
        }
        if let Some(since) = self.busy.take() {
            self.run.measure(2, since, now, 0);
        }
    }

    fn advance(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        if self.run.fatal().is_some() {
            return None;
        }
        let mut next = None;
        // In a closed loop the next change waits for all pushes of the one before.
        if self.set_up
            && self.busy.is_none()
            && (self.run.plan.rate.is_some() || self.board.is_complete())
        {
            match self.pace.next(now) {
                Next::Begins(since) => match self.board.begin(since) {
                    Some(change) => {
                        self.busy = Some(since);
                        self.register(connection, "changes", Some(change));
                    }
                    None => {
                        let words = "subscribers are too far behind: a change was left out";
                        self.run.failed(&Status::new(Status::DEADLINE_EXCEEDED, words));
                    }
                },
                Next::Later(due) => next = Some(due),
                Next::Not => {}
            }
        }
        if self.run.is_over(now) {
            let since = *self.over.get_or_insert(now);
            let through = self.busy.is_none() && self.board.is_complete();
            if through || now > since + self.run.plan.timeout {
                self.finish();
                return None;
            }
        }
        Some(self.pace.wake(next, now))
    }

    fn lost(&mut self, why: &Status) {
        self.run.failed(why);
        self.run.give_up(why.clone());
    }
}
