//! The disk of a replica that stands alone: a log with hard states in it, of which a crash leaves a
//! prefix of what was not synced, and a small state beside it.

use std::collections::VecDeque;
use std::sync::Arc;

use consensus::{LogFailure, LogReader, SnapshotMeta, Start};
use parking_lot::Mutex;
use types::{ConfState, Entry, HardState, Index, Term};

use crate::disk::Random;

/// What one `Ready` wants written.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) number: u64,
    pub(super) hard: Option<HardState>,
    pub(super) entries: Vec<Entry>,
    pub(super) snapshot: Option<SnapshotMeta>,
    pub(super) sync: bool,
}

/// A log as it is after some writes.
#[derive(Clone, Default, Debug)]
pub(super) struct Image {
    pub(super) hard: HardState,
    prev: (Index, Term),
    entries: VecDeque<Entry>,
    /// The snapshot the log begins after, for an engine that does not have it yet.
    pub(super) snapshot: Option<SnapshotMeta>,
}

impl Image {
    fn write(&mut self, write: &Write) {
        if let Some(snapshot) = &write.snapshot {
            self.prev = (snapshot.index, snapshot.term);
            self.entries.clear();
            self.snapshot = Some(snapshot.clone());
        }
        if let Some(first) = write.entries.first() {
            let keep = first.index.get().checked_sub(self.prev.0.get() + 1);
            let keep = usize::try_from(keep.unwrap_or_default()).unwrap_or(usize::MAX);
            assert!(keep <= self.entries.len(), "a gap before {}: {:?}", first.index, self.prev);
            self.entries.truncate(keep);
            self.entries.extend(write.entries.iter().cloned());
        }
        self.hard = write.hard.unwrap_or(self.hard);
    }

    pub(super) fn last(&self) -> (Index, Term) {
        self.entries.back().map_or(self.prev, |entry| (entry.index, entry.term))
    }

    pub(super) fn first(&self) -> Index {
        self.prev.0.next()
    }

    fn at(&self, index: Index) -> Option<&Entry> {
        let place = index.get().checked_sub(self.prev.0.get() + 1)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// The term at `index`, where the log tells.
    pub(super) fn term(&self, index: Index) -> Option<Term> {
        if index == self.prev.0 {
            return Some(self.prev.1);
        }
        self.at(index).map(|entry| entry.term)
    }

    fn cut(&mut self, to: Index) {
        if let Some(term) = self.term(to).filter(|_| to > self.prev.0) {
            self.entries.retain(|entry| entry.index > to);
            (self.prev, self.snapshot) = ((to, term), None);
        }
    }
}

/// What is applied.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Engine {
    pub(super) applied: Index,
    pub(super) term: Term,
    pub(super) conf: ConfState,
    /// Stands for all that was applied, in its order.
    pub(super) digest: u64,
}

impl Engine {
    pub(super) fn of_snapshot(meta: &SnapshotMeta) -> Self {
        let digest = meta.data.first_chunk().copied().map_or(0, u64::from_be_bytes);
        let (applied, term, conf) = (meta.index, meta.term, meta.conf_state.clone());
        Self { applied, term, conf, digest }
    }
}

/// Engine versions that a power cut may leave, beside the one that is durable.
const VERSIONS: usize = 64;

/// The disk of one replica.
pub(super) struct Disk {
    durable: Image,
    /// Handed to the operating system since the last sync.
    tail: VecDeque<Write>,
    view: Arc<Mutex<Image>>,
    pub(super) engine: Engine,
    /// The durable engine, and those since.
    versions: VecDeque<Engine>,
}

/// Reads what was written, synced or not.
pub(super) struct Reader(Arc<Mutex<Image>>);

impl LogReader for Reader {
    fn entries(&self, low: Index, high: Index, max: u64) -> Result<Vec<Entry>, LogFailure> {
        let image = self.0.lock();
        let (mut bytes, mut found) = (0, Vec::new());
        let mut next = low;
        while next < high
            && let Some(entry) = image.at(next)
        {
            bytes += entry.data.len() as u64;
            if !found.is_empty() && bytes > max {
                break;
            }
            found.push(entry.clone());
            next = next.next();
        }
        Ok(found)
    }
}

impl Disk {
    /// The disk of a replica that nobody told anything yet.
    pub(super) fn empty() -> Self {
        let (durable, engine) = (Image::default(), Engine::default());
        let versions = [engine.clone()].into();
        Self { durable, tail: VecDeque::new(), view: Arc::default(), engine, versions }
    }

    /// The disk of one of the first members of a group.
    pub(super) fn bootstrap(conf: ConfState) -> Self {
        let start = Start::bootstrap(conf);
        let prev = (start.last, start.last_term);
        let durable = Image { hard: start.hard_state, prev, ..Image::default() };
        let (applied, term, conf) = (start.applied, start.last_term, start.conf_state);
        let engine = Engine { applied, term, conf, digest: 0 };
        let view = Arc::new(Mutex::new(durable.clone()));
        Self { durable, view, versions: [engine.clone()].into(), engine, tail: VecDeque::new() }
    }

    pub(super) fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.view))
    }

    /// What a replica finds at its start. A snapshot whose installation a crash interrupted is
    /// installed now.
    pub(super) fn start(&mut self) -> Start {
        let image = self.durable.clone();
        if let Some(meta) = image.snapshot.as_ref().filter(|it| it.index > self.engine.applied) {
            self.engine = Engine::of_snapshot(meta);
            self.persist();
        }
        if image.last().0 == Index(0) && image.hard == HardState::default() {
            return Start::default();
        }
        let (last, last_term) = image.last();
        Start {
            hard_state: image.hard,
            conf_state: self.engine.conf.clone(),
            first: image.first(),
            prev_term: image.prev.1,
            last,
            last_term,
            applied: self.engine.applied,
            fresh: false,
        }
    }

    /// Hands a write to the operating system.
    pub(super) fn write(&mut self, write: Write) {
        self.view.lock().write(&write);
        self.tail.push_back(write);
    }

    /// What was written since the last sync.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = &Write> {
        self.tail.iter()
    }

    /// Everything written is durable.
    pub(super) fn sync(&mut self) {
        for write in self.tail.drain(..) {
            self.durable.write(&write);
        }
    }

    /// Term, vote and commit that no crash takes away.
    pub(super) fn promised(&self) -> HardState {
        self.durable.hard
    }

    /// The term at `index` once all of the terms up to `until` is written, and whether every crash
    /// leaves the same: `coming` is going to be written. `None` for what a snapshot covers.
    pub(super) fn holds<'a>(
        &'a self,
        index: Index,
        until: Term,
        coming: impl Iterator<Item = &'a Write>,
    ) -> (Option<Term>, bool) {
        let mut terms = vec![(index < self.durable.prev.0, self.durable.term(index))];
        let is_later = |write: &&Write| write.hard.is_some_and(|hard| hard.term > until);
        for write in self.tail.iter().chain(coming).take_while(|write| !is_later(write)) {
            if let Some(meta) = &write.snapshot {
                terms.push((index < meta.index, (index == meta.index).then_some(meta.term)));
            }
            if let Some(first) = write.entries.first().filter(|first| first.index <= index) {
                let place = usize::try_from(index.get() - first.index.get()).unwrap_or(usize::MAX);
                terms.push((false, write.entries.get(place).map(|entry| entry.term)));
            }
        }
        terms.retain(|(covered, _)| !covered);
        let end = terms.last().map(|(_, term)| *term);
        (end.flatten(), terms.iter().all(|(_, term)| term.is_some() && Some(*term) == end))
    }

    /// The log, all of it, once `coming` is written.
    pub(super) fn log<'a>(&self, coming: impl Iterator<Item = &'a Write>) -> Image {
        let mut image = self.view.lock().clone();
        coming.for_each(|write| image.write(write));
        image
    }

    /// The state moved on.
    pub(super) fn applied(&mut self, engine: Engine) {
        self.engine = engine;
        self.versions.push_back(self.engine.clone());
        if self.versions.len() > VERSIONS {
            self.versions.drain(..VERSIONS / 2);
        }
    }

    /// Makes the state durable.
    pub(super) fn persist(&mut self) {
        self.versions = [self.engine.clone()].into();
    }

    /// Cuts the log up to where the state is durable. Not while a batch is being written.
    pub(super) fn cut(&mut self, to: Index) {
        self.sync();
        self.durable.cut(to);
        self.view.lock().cut(to);
    }

    /// The process ends: of the last batch any part was written.
    pub(super) fn kill(&mut self, batch: usize, random: &mut Random) {
        let sure = self.tail.len() - batch.min(self.tail.len());
        let kept = sure + below(random, self.tail.len() - sure + 1);
        self.keep(kept);
    }

    /// The power goes: any prefix of what was not synced is left, and the state falls back.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let all = self.tail.len();
        let kept = if random.chance(40) { 0 } else { below(random, all + 1) };
        self.keep(kept);
        let last = self.versions.len().saturating_sub(1);
        let kept = if random.chance(40) { last } else { below(random, last + 1) };
        self.engine = self.versions.get(kept).cloned().unwrap_or_default();
        self.persist();
    }

    fn keep(&mut self, count: usize) {
        self.tail.truncate(count);
        self.sync();
        *self.view.lock() = self.durable.clone();
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}
