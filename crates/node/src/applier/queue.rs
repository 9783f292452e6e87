//! What waits to be applied, region by region, and who takes what.
//!
//! Quick regions are taken together, as many as have something, so that batches grow with the load.
//! A slow one is taken alone, and never by the last thread that is left: quick ones always find one.
//! Slow is what was measured to be, and every machine of others, whose next command may take any
//! time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use region::Committed;
use types::RegionId;

use super::ToApplier;
use super::pace::Pace;
use crate::proposal::Proposal;

/// Entries after which a turn ends; one batch of commits may go over it.
const TURN_ENTRIES: usize = 1024;
/// The same for their bytes.
const TURN_BYTES: usize = 8 << 20;
/// Threads that are started at most when slow regions hold on to those there are.
const WORKERS: usize = 16;

/// A region's part of a turn.
pub(super) struct Part {
    pub(super) region: RegionId,
    pub(super) commits: VecDeque<Committed<Proposal>>,
    /// Entries applied, and in what time.
    pub(super) applied: (usize, Duration),
}

/// What a worker does next. It owns the regions in it until it brings them back.
pub(super) enum Turn {
    /// Entries of regions, to go into one batch.
    Apply { parts: Vec<Part>, alone: bool },
    /// Anything else, about one region.
    Other { region: RegionId, task: ToApplier, alone: bool },
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<ToApplier>,
    /// Whether a worker has it, or it stands in one of the rows.
    placed: bool,
    /// Whether its machine is one of others.
    foreign: bool,
    pace: Pace,
}

#[derive(Default)]
struct State {
    regions: BTreeMap<RegionId, Queue>,
    /// Regions with something to do that nobody has, in the order of their turns.
    quick: VecDeque<RegionId>,
    slow: VecDeque<RegionId>,
    workers: usize,
    sleeping: usize,
    /// Workers that were woken and have not looked yet.
    waking: usize,
    /// Workers that have a slow region.
    at_slow: usize,
    /// Turns of slow regions that ended; and how many had when it was last looked at.
    slow_turns: u64,
    slow_turns_seen: u64,
    last_was_slow: bool,
    closed: bool,
    /// A worker ended before its turn did: nobody takes anything any more.
    abandoned: bool,
}

/// The queues of all regions. Without a bound of their own: see [`crate::mailbox::Mailbox`].
#[derive(Default)]
pub(crate) struct Queues {
    state: Mutex<State>,
    wake: Condvar,
}

/// One region's queue.
pub(crate) struct RegionQueue<'a> {
    queues: &'a Queues,
    region: RegionId,
}

impl RegionQueue<'_> {
    /// Adds a task; closed queues drop it.
    pub(crate) fn push(&self, task: ToApplier) {
        let mut state = self.queues.state.lock();
        if state.closed {
            return;
        }
        let queue = state.regions.entry(self.region).or_default();
        queue.tasks.push_back(task);
        if !queue.placed {
            state.place(self.region);
        }
        self.queues.wake_one(state);
    }

    /// The region's machine is one of others.
    pub(crate) fn set_foreign(&self) {
        self.queues.state.lock().regions.entry(self.region).or_default().foreign = true;
    }
}

impl State {
    /// Puts a region that nobody has into its row, if there is something to do.
    fn place(&mut self, region: RegionId) {
        let Some(queue) = self.regions.get_mut(&region) else { return };
        queue.placed = !queue.tasks.is_empty();
        match queue.tasks.front() {
            // Most of many regions have nothing to do, and are quick, as one that nothing is known of.
            None if !queue.foreign && queue.pace.is_nothing() => drop(self.regions.remove(&region)),
            None => queue.tasks = VecDeque::new(),
            // A snapshot takes as long as it is large.
            Some(ToApplier::Install(..)) => self.slow.push_back(region),
            Some(_) if queue.foreign || queue.pace.is_slow() => self.slow.push_back(region),
            Some(_) => self.quick.push_back(region),
        }
    }

    /// How many workers may have a slow region.
    fn slow_places(&self) -> usize {
        self.workers.saturating_sub(1).max(1)
    }

    fn may_take_slow(&self) -> bool {
        !self.slow.is_empty() && self.at_slow < self.slow_places()
    }

    fn next_turn(&mut self) -> Option<Turn> {
        if self.abandoned {
            return None;
        }
        // One worker alone takes them in turns; of more, one is always left for the quick.
        let alternate = self.workers < 2 && self.last_was_slow && !self.quick.is_empty();
        self.last_was_slow = self.may_take_slow() && !alternate;
        if self.last_was_slow {
            let region = self.slow.pop_front()?;
            self.at_slow += 1;
            return Some(match self.commits(region, &mut (0, 0)) {
                Some(part) => Turn::Apply { parts: vec![part], alone: true },
                None => Turn::Other { region, task: self.first(region)?, alone: true },
            });
        }
        let mut parts = Vec::new();
        let mut taken = (0, 0);
        while has_room(taken)
            && let Some(region) = self.quick.pop_front()
        {
            match self.commits(region, &mut taken) {
                Some(part) => parts.push(part),
                None if parts.is_empty() => {
                    return Some(Turn::Other { region, task: self.first(region)?, alone: false });
                }
                None => {
                    // For whoever comes next.
                    self.quick.push_front(region);
                    break;
                }
            }
        }
        (!parts.is_empty()).then_some(Turn::Apply { parts, alone: false })
    }

    fn first(&mut self, region: RegionId) -> Option<ToApplier> {
        let first = self.regions.get_mut(&region)?.tasks.pop_front();
        assert!(first.is_some(), "region {region} has its turn and nothing to do");
        first
    }

    /// The entries a region begins with, as many as there is room for beside what was `taken`; none
    /// if something else comes first.
    fn commits(&mut self, region: RegionId, taken: &mut (usize, usize)) -> Option<Part> {
        let tasks = &mut self.regions.get_mut(&region)?.tasks;
        let mut commits = VecDeque::new();
        while has_room(*taken)
            && let Some(task) = tasks.pop_front_if(|task| matches!(task, ToApplier::Committed(_)))
        {
            if let ToApplier::Committed(committed) = task {
                taken.0 += committed.entries.len();
                taken.1 += committed.entries.iter().map(|it| it.data.len()).sum::<usize>();
                commits.push_back(committed);
            }
        }
        (!commits.is_empty()).then_some(Part { region, commits, applied: (0, Duration::ZERO) })
    }
}

fn has_room((entries, bytes): (usize, usize)) -> bool {
    entries < TURN_ENTRIES && bytes < TURN_BYTES
}

impl Queues {
    /// Regions that wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state.lock();
        state.quick.len() + state.slow.len()
    }

    pub(crate) fn of(&self, region: RegionId) -> RegionQueue<'_> {
        RegionQueue { queues: self, region }
    }

    /// Wakes a worker, unless one is on its way: it will take all there is, or wake the next.
    fn wake_one(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        let there_is_work = !state.quick.is_empty() || state.may_take_slow();
        if there_is_work && state.waking == 0 && state.sleeping > 0 {
            state.sleeping -= 1;
            state.waking += 1;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// The next turn, waiting for one; `None` once the queues are closed and empty.
    pub(super) fn take(&self) -> Option<Turn> {
        let mut state = self.state.lock();
        loop {
            if let Some(turn) = state.next_turn() {
                self.wake_one(state);
                return Some(turn);
            }
            if state.abandoned || state.closed && state.slow.is_empty() {
                // Whoever sleeps because of a slow region may go, too.
                self.wake.notify_all();
                return None;
            }
            state.sleeping += 1;
            self.wake.wait(&mut state);
            if state.waking > 0 {
                state.waking -= 1;
            } else {
                // Woken by the end, not by work.
                state.sleeping -= 1;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn try_take(&self) -> Option<Turn> {
        self.state.lock().next_turn()
    }

    /// A turn is over. What is left in its parts comes first at the regions' next turns. Wakes
    /// nobody: the worker comes for its next turn now.
    pub(super) fn give_back(&self, parts: Vec<Part>, alone: bool) {
        let mut state = self.state.lock();
        for part in parts {
            let queue = state.regions.entry(part.region).or_default();
            queue.pace.note(part.applied.0, part.applied.1);
            for committed in part.commits.into_iter().rev() {
                queue.tasks.push_front(ToApplier::Committed(committed));
            }
            state.place(part.region);
        }
        if alone {
            state.at_slow -= 1;
            state.slow_turns += 1;
        }
    }

    /// One more worker; answers its number.
    pub(super) fn enlist(&self) -> usize {
        let mut state = self.state.lock();
        state.workers += 1;
        state.workers - 1
    }

    /// Whether slow regions wait while none got on since the last call, and another worker may help.
    pub(super) fn is_stuck(&self) -> bool {
        let mut state = self.state.lock();
        let still = state.slow_turns == state.slow_turns_seen;
        state.slow_turns_seen = state.slow_turns;
        still && !state.slow.is_empty() && !state.may_take_slow() && state.workers < WORKERS
    }

    /// A worker ended in the middle of its turn: what it had never comes back, so that nothing is
    /// taken any more, and the others end.
    pub(super) fn abandon(&self) {
        let regions = {
            let mut state = self.state.lock();
            (state.closed, state.abandoned) = (true, true);
            std::mem::take(&mut state.regions)
        };
        // Outside the lock: who waits for an answer learns of the end.
        drop(regions);
        self.wake.notify_all();
    }

    /// Lets the workers finish what is queued and end.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_all();
    }
}
