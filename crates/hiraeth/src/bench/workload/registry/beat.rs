use std::rc::Rc;
use std::time::Instant;

use super::{ANSWER, BEATS, Instances, OPEN, UNKNOWN};
use crate::bench::driver::Workload;
use crate::bench::http2::{Connection, Event, Status};
use crate::bench::pace::{LOOK, Next, Pace};
use crate::bench::protobuf::{Field, Fields, bytes, number, put_bytes, put_head, put_number};
use crate::bench::run::Run;

/// Registrations under way at once while a connection is set up.
const SET_UP: usize = 32;

/// The instances of one connection, over one stream, and the beats for them.
pub(in crate::bench) struct Beats {
    run: Rc<Run>,
    instances: Rc<Instances>,
    own: usize,
    group: usize,
    stream: u32,
    handles: Vec<u64>,
    /// Registrations that were begun.
    begun: usize,
    set_up: bool,
    /// The next to beat for.
    at: usize,
    busy: Vec<Option<Instant>>,
    idle: Vec<usize>,
    pace: Pace,
    message: Vec<u8>,
}

impl Beats {
    /// Connection number `at`, with so many messages under way at once, for `own` instances of all.
    pub(in crate::bench) fn new(
        run: Rc<Run>,
        at: usize,
        slots: usize,
        instances: Rc<Instances>,
        own: usize,
        group: usize,
    ) -> Self {
        let pace = Pace::share(Rc::clone(&run), at, run.plan.connections);
        Self {
            run,
            instances,
            own,
            group: group.min(own.max(1)),
            stream: 0,
            handles: Vec::with_capacity(own),
            begun: 0,
            set_up: false,
            at: 0,
            busy: vec![None; slots],
            idle: (0..slots).rev().collect(),
            pace,
            message: Vec::new(),
        }
    }

    fn register(&mut self, connection: &mut Connection) {
        while self.begun < self.own && self.begun - self.handles.len() < SET_UP {
            self.begun += 1;
            self.instances.register(1, &mut self.message);
            connection.send(self.stream, &self.message, false);
        }
        if self.handles.len() == self.own && !std::mem::replace(&mut self.set_up, true) {
            self.run.is_set_up();
        }
    }

    fn beat(&mut self, connection: &mut Connection, slot: usize) {
        let mut beats = Vec::with_capacity(self.group * 8 + 16);
        put_head(&mut beats, 1, self.group * 8);
        for _ in 0..self.group {
            beats.extend_from_slice(&self.handles[self.at].to_le_bytes());
            self.at = (self.at + 1) % self.handles.len();
        }
        put_number(&mut beats, 2, slot as u64 + 1);
        self.message.clear();
        put_bytes(&mut self.message, BEATS, &beats);
        connection.send(self.stream, &self.message, false);
    }

    fn answered(&mut self, connection: &mut Connection, answer: &[u8], now: Instant) {
        let failed = number(answer, 4);
        if !self.set_up && failed == u64::from(Status::RESOURCE_EXHAUSTED) {
            // Others register, too: another one, then.
            self.begun -= 1;
            return self.register(connection);
        }
        if failed != 0 {
            let words = String::from_utf8_lossy(bytes(answer, 5)).into_owned();
            self.run.failed(&Status::new(failed as u32, words.clone()));
            if !self.set_up {
                return self.run.give_up(Status::new(failed as u32, words));
            }
        }
        if !self.set_up {
            self.handles.push(number(answer, 2));
            return self.register(connection);
        }
        let slot = number(answer, 1).wrapping_sub(1) as usize;
        let Some(since) = self.busy.get_mut(slot).and_then(Option::take) else { return };
        self.idle.push(slot);
        if failed == 0 {
            self.run.done(0, since, now);
            self.run.note_many("beats", self.group as u64, now);
        }
    }

    fn give_up(&self, status: &Status) {
        self.run.failed(status);
        self.run.give_up(status.clone());
    }
}

impl Workload for Beats {
    fn connected(&mut self, connection: &mut Connection) {
        self.stream = connection.open(OPEN, 0);
        self.register(connection);
    }

    fn event(&mut self, connection: &mut Connection, event: Event<'_>, now: Instant) {
        let message = match event {
            Event::Message { bytes, .. } => bytes,
            Event::Closed { status, .. } => return self.give_up(&status),
        };
        for field in Fields(&message) {
            match field {
                Field::Bytes(ANSWER, answer) => self.answered(connection, answer, now),
                Field::Bytes(UNKNOWN, beats) => {
                    let many = bytes(beats, 1).len() as u64 / 8;
                    self.run.note_many("beats of nobody", many, now);
                }
                _ => {}
            }
        }
    }

    fn advance(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        if self.run.fatal().is_some() {
            return None;
        }
        if !self.set_up {
            return Some(now + LOOK);
        }
        let mut next = None;
        while !self.handles.is_empty()
            && let Some(&slot) = self.idle.last()
        {
            match self.pace.next(now) {
                Next::Begins(since) => {
                    self.idle.pop();
                    self.busy[slot] = Some(since);
                    self.beat(connection, slot);
                }
                Next::Later(due) => {
                    next = Some(due);
                    break;
                }
                Next::Not => break,
            }
        }
        if self.run.is_over(now) && self.busy.iter().all(Option::is_none) {
            self.run.changed.notify_one();
            return None;
        }
        let timeout = self.run.plan.timeout;
        if self.busy.iter().flatten().any(|since| now > *since + timeout) {
            self.give_up(&Status::new(Status::DEADLINE_EXCEEDED, "no answer in --timeout"));
            return None;
        }
        Some(self.pace.wake(next, now))
    }

    fn lost(&mut self, why: &Status) {
        self.give_up(why);
    }
}
