//! Operations that are calls with one answer, one after the other in each slot.

use std::rc::Rc;
use std::time::Instant;

use crate::bench::driver::Workload;
use crate::bench::http2::{Connection, Event, Status};
use crate::bench::pace::{LOOK, Next, Pace};
use crate::bench::run::Run;

/// One kind of operation, for all slots of a connection.
pub(in crate::bench) trait Operation {
    /// Writes the next request of `slot`; answers its path.
    fn ask(&mut self, slot: usize, message: &mut Vec<u8>) -> &'static str;

    /// Looks at the answer. What is wrong with it is an error.
    fn answer(
        &mut self,
        slot: usize,
        message: &[u8],
        notes: &Notes<'_>,
    ) -> Result<(), &'static str>;

    /// The call ended well: the operation's kind if it is done, `None` if another call belongs to it.
    fn ended(&mut self, slot: usize) -> Option<usize>;

    /// How many operations the call of `slot` is.
    fn together(&self, slot: usize) -> u64 {
        let _ = slot;
        1
    }

    /// A call failed; the operation begins anew.
    fn failed(&mut self, slot: usize) {
        let _ = slot;
    }
}

/// Where operations count what they notice.
pub(in crate::bench) struct Notes<'a> {
    run: &'a Run,
    now: Instant,
}

impl Notes<'_> {
    pub(super) fn add(&self, what: &'static str) {
        self.run.note(what, self.now);
    }
}

pub(in crate::bench) struct Calls<O> {
    run: Rc<Run>,
    operation: O,
    slots: Vec<Slot>,
    idle: Vec<usize>,
    pace: Pace,
    set_up: bool,
    next_look: Option<Instant>,
    message: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Slot {
    stream: u32,
    /// When its operation was due, and when its call began; `None` while idle.
    busy: Option<(Instant, Instant)>,
    wrong: Option<&'static str>,
}

impl<O: Operation> Calls<O> {
    /// Connection number `at` of a run, with `slots` calls under way at most.
    pub(in crate::bench) fn new(run: Rc<Run>, operation: O, at: usize, slots: usize) -> Self {
        let slot = Slot { stream: 0, busy: None, wrong: None };
        let (idle, slots) = ((0..slots).rev().collect(), vec![slot; slots]);
        let pace = Pace::share(Rc::clone(&run), at, run.plan.connections);
        let (next_look, message) = (None, Vec::new());
        Self { run, operation, slots, idle, pace, set_up: false, next_look, message }
    }

    fn call(&mut self, connection: &mut Connection, slot: usize, since: Instant, now: Instant) {
        self.message.clear();
        let path = self.operation.ask(slot, &mut self.message);
        let stream = connection.open(path, slot);
        connection.send(stream, &self.message, true);
        self.slots[slot] = Slot { stream, busy: Some((since, now)), wrong: None };
    }

    fn fail(&mut self, slot: usize, status: &Status) {
        self.run.failed(status);
        self.operation.failed(slot);
        self.slots[slot].busy = None;
        self.idle.push(slot);
    }

    /// Begins operations while there are slots and reasons; answers when the next is due.
    fn begin(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        while !connection.is_leaving()
            && let Some(&slot) = self.idle.last()
        {
            match self.pace.next(now) {
                Next::Begins(since) => {
                    self.idle.pop();
                    self.call(connection, slot, since, now);
                }
                Next::Later(due) => return Some(due),
                Next::Not => break,
            }
        }
        None
    }

    fn look(&mut self, connection: &mut Connection, now: Instant) -> Instant {
        let next = self.next_look.unwrap_or(now + LOOK);
        if now < next {
            self.next_look = Some(next);
            return next;
        }
        let timeout = self.run.plan.timeout;
        for slot in 0..self.slots.len() {
            if self.slots[slot].busy.is_some_and(|(_, began)| now > began + timeout) {
                connection.cancel(self.slots[slot].stream);
                self.fail(slot, &Status::new(Status::DEADLINE_EXCEEDED, "no answer in --timeout"));
            }
        }
        self.next_look = Some(now + LOOK);
        now + LOOK
    }
}

impl<O: Operation> Workload for Calls<O> {
    fn connected(&mut self, connection: &mut Connection) {
        if connection.most_streams() < self.slots.len() {
            let words = format!("the server takes {} calls at once", connection.most_streams());
            self.run.give_up(Status::new(Status::RESOURCE_EXHAUSTED, words));
        }
        if !std::mem::replace(&mut self.set_up, true) {
            self.run.is_set_up();
        }
    }

    fn event(&mut self, connection: &mut Connection, event: Event<'_>, now: Instant) {
        match event {
            Event::Message { tag, bytes } => {
                let notes = Notes { run: &self.run, now };
                self.slots[tag].wrong = self.operation.answer(tag, &bytes, &notes).err();
            }
            Event::Closed { tag, status } => {
                let Slot { busy: Some((since, _)), wrong, .. } = self.slots[tag] else { return };
                if status.code != 0 {
                    self.fail(tag, &status);
                } else if let Some(wrong) = wrong {
                    self.fail(tag, &Status::new(Status::INTERNAL, wrong));
                } else if let Some(kind) = self.operation.ended(tag) {
                    self.run.done_together(kind, self.operation.together(tag), since, now);
                    self.slots[tag].busy = None;
                    self.idle.push(tag);
                } else {
                    self.call(connection, tag, since, now);
                }
            }
        }
    }

    fn advance(&mut self, connection: &mut Connection, now: Instant) -> Option<Instant> {
        let next = self.begin(connection, now);
        let all_idle = self.idle.len() == self.slots.len();
        if all_idle && self.run.is_over(now) {
            // The one who waits for a total does not know otherwise.
            self.run.changed.notify_one();
            return None;
        }
        let look = self.look(connection, now);
        Some(self.pace.wake(next, now).min(look))
    }

    fn lost(&mut self, why: &Status) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].busy.is_some() {
                self.fail(slot, why);
            }
        }
    }
}
