//! The library's view of the log: recent entries from memory, older ones through [`LogReader`].
//!
//! Memory always holds every entry that was handed out in a `Ready` and is not durable yet, so that
//! the library can read what the disk cannot show yet (pitfall 2).

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;

use raft::eraftpb;
use raft::{GetEntriesContext, RaftState, StorageError};
use types::{ConfState, Entry, HardState, Index};

use crate::ready::{SnapshotMeta, SnapshotRequest};
use crate::terms::Terms;
use crate::{LogFailure, LogReader, Start, convert};

/// Bytes an entry is counted with beside its payload.
const ENTRY_OVERHEAD: usize = size_of::<Entry>();

pub(crate) struct Store {
    reader: Box<dyn LogReader>,
    first: u64,
    last: u64,
    /// Entries up to here can be read through `reader`.
    durable: u64,
    /// The entries right up to `last`.
    cache: VecDeque<Entry>,
    cached_bytes: usize,
    cache_limit: usize,
    terms: RefCell<Terms>,
    /// What a snapshot is wanted for, and whether that was told already.
    wanted: Cell<Option<(SnapshotRequest, bool)>>,
    /// Boxed, as the next: a node may have 10,000 replicas, and hardly any has one of these.
    provided: RefCell<Option<Box<(SnapshotRequest, SnapshotMeta)>>>,
    failure: RefCell<Option<LogFailure>>,
    /// Only until the library has read it.
    initial: Option<Box<RaftState>>,
}

impl Store {
    pub(crate) fn new(start: &Start, reader: Box<dyn LogReader>, cache_limit: usize) -> Self {
        let mut store = Self { reader, cache_limit, ..Self::hollow() };
        store.first = start.first.get();
        (store.last, store.durable) = (start.last.get(), start.last.get());
        let terms = store.terms.get_mut();
        terms.reset(start.first.get() - 1, start.prev_term.get());
        terms.learn(start.last.get(), start.last_term.get());
        store.starts(&start.hard_state, &start.conf_state);
        store
    }

    /// One of nothing, to stand in the place of one that is taken.
    pub(crate) fn hollow() -> Self {
        Self {
            reader: Box::new(NoLog),
            first: 1,
            last: 0,
            durable: 0,
            cache: VecDeque::new(),
            cached_bytes: 0,
            cache_limit: 0,
            terms: RefCell::new(Terms::default()),
            wanted: Cell::new(None),
            provided: RefCell::new(None),
            failure: RefCell::new(None),
            initial: None,
        }
    }

    /// What the library reads when it starts.
    pub(crate) fn starts(&mut self, hard_state: &HardState, conf_state: &ConfState) {
        self.initial = Some(Box::new(RaftState {
            hard_state: convert::hard_state_to_raft(hard_state),
            conf_state: convert::conf_state_to_raft(conf_state),
        }));
    }

    /// Frees what only the library's start needed.
    pub(crate) fn started(&mut self) {
        self.initial = None;
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn cached_bytes(&self) -> usize {
        self.cached_bytes
    }

    /// The failure to read that stopped this replica.
    pub(crate) fn failure(&self) -> Option<LogFailure> {
        self.failure.borrow().clone()
    }

    pub(crate) fn term_at(&self, index: u64) -> Option<u64> {
        raft::Storage::term(self, index).ok()
    }

    /// Takes in entries that are handed out to be written, replacing what they overlap.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(head) = entries.first() else { return };
        let from = head.index.get();
        assert!(
            self.first <= from && from <= self.last + 1,
            "entries from {from} do not fit the log {}..={}",
            self.first,
            self.last
        );
        while self.cache.back().is_some_and(|entry| entry.index.get() >= from) {
            if let Some(entry) = self.cache.pop_back() {
                self.cached_bytes -= cost(&entry);
            }
        }
        self.durable = self.durable.min(from - 1);
        let terms = self.terms.get_mut();
        terms.truncate(from);
        for (entry, at) in entries.iter().zip(from..) {
            assert_eq!(entry.index.get(), at, "a gap in the entries from {from}");
            terms.learn(entry.index.get(), entry.term.get());
            self.cached_bytes += cost(entry);
            self.cache.push_back(entry.clone());
        }
        self.last = from - 1 + entries.len() as u64;
        self.evict(self.cache_limit);
    }

    /// Starts the log again after a snapshot.
    pub(crate) fn restore(&mut self, index: u64, term: u64) {
        self.cache.clear();
        self.cached_bytes = 0;
        self.first = index + 1;
        self.last = index;
        self.durable = index;
        self.terms.get_mut().reset(index, term);
    }

    /// Entries up to `index` are durable.
    pub(crate) fn durable_to(&mut self, index: u64) {
        self.durable = self.durable.max(index.min(self.last));
        self.evict(self.cache_limit);
    }

    /// Entries up to `index` are gone.
    pub(crate) fn compact(&mut self, index: u64) {
        if index < self.first || index > self.durable {
            return;
        }
        let Some(term) = self.term_at(index) else { return };
        while self.cache.front().is_some_and(|entry| entry.index.get() <= index) {
            self.pop();
        }
        self.terms.get_mut().compact(index, term);
        self.first = index + 1;
    }

    /// Drops durable entries from memory, oldest first, down to `limit` bytes.
    pub(crate) fn evict(&mut self, limit: usize) {
        while self.cached_bytes > limit
            && self.cache.front().is_some_and(|entry| entry.index.get() <= self.durable)
        {
            self.pop();
        }
        if self.cache.is_empty() || self.cache.capacity() > 64.max(8 * self.cache.len()) {
            self.cache.shrink_to_fit();
        }
    }

    /// Gives back all that can be read again.
    pub(crate) fn release(&mut self) {
        self.evict(0);
        self.terms.get_mut().shrink();
    }

    /// The snapshot to ask the driver for, once per need.
    pub(crate) fn take_wanted(&mut self) -> Option<SnapshotRequest> {
        let (request, told) = self.wanted.get()?;
        self.wanted.set(Some((request, true)));
        (!told).then_some(request)
    }

    pub(crate) fn has_wanted(&self) -> bool {
        matches!(self.wanted.get(), Some((_, false)))
    }

    /// Forgets the request, so that a peer that still needs a snapshot asks again.
    pub(crate) fn forget_wanted(&mut self) {
        self.wanted.set(None);
        *self.provided.get_mut() = None;
    }

    /// Accepts the answer to a request.
    pub(crate) fn provide(&mut self, snapshot: SnapshotMeta) -> Result<u64, &'static str> {
        let Some((request, _)) = self.wanted.get() else { return Err("nobody needs one") };
        if snapshot.index < request.at_least || snapshot.index.get() + 1 < self.first {
            return Err("it is older than what was asked for");
        }
        self.wanted.set(None);
        *self.provided.get_mut() = Some(Box::new((request, snapshot)));
        Ok(request.to.get())
    }

    fn pop(&mut self) {
        if let Some(entry) = self.cache.pop_front() {
            self.cached_bytes -= cost(&entry);
        }
    }

    /// The first index in memory; `last + 1` if there is none.
    fn cache_start(&self) -> u64 {
        self.cache.front().map_or(self.last + 1, |entry| entry.index.get())
    }

    fn cached(&self, index: u64) -> Option<&Entry> {
        let at = index.checked_sub(self.cache_start())?;
        self.cache.get(usize::try_from(at).ok()?)
    }

    fn read(&self, low: u64, high: u64, max_bytes: u64) -> Result<Vec<Entry>, LogFailure> {
        assert!(high <= self.durable + 1, "{low}..{high} is not durable, only {}", self.durable);
        let entries = self.reader.entries(Index(low), Index(high), max_bytes)?;
        let in_order = entries.iter().zip(low..high).all(|(entry, at)| entry.index.get() == at);
        if entries.is_empty() || !in_order || entries.len() as u64 > high - low {
            return Err(LogFailure(format!("asked for entries {low}..{high}, got others")));
        }
        Ok(entries)
    }

    fn fail(&self, failure: LogFailure) {
        self.failure.borrow_mut().get_or_insert(failure);
    }

    fn collect(&self, low: u64, high: u64, max: u64) -> Result<Vec<eraftpb::Entry>, LogFailure> {
        let mut bytes = 0_u64;
        let mut found = Vec::new();
        let mut take = |entry: &Entry| {
            bytes = bytes.saturating_add(cost(entry) as u64);
            let fits = found.is_empty() || bytes <= max;
            if fits {
                found.push(convert::entry_to_raft(entry));
            }
            fits
        };
        let start = self.cache_start();
        let mut next = low;
        while next < high.min(start) {
            for entry in self.read(next, high.min(start), max)? {
                if !take(&entry) {
                    return Ok(found);
                }
                next += 1;
            }
        }
        let skip = usize::try_from(next - start.min(next)).unwrap_or(usize::MAX);
        let count = usize::try_from(high - next).unwrap_or(usize::MAX);
        self.cache.iter().skip(skip).take(count).all(take);
        Ok(found)
    }
}

/// The log of nothing.
struct NoLog;

impl LogReader for NoLog {
    fn entries(&self, low: Index, high: Index, _: u64) -> Result<Vec<Entry>, LogFailure> {
        Err(LogFailure(format!("asked for entries {low}..{high} of no log")))
    }
}

fn cost(entry: &Entry) -> usize {
    entry.data.len() + ENTRY_OVERHEAD
}

impl raft::Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(self.initial.as_deref().cloned().unwrap_or_default())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> raft::Result<Vec<eraftpb::Entry>> {
        if low < self.first {
            return Err(StorageError::Compacted.into());
        }
        assert!(high <= self.last + 1, "entries {low}..{high} of a log up to {}", self.last);
        if self.failure.borrow().is_none() {
            match self.collect(low, high, max_size.into().unwrap_or(u64::MAX)) {
                Ok(entries) => return Ok(entries),
                Err(failure) => self.fail(failure),
            }
        }
        // The replica has stopped; nothing that follows from these answers leaves it. They are
        // the ones that keep the library from panicking.
        if context.can_async() {
            Err(StorageError::LogTemporarilyUnavailable.into())
        } else {
            Ok(Vec::new())
        }
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if let Some(entry) = self.cached(index) {
            return Ok(entry.term.get());
        }
        if index + 1 < self.first {
            return Err(StorageError::Compacted.into());
        }
        if index > self.last {
            return Err(StorageError::Unavailable.into());
        }
        if let Some(term) = self.terms.borrow().get(index) {
            return Ok(term);
        }
        match self.reader.term(Index(index)) {
            Ok(term) => {
                self.terms.borrow_mut().learn(index, term.get());
                Ok(term.get())
            }
            Err(failure) => {
                self.fail(failure);
                Err(StorageError::Unavailable.into())
            }
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last)
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<eraftpb::Snapshot> {
        let at_least = Index(request_index.max(self.first - 1));
        let Some(to) = convert::peer(to) else {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        };
        let mut provided = self.provided.borrow_mut();
        if let Some(known) = provided.take() {
            let (request, snapshot) = known.as_ref();
            if request.to == to && snapshot.index >= at_least {
                return Ok(convert::snapshot_to_raft(snapshot));
            }
            if request.to != to {
                *provided = Some(known);
            }
        }
        if self.wanted.get().is_none() {
            self.wanted.set(Some((SnapshotRequest { to, at_least }, false)));
        }
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}
