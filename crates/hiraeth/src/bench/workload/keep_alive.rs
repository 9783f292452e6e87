//! Renewals of leases over streams, many leases to a stream or one.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use crate::bench::driver::Workload;
use crate::bench::http2::{Connection, Event, Status};
use crate::bench::pace::{LOOK, Next, Pace};
use crate::bench::protobuf::{number, put_number};
use crate::bench::run::Run;

/// Seconds leases live: longer than any run may stall.
const TTL: u64 = 600;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Granting,
    Renewing,
    Revoking,
}

/// The leases of one connection; each slot is one.
pub(in crate::bench) struct KeepAlive {
    run: Rc<Run>,
    leases: Vec<u64>,
    slots: HashMap<u64, usize>,
    streams: Vec<u32>,
    /// Since when each slot's renewal is under way.
    busy: Vec<Option<Instant>>,
    idle: Vec<usize>,
    phase: Phase,
    /// Grants or revocations under way.
    open: usize,
    pace: Pace,
    message: Vec<u8>,
}

impl KeepAlive {
    /// Connection number `at`, with so many leases over so many streams.
    pub(in crate::bench) fn new(run: Rc<Run>, at: usize, leases: usize, streams: usize) -> Self {
        let pace = Pace::share(Rc::clone(&run), at, run.plan.connections);
        Self {
            run,
            leases: vec![0; leases],
            slots: HashMap::new(),
            streams: vec![0; streams.clamp(1, leases.max(1))],
            busy: vec![None; leases],
            idle: (0..leases).rev().collect(),
            phase: Phase::Granting,
            open: 0,
            pace,
            message: Vec::new(),
        }
    }

    fn call(
        &mut self,
        connection: &mut Connection,
        path: &'static str,
        field: u32,
        value: u64,
        tag: usize,
    ) {
        self.message.clear();
        put_number(&mut self.message, field, value);
        let stream = connection.open(path, tag);
        connection.send(stream, &self.message, true);
        self.open += 1;
    }

    fn granted(&mut self, connection: &mut Connection) {
        for at in 0..self.streams.len() {
            let tag = self.leases.len() + at;
            self.streams[at] = connection.open("/etcdserverpb.Lease/LeaseKeepAlive", tag);
        }
        self.phase = Phase::Renewing;
        self.run.is_set_up();
    }

    fn renewed(&mut self, message: &[u8], now: Instant) {
        let (lease, ttl) = (number(message, 2), number(message, 3).cast_signed());
        let Some(&slot) = self.slots.get(&lease) else { return };
        let Some(since) = self.busy[slot].take() else { return };
        self.idle.push(slot);
        if ttl > 0 {
            self.run.done(0, since, now);
        } else {
            self.run.failed(&Status::new(Status::INTERNAL, "a renewed lease is gone"));
        }
    }

    fn renew(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        while let Some(&slot) = self.idle.last() {
            let since = match self.pace.next(now) {
                Next::Begins(since) => since,
                Next::Later(due) => return Some(due),
                Next::Not => break,
            };
            self.idle.pop();
            self.busy[slot] = Some(since);
            self.message.clear();
            put_number(&mut self.message, 1, self.leases[slot]);
            connection.send(self.streams[slot % self.streams.len()], &self.message, false);
        }
        None
    }

    fn give_up(&self, status: &Status) {
        self.run.failed(status);
        self.run.give_up(status.clone());
    }
}

impl Workload for KeepAlive {
    fn connected(&mut self, connection: &mut Connection) {
        for slot in 0..self.leases.len() {
            self.call(connection, "/etcdserverpb.Lease/LeaseGrant", 1, TTL, slot);
        }
        if self.leases.is_empty() {
            self.granted(connection);
        }
    }

    fn event(&mut self, connection: &mut Connection, event: Event<'_>, now: Instant) {
        match event {
            Event::Message { tag, bytes } if tag >= self.leases.len() => self.renewed(&bytes, now),
            Event::Message { tag, bytes } if self.phase == Phase::Granting => {
                let lease = number(&bytes, 2);
                self.leases[tag] = lease;
                self.slots.insert(lease, tag);
            }
            Event::Message { .. } => {}
            Event::Closed { tag, status } if tag >= self.leases.len() => {
                let ended = Status::new(Status::UNAVAILABLE, "a stream of renewals ended");
                let status = if status.code == 0 { ended } else { status };
                if self.phase == Phase::Renewing {
                    self.give_up(&status);
                }
            }
            Event::Closed { status, .. } => {
                if status.code != 0 && self.phase == Phase::Granting {
                    self.give_up(&status);
                }
                self.open -= 1;
                if self.open == 0 && self.phase == Phase::Granting && status.code == 0 {
                    self.granted(connection);
                }
            }
        }
    }

    fn advance(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        if self.run.fatal().is_some() {
            return None;
        }
        if self.phase == Phase::Revoking {
            return (self.open > 0).then_some(now + LOOK);
        }
        let next = self.renew(connection, now);
        if self.phase == Phase::Renewing
            && self.run.is_over(now)
            && self.busy.iter().all(Option::is_none)
        {
            self.phase = Phase::Revoking;
            for slot in 0..self.leases.len() {
                self.call(
                    connection,
                    "/etcdserverpb.Lease/LeaseRevoke",
                    1,
                    self.leases[slot],
                    slot,
                );
            }
            self.run.changed.notify_one();
            return (self.open > 0).then_some(now + LOOK);
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
