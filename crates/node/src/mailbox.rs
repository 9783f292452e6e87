//! The queue in front of a worker thread: many push, one takes everything there is. Taking all at
//! once is what makes batches grow with the load.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Room for so many items is kept, whatever comes.
const KEPT: usize = 1_024;

struct Queue<T> {
    urgent: Vec<T>,
    items: Vec<T>,
    sleeping: bool,
    closed: bool,
}

impl<T> Queue<T> {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.items.is_empty()
    }

    fn give_back(&mut self) {
        give_back(&mut self.urgent);
        give_back(&mut self.items);
    }
}

/// Lets go of room that a burst needed, once there is hardly anything again: a node that begins with
/// 10,000 regions has megabytes of it.
fn give_back<T>(items: &mut Vec<T>) {
    if is_too_much(items.capacity(), items.len()) {
        items.shrink_to(KEPT);
    }
}

/// Whether room for so many items is far more than those that are there need.
pub(crate) const fn is_too_much(capacity: usize, len: usize) -> bool {
    capacity > KEPT && capacity / 16 > len
}

/// A queue whose owner takes all that is in it. It has no bound of its own: what clients can put in
/// is bounded where it is pushed, what Raft puts in is bounded by its windows.
pub(crate) struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
    wake: Condvar,
    /// Which items are handed out ahead of the others; order holds among each kind.
    is_urgent: fn(&T) -> bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::with_lanes(|_| false)
    }
}

impl<T> Mailbox<T> {
    /// A mailbox in which urgent items overtake the others.
    pub(crate) fn with_lanes(is_urgent: fn(&T) -> bool) -> Self {
        let queue = Queue { urgent: Vec::new(), items: Vec::new(), sleeping: false, closed: false };
        Self { queue: Mutex::new(queue), wake: Condvar::new(), is_urgent }
    }

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
        for item in items {
            let lane = if (self.is_urgent)(&item) { &mut queue.urgent } else { &mut queue.items };
            lane.push(item);
        }
        if queue.sleeping && !queue.is_empty() {
            queue.sleeping = false;
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Moves everything into `into`, urgent items first, waiting up to `patience` if there is
    /// nothing. Answers whether the mailbox is still open; a closed one still hands out what it has.
    pub(crate) fn take(&self, into: &mut Vec<T>, patience: Option<Duration>) -> bool {
        let mut queue = self.wait(patience);
        queue.give_back();
        into.append(&mut queue.urgent);
        into.append(&mut queue.items);
        give_back(into);
        !queue.closed
    }

    /// [`Self::take`] with each lane apart.
    pub(crate) fn take_lanes(
        &self,
        urgent: &mut Vec<T>,
        others: &mut impl Extend<T>,
        patience: Option<Duration>,
    ) -> bool {
        let mut queue = self.wait(patience);
        queue.give_back();
        urgent.append(&mut queue.urgent);
        give_back(urgent);
        others.extend(queue.items.drain(..));
        !queue.closed
    }

    fn wait(&self, patience: Option<Duration>) -> parking_lot::MutexGuard<'_, Queue<T>> {
        let mut queue = self.queue.lock();
        if queue.is_empty() && !queue.closed && patience != Some(Duration::ZERO) {
            queue.sleeping = true;
            match patience {
                Some(patience) => {
                    self.wake.wait_for(&mut queue, patience);
                }
                None => self.wake.wait(&mut queue),
            }
            queue.sleeping = false;
        }
        queue
    }

    /// How many items wait.
    pub(crate) fn len(&self) -> usize {
        let queue = self.queue.lock();
        queue.urgent.len() + queue.items.len()
    }

    /// Drops what is queued and takes nothing more: whoever waits on it learns of the end.
    pub(crate) fn abandon(&self) {
        let items = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            (std::mem::take(&mut queue.urgent), std::mem::take(&mut queue.items))
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::Mailbox;

    #[test]
    fn urgent_items_overtake_the_others_and_each_lane_keeps_its_order() {
        let mailbox = Mailbox::with_lanes(|item: &u32| *item >= 100);
        mailbox.extend([1, 2, 101, 3, 102]);
        mailbox.push(4);
        let (mut urgent, mut others) = (Vec::new(), VecDeque::new());
        assert!(mailbox.take_lanes(&mut urgent, &mut others, None));
        assert_eq!((urgent, others), (vec![101, 102], VecDeque::from([1, 2, 3, 4])));
        mailbox.extend(0..50_000);
        let mut burst = Vec::new();
        assert!(mailbox.take(&mut burst, None));
        assert_eq!((burst.len(), burst.is_sorted_by_key(|item| *item < 100)), (50_000, true));
        mailbox.push(7);
        assert!(mailbox.take(&mut burst, None));
        burst.clear();
        mailbox.push(8);
        assert!(mailbox.take(&mut burst, None));
        let (queue, kept) = (mailbox.queue.lock(), 2 * super::KEPT);
        let rooms = [burst.capacity(), queue.urgent.capacity(), queue.items.capacity()];
        assert!(rooms.iter().all(|room| *room <= kept), "the burst is over: {rooms:?}");
        drop(queue);

        mailbox.extend([5, 103]);
        mailbox.close();
        let mut all = Vec::new();
        assert!(!mailbox.take(&mut all, Some(Duration::ZERO)), "it is closed");
        assert_eq!(all, [103, 5]);
    }
}
