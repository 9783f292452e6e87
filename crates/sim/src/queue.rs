//! What is to happen, by its moment. Events are large and few of them move: the heap holds places.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Things due at a moment, in microseconds; those of the same moment in the order of their numbers.
pub(crate) struct Queue<T> {
    due: BinaryHeap<Reverse<(u64, u64, usize)>>,
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { due: BinaryHeap::new(), places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, at: u64, number: u64, thing: T) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(thing);
        self.due.push(Reverse((at, number, place)));
    }

    /// The next one, with its moment.
    pub(crate) fn pop(&mut self) -> Option<(u64, T)> {
        let Reverse((at, _, place)) = self.due.pop()?;
        self.free.push(place);
        Some((at, self.places[place].take()?))
    }
}
