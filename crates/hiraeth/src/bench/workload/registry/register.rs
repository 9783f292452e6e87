use std::rc::Rc;
use std::time::Instant;

use super::{ANSWER, Instances, OPEN};
use crate::bench::driver::Workload;
use crate::bench::http2::{Connection, Event, Status};
use crate::bench::pace::{Next, Pace};
use crate::bench::protobuf::{bytes, number};
use crate::bench::run::Run;

/// The registrations of one connection, over one stream.
pub(in crate::bench) struct Registrations {
    run: Rc<Run>,
    instances: Rc<Instances>,
    stream: u32,
    busy: Vec<Option<Instant>>,
    idle: Vec<usize>,
    pace: Pace,
    message: Vec<u8>,
}

impl Registrations {
    pub(in crate::bench) fn new(
        run: Rc<Run>,
        at: usize,
        slots: usize,
        instances: Rc<Instances>,
    ) -> Self {
        let pace = Pace::share(Rc::clone(&run), at, run.plan.connections);
        let (busy, idle) = (vec![None; slots], (0..slots).rev().collect());
        Self { run, instances, stream: 0, busy, idle, pace, message: Vec::new() }
    }

    fn give_up(&self, status: &Status) {
        self.run.failed(status);
        self.run.give_up(status.clone());
    }
}

impl Workload for Registrations {
    fn connected(&mut self, connection: &mut Connection) {
        self.stream = connection.open(OPEN, 0);
        self.run.is_set_up();
    }

    fn event(&mut self, _: &mut Connection, event: Event<'_>, now: Instant) {
        let message = match event {
            Event::Message { bytes, .. } => bytes,
            Event::Closed { status, .. } => return self.give_up(&status),
        };
        let answer = bytes(&message, ANSWER);
        let slot = number(answer, 1).wrapping_sub(1) as usize;
        let Some(since) = self.busy.get_mut(slot).and_then(Option::take) else { return };
        self.idle.push(slot);
        match number(answer, 4) {
            0 => self.run.done(0, since, now),
            code => {
                let words = String::from_utf8_lossy(bytes(answer, 5)).into_owned();
                self.run.failed(&Status::new(code as u32, words));
            }
        }
    }

    fn advance(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        if self.run.fatal().is_some() {
            return None;
        }
        let mut next = None;
        while let Some(&slot) = self.idle.last() {
            match self.pace.next(now) {
                Next::Begins(since) => {
                    self.idle.pop();
                    self.busy[slot] = Some(since);
                    self.instances.register(slot as u64 + 1, &mut self.message);
                    connection.send(self.stream, &self.message, false);
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
