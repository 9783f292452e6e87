//! An engine that keeps what a real one promises and not a batch more: after a crash a prefix of the
//! batches, with everything up to the last `persist` in it.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use storage::engine::{Engine, EngineStats, Error, MemoryEngine, Snapshot};
use types::{Batch, Garbage, ReadFailure, Reader};

use crate::disk::Random;

/// Records removed in one batch: few, so that a crash can fall between two.
const CLEAR_KEYS: usize = 16;
/// Batches that are not durable at most.
const AT_RISK: usize = 256;

#[derive(Default)]
struct State {
    live: MemoryEngine,
    /// What no power cut takes away.
    durable: MemoryEngine,
    /// The batches since.
    at_risk: VecDeque<Batch>,
    /// Writes until the power goes.
    fuse: Option<u64>,
    off: bool,
}

impl State {
    /// One more write, if the power is still on.
    fn spend(&mut self) -> Result<(), Error> {
        if self.off || self.fuse == Some(0) {
            self.off = true;
            return Err(Error::Latched("the power goes off".to_owned()));
        }
        if let Some(fuse) = &mut self.fuse {
            *fuse -= 1;
        }
        Ok(())
    }

    /// Makes the first `count` of the batches at risk durable.
    fn keep(&mut self, count: usize) {
        for batch in self.at_risk.drain(..count) {
            let kept = self.durable.write(batch);
            assert!(kept.is_ok(), "it was written before: {kept:?}");
        }
    }
}

/// The engine of one simulated node.
#[derive(Default)]
pub(crate) struct SimEngine(Mutex<State>);

impl SimEngine {
    /// Lets the power go after `writes` more batches.
    pub(crate) fn cut_power_in(&self, writes: u64) {
        self.0.lock().fuse = Some(writes);
    }

    /// Takes back a power cut that did not happen yet.
    pub(crate) fn disarm(&self) {
        self.0.lock().fuse = None;
    }

    pub(crate) fn power_is_off(&self) -> bool {
        self.0.lock().off
    }

    /// Batches that a power cut could take away now.
    pub(crate) fn at_risk(&self) -> usize {
        self.0.lock().at_risk.len()
    }

    /// The process died, with or without the machine: some prefix of the batches since the last
    /// `persist` is left.
    pub(crate) fn crash(&self, random: &mut Random) {
        let mut state = self.0.lock();
        (state.fuse, state.off) = (None, false);
        let last = state.at_risk.len();
        let kept = match random.below(3) {
            0 => 0,
            1 => last,
            _ => usize::try_from(random.below(last as u64 + 1)).unwrap_or(0),
        };
        state.keep(kept);
        state.at_risk.clear();
        let mut batch = Batch::default();
        let everything = state.durable.scan(&[], &[0xff; 40], &mut |key, value| {
            batch.put(key, value);
            true
        });
        let live = MemoryEngine::new();
        let copied = live.write(batch);
        assert!(everything.is_ok() && copied.is_ok(), "{everything:?} {copied:?}");
        state.live = live;
    }
}

impl Reader for SimEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadFailure> {
        self.0.lock().live.get(key)
    }

    fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: &mut dyn FnMut(Bytes, Bytes) -> bool,
    ) -> Result<(), ReadFailure> {
        // Not under the lock: `visit` may come back.
        let view = self.0.lock().live.snapshot();
        view.scan(start, end, visit)
    }
}

impl Engine for SimEngine {
    fn write(&self, batch: Batch) -> Result<(), Error> {
        let mut state = self.0.lock();
        state.spend()?;
        state.live.write(batch.clone())?;
        state.at_risk.push_back(batch);
        if state.at_risk.len() > AT_RISK {
            // A real engine writes its tables in its own time, too.
            state.keep(AT_RISK / 2);
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), Error> {
        let mut state = self.0.lock();
        if state.off {
            return Err(Error::Latched("the power is off".to_owned()));
        }
        let count = state.at_risk.len();
        state.keep(count);
        Ok(())
    }

    /// At once: what is asked for here is rare.
    fn flush_soon(&self) {
        let mut state = self.0.lock();
        if !state.off {
            let count = state.at_risk.len();
            state.keep(count);
        }
    }

    fn durable(&self) -> Box<dyn Snapshot> {
        self.0.lock().durable.snapshot()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        self.0.lock().live.snapshot()
    }

    fn clear_range(&self, start: &[u8], end: &[u8]) -> Result<(), Error> {
        loop {
            let mut batch = Batch::default();
            self.scan(start, end, &mut |key, _| {
                batch.delete(key);
                batch.len() < CLEAR_KEYS
            })?;
            if batch.is_empty() {
                return Ok(());
            }
            self.write(batch)?;
        }
    }

    /// As the engine on disk: at once and for good, piece by piece.
    fn sweep(&self, start: &[u8], end: &[u8], garbage: &dyn Garbage) -> Result<bool, Error> {
        let mut from = start.to_vec();
        loop {
            let mut batch = Batch::default();
            while batch.len() < CLEAR_KEYS
                && let Some(key) = garbage.next(&from).filter(|key| **key < *end)
            {
                from = [&key[..], &[0]].concat();
                batch.delete(key);
            }
            if batch.is_empty() {
                return Ok(true);
            }
            let mut state = self.0.lock();
            state.spend()?;
            state.durable.write(batch.clone())?;
            state.live.write(batch)?;
        }
    }

    fn stats(&self) -> EngineStats {
        self.0.lock().live.stats()
    }
}
