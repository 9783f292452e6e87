//! A timing wheel of several levels (Varghese and Lauck, 1987): starting and stopping a timer costs the
//! same however many there are. Nothing is due before its time, and at most a tick after it.

use super::slots::{Entry, NONE};

/// Milliseconds.
const TICK_MS: u64 = 50;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// 50 ms times 64 to the sixth: over a hundred years.
const LEVELS: usize = 6;
/// The list of those whose tick has come.
const READY: u16 = (LEVELS * SLOTS) as u16;
/// Those in no list have this.
const NOWHERE: u16 = READY + 1;

/// All entries, and the lists they are in, one for each slot of each level.
#[derive(Debug)]
pub(super) struct Wheel {
    entries: Vec<Entry>,
    /// The first of the unused entries, which are chained.
    free: u32,
    heads: Box<[u32]>,
    /// Every tick up to this one was looked at.
    tick: u64,
}

impl Wheel {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            heads: vec![NONE; LEVELS * SLOTS + 1].into(),
            tick: now_ms / TICK_MS,
        }
    }

    pub(super) fn entry(&self, at: u32) -> &Entry {
        &self.entries[at as usize]
    }

    pub(super) fn entry_mut(&mut self, at: u32) -> &mut Entry {
        &mut self.entries[at as usize]
    }

    /// Keeps an entry, in no list yet.
    pub(super) fn insert(&mut self, mut entry: Entry) -> u32 {
        entry.list = NOWHERE;
        if self.free != NONE {
            let at = self.free;
            self.free = self.entry(at).next;
            *self.entry_mut(at) = entry;
            return at;
        }
        if self.entries.len() == self.entries.capacity() {
            // An eighth more at a time: doubling would leave a third of the memory unused.
            self.entries.reserve_exact((self.entries.len() / 8).max(64));
        }
        let at = u32::try_from(self.entries.len()).unwrap_or(NONE);
        assert!(at != NONE, "more than 2^32 timers");
        self.entries.push(entry);
        at
    }

    pub(super) fn remove(&mut self, at: u32) -> Entry {
        self.unlink(at);
        let free = std::mem::replace(&mut self.free, at);
        let entry = self.entry_mut(at);
        let removed = entry.clone();
        entry.next = free;
        removed
    }

    /// Puts an entry that is in no list where its deadline belongs.
    pub(super) fn link(&mut self, at: u32) {
        // Rounded up: not before its time.
        let due = self.entry(at).deadline_ms.div_ceil(TICK_MS);
        let list = self.list_of(due);
        let head = std::mem::replace(&mut self.heads[usize::from(list)], at);
        if head != NONE {
            self.entry_mut(head).previous = at;
        }
        let entry = self.entry_mut(at);
        (entry.previous, entry.next, entry.list) = (NONE, head, list);
    }

    pub(super) fn unlink(&mut self, at: u32) {
        let Entry { previous, next, list, .. } = *self.entry(at);
        if list == NOWHERE {
            return;
        }
        match previous {
            NONE => self.heads[usize::from(list)] = next,
            previous => self.entry_mut(previous).next = next,
        }
        if next != NONE {
            self.entry_mut(next).previous = previous;
        }
        self.entry_mut(at).list = NOWHERE;
    }

    /// The level is that of the highest digit in which the tick differs from now, so that every entry
    /// comes down one level at a time as the wheel turns.
    fn list_of(&self, due: u64) -> u16 {
        if due <= self.tick {
            return READY;
        }
        let digit = (u64::BITS - 1 - (due ^ self.tick).leading_zeros()) / BITS;
        let level = (digit as usize).min(LEVELS - 1);
        #[allow(clippy::cast_possible_truncation, reason = "six bits are left")]
        let slot = ((due >> (BITS * level as u32)) as usize) & (SLOTS - 1);
        #[allow(clippy::cast_possible_truncation, reason = "below READY, which fits")]
        let list = (level * SLOTS + slot) as u16;
        list
    }

    /// Turns the wheel up to now; what comes due lies ready then.
    pub(super) fn advance(&mut self, now_ms: u64) {
        let target = now_ms / TICK_MS;
        while self.tick < target {
            self.tick += 1;
            for level in (0..LEVELS).rev() {
                let low = BITS * level as u32;
                if self.tick & ((1 << low) - 1) == 0 {
                    #[allow(clippy::cast_possible_truncation, reason = "six bits are left")]
                    let slot = ((self.tick >> low) as usize) & (SLOTS - 1);
                    self.spread(level * SLOTS + slot);
                }
            }
        }
    }

    /// Puts everything in a list where it belongs now.
    fn spread(&mut self, list: usize) {
        let mut at = std::mem::replace(&mut self.heads[list], NONE);
        while at != NONE {
            let next = self.entry(at).next;
            self.entry_mut(at).list = NOWHERE;
            self.link(at);
            at = next;
        }
    }

    /// Takes one of those that lie ready.
    pub(super) fn pop_ready(&mut self) -> Option<u32> {
        let at = self.heads[usize::from(READY)];
        if at == NONE {
            return None;
        }
        self.unlink(at);
        Some(at)
    }

    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.heads.len() * size_of::<u32>()
    }
}
