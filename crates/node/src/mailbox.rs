//! The queue in front of a worker thread: many push, one takes everything there is. Taking all at
//! once is what makes batches grow with the load.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

struct Queue<T> {
    items: Vec<T>,
    sleeping: bool,
    closed: bool,
}

/// A queue whose owner takes all that is in it. It has no bound of its own: what clients can put in
/// is bounded where it is pushed, what Raft puts in is bounded by its windows.
pub(crate) struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
    wake: Condvar,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        let queue = Queue { items: Vec::new(), sleeping: false, closed: false };
        Self { queue: Mutex::new(queue), wake: Condvar::new() }
    }
}

impl<T> Mailbox<T> {
    /// Adds an item; a closed mailbox drops it, and with it whoever waits on it learns of the end.
    pub(crate) fn push(&self, item: T) {
        self.extend(std::iter::once(item));
    }

    /// Adds items in order.
    pub(crate) fn extend(&self, items: impl IntoIterator<Item = T>) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        queue.items.extend(items);
        if queue.sleeping && !queue.items.is_empty() {
            queue.sleeping = false;
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Moves everything into `into`, waiting up to `patience` if there is nothing. Answers whether
    /// the mailbox is still open; a closed one still hands out what it has.
    pub(crate) fn take(&self, into: &mut Vec<T>, patience: Option<Duration>) -> bool {
        let mut queue = self.queue.lock();
        if queue.items.is_empty() && !queue.closed {
            queue.sleeping = true;
            match patience {
                Some(patience) => {
                    self.wake.wait_for(&mut queue, patience);
                }
                None => self.wake.wait(&mut queue),
            }
            queue.sleeping = false;
        }
        into.append(&mut queue.items);
        !queue.closed
    }

    /// Drops what is queued and takes nothing more: whoever waits on it learns of the end.
    pub(crate) fn abandon(&self) {
        let items = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.items)
        };
        // Outside the lock: an item's end may wake somebody who pushes.
        drop(items);
        self.wake.notify_all();
    }

    /// Lets the owner finish what is queued and end.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.wake.notify_all();
    }
}
