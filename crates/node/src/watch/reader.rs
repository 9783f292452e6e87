//! The half of a watch stream that delivers.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use types::Revision;

use super::batch::{Bare, Batch, Payload};
use super::catch_up::{Found, Plan};
use super::message::{SharedEvents, WatchMessage};
use super::region::Region;
use super::stream::{Item, Stream};

/// Batches whose records before are read in one go.
const FILLED: usize = 256;

/// One client's watches on one keyspace: the half that delivers. Bounded; a reader that falls behind
/// is caught up from the kept history and loses nothing.
pub struct WatchMessages {
    region: Arc<Region>,
    stream: Arc<Stream>,
    /// Bounds the reads of history on the whole node.
    readers: Arc<Semaphore>,
    /// What was taken from the stream and not delivered.
    taken: VecDeque<Item>,
    /// Events being delivered to one watch after the other.
    fan: Option<Fan>,
    /// Whether watches were behind when the queue was last looked at.
    behind: bool,
    /// A read of history under way; live events go on meanwhile.
    catching_up: Option<BoxFuture<'static, Found>>,
    /// A read of the records before under way, which the next events need.
    filling: Option<BoxFuture<'static, ()>>,
}

struct Fan {
    events: Arc<SharedEvents>,
    revision: Revision,
    ids: Arc<Vec<i64>>,
    next: usize,
}

/// What the reader does next.
enum Step {
    Deliver(WatchMessage),
    /// Read the records before.
    Fill(Vec<Arc<Bare>>),
    /// Read history, or wait.
    Idle,
    End,
}

impl WatchMessages {
    pub(super) fn new(region: Arc<Region>, stream: Arc<Stream>, readers: Arc<Semaphore>) -> Self {
        Self {
            region,
            stream,
            readers,
            taken: VecDeque::new(),
            fan: None,
            behind: false,
            catching_up: None,
            filling: None,
        }
    }

    /// The next message; `None` when the stream ended (the node stops, or the control was dropped).
    ///
    /// Reads of history run on tokio's blocking threads. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<WatchMessage> {
        loop {
            if let Some(filling) = &mut self.filling {
                filling.await;
                self.filling = None;
            }
            match self.step() {
                Step::Deliver(message) => {
                    self.catch_up();
                    return Some(message);
                }
                Step::Fill(bare) => self.filling = Some(self.fill(bare)),
                Step::End => return None,
                Step::Idle => self.idle().await,
            }
        }
    }

    /// The next message, if it is there without waiting and without reading: what to put into one
    /// frame with the message [`Self::next`] gave.
    pub fn ready(&mut self) -> Option<WatchMessage> {
        if self.filling.is_some() {
            return None;
        }
        match self.step() {
            Step::Deliver(message) => Some(message),
            Step::Fill(_) | Step::Idle | Step::End => None,
        }
    }

    /// The next message, if there is one; reads history itself. For drivers without a runtime: the
    /// simulator.
    pub fn poll_blocking(&mut self) -> Option<WatchMessage> {
        loop {
            match self.step() {
                Step::Deliver(message) => return Some(message),
                Step::Fill(bare) => {
                    for bare in bare {
                        bare.fill(self.region.history.as_ref(), self.region.id);
                    }
                }
                Step::End => return None,
                Step::Idle => {
                    let found = Plan::of(&self.region, &self.stream)?.run(&self.region);
                    self.taken.extend(found.absorb(&self.region, &self.stream));
                }
            }
        }
    }

    fn step(&mut self) -> Step {
        loop {
            if let Some(message) = self.fan() {
                return Step::Deliver(message);
            }
            if self.taken.is_empty() && !self.refill() {
                return if self.stream.state.lock().is_finished() { Step::End } else { Step::Idle };
            }
            match self.taken.pop_front() {
                None => {}
                Some(Item::Message(message)) => return Step::Deliver(message),
                Some(Item::Events { batch, ids }) => {
                    let events = match &batch.payload {
                        Payload::Whole(events) => Ok(events.clone()),
                        Payload::Bare(bare) => match bare.whole() {
                            Some(whole) => whole.clone(),
                            None => {
                                self.taken.push_front(Item::Events { batch, ids });
                                return Step::Fill(self.bare());
                            }
                        },
                    };
                    match events {
                        Ok(events) => {
                            let revision = batch.last;
                            self.fan = Some(Fan { events, revision, ids, next: 0 });
                        }
                        Err(fault) => {
                            // What comes after would leave a gap.
                            self.taken.clear();
                            self.region.fail(&self.stream, &fault);
                        }
                    }
                }
            }
        }
    }

    /// The next message of the events being delivered.
    fn fan(&mut self) -> Option<WatchMessage> {
        let fan = self.fan.as_mut()?;
        let id = fan.ids.get(fan.next).copied();
        fan.next += 1;
        match id {
            Some(id) => Some(WatchMessage::Events {
                id,
                revision: fan.revision,
                events: fan.events.clone(),
            }),
            None => {
                self.fan = None;
                None
            }
        }
    }

    /// Takes what there is: a finished read first, so that a busy feed does not starve watches that
    /// are behind; else the stream's queue. Answers whether there was anything.
    fn refill(&mut self) -> bool {
        if let Some(found) = self.catching_up.as_mut().and_then(FutureExt::now_or_never) {
            self.absorb(found);
        }
        if self.taken.is_empty() {
            let mut state = self.stream.state.lock();
            state.take(&mut self.taken);
            self.behind = !state.lags.is_empty();
        }
        !self.taken.is_empty()
    }

    fn absorb(&mut self, found: Found) {
        self.catching_up = None;
        self.taken.extend(found.absorb(&self.region, &self.stream));
    }

    /// Starts a read of history if a watch needs one; also while live events keep coming.
    fn catch_up(&mut self) {
        if self.behind && self.catching_up.is_none() {
            self.behind = false;
            self.catching_up = Plan::of(&self.region, &self.stream).map(|plan| self.read(plan));
        }
    }

    /// Waits for a read of history or for live events.
    async fn idle(&mut self) {
        self.catch_up();
        let notified = self.stream.notify.notified();
        let Some(reading) = &mut self.catching_up else { return notified.await };
        let found = tokio::select! {
            found = reading => found,
            () = notified => return,
        };
        self.absorb(found);
    }

    fn read(&self, plan: Plan) -> BoxFuture<'static, Found> {
        let (region, readers) = (self.region.clone(), self.readers.clone());
        let numbers = plan.numbers();
        async move {
            let _permit = readers.acquire_owned().await;
            let read = tokio::task::spawn_blocking(move || plan.run(&region)).await;
            read.unwrap_or_else(|_| Found::nothing(numbers))
        }
        .boxed()
    }

    fn fill(&self, bare: Vec<Arc<Bare>>) -> BoxFuture<'static, ()> {
        let (region, readers) = (self.region.clone(), self.readers.clone());
        async move {
            let _permit = readers.acquire_owned().await;
            let tried = bare.clone();
            let work = move || {
                for bare in bare {
                    bare.fill(region.history.as_ref(), region.id);
                }
            };
            if tokio::task::spawn_blocking(work).await.is_err() {
                tried.iter().for_each(|bare| bare.give_up());
            }
        }
        .boxed()
    }

    /// What among the next events still lacks the records before.
    fn bare(&self) -> Vec<Arc<Bare>> {
        let bare = |item: &Item| match item {
            Item::Events { batch: Batch { payload: Payload::Bare(bare), .. }, .. } => {
                bare.whole().is_none().then(|| bare.clone())
            }
            _ => None,
        };
        self.taken.iter().filter_map(bare).take(FILLED).collect()
    }
}

impl Drop for WatchMessages {
    fn drop(&mut self) {
        self.region.leave(&self.stream);
    }
}
