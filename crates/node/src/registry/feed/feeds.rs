use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use state::registry::ServiceName;
use tokio::sync::Notify;
use tokio::time::Instant;
use types::{Code, Fault, Revision, Sightings};

use super::audit::{Audit, Push, Reader};
use super::delta::{Delta, Members};
use super::run;
use crate::shard::Shard;
use crate::shared::Shared;

/// Subscriptions of a registry on one node.
const SUBSCRIPTIONS: usize = 1_000_000;
/// Versions that somebody who is behind can be brought on from, one after the other.
const RECENT: usize = 64;
/// Pushes that are remembered for whoever asks.
const REMEMBERED: usize = 32;

/// The services of a registry that have subscribers on this node.
#[derive(Default)]
pub(crate) struct Feeds {
    by_service: Mutex<BTreeMap<ServiceName, Arc<Feed>>>,
    subscriptions: AtomicU64,
}

/// One service with subscribers.
pub(super) struct Feed {
    pub(super) service: ServiceName,
    state: Mutex<State>,
    /// By where they are, which is where they stay.
    readers: Mutex<BTreeMap<usize, Arc<Subscription>>>,
    /// Rung when the last subscriber went.
    pub(super) left: Notify,
}

struct State {
    version: Revision,
    /// The versions at which subscribers were seen to see what they see now.
    same: Sightings,
    members: Arc<Members>,
    /// Steps from one version to the next, each with those it can be taken from.
    recent: VecDeque<(Sightings, Arc<Delta>)>,
    full: Option<Arc<Delta>>,
    pushes: VecDeque<Record>,
    /// Why there is nothing more.
    over: Option<Fault>,
}

struct Record {
    delta: Arc<Delta>,
    readers: usize,
    acknowledged: usize,
    slowest: Duration,
}

/// Where what is new is put for one client.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) news: Mutex<VecDeque<u64>>,
    pub(super) bell: Notify,
}

/// One client's wish to be told of one service.
pub(super) struct Subscription {
    /// The client's number for it.
    pub(super) number: u64,
    pub(super) label: Arc<str>,
    pub(super) mailbox: Arc<Mailbox>,
    /// Whether it is in the mailbox.
    queued: AtomicBool,
    sent: AtomicI64,
    acknowledged: AtomicI64,
    took_micros: AtomicU64,
}

impl Subscription {
    pub(super) fn new(number: u64, label: Arc<str>, mailbox: Arc<Mailbox>) -> Self {
        let (sent, acknowledged) = Default::default();
        let (queued, took_micros) = Default::default();
        Self { number, label, mailbox, queued, sent, acknowledged, took_micros }
    }

    /// There is news for it; told once until it is taken.
    fn wake(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.mailbox.news.lock().push_back(self.number);
            self.mailbox.bell.notify_one();
        }
    }

    /// It is looked after now.
    pub(super) fn taken(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Feeds {
    /// Adds a subscription to a service's, of which there may be none yet.
    pub(super) fn join(
        &self,
        shared: &Arc<Shared>,
        shard: &Arc<Shard>,
        service: ServiceName,
        subscription: Arc<Subscription>,
    ) -> Result<Arc<Feed>, Fault> {
        let known = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        if known >= SUBSCRIPTIONS as u64 {
            self.subscriptions.fetch_sub(1, Ordering::Relaxed);
            let detail = format!("{SUBSCRIPTIONS} subscriptions are open on this node");
            return Err(Fault::new(Code::LimitReached, detail));
        }
        let mut feeds = self.by_service.lock();
        if let Some(feed) = feeds.get(&service) {
            feed.readers.lock().insert(address(&subscription), Arc::clone(&subscription));
            subscription.wake();
            return Ok(Arc::clone(feed));
        }
        let feed = Arc::new(Feed::new(service.clone(), Arc::clone(&subscription)));
        feeds.insert(service, Arc::clone(&feed));
        tokio::spawn(run::run(Arc::clone(shared), Arc::clone(shard), Arc::clone(&feed)));
        Ok(feed)
    }

    /// A subscription ends.
    pub(super) fn leave(&self, feed: &Arc<Feed>, subscription: &Arc<Subscription>) {
        let mut feeds = self.by_service.lock();
        let mut readers = feed.readers.lock();
        if readers.remove(&address(subscription)).is_some() {
            self.subscriptions.fetch_sub(1, Ordering::Relaxed);
        }
        // Nobody can join it meanwhile: the map is held.
        if readers.is_empty()
            && feeds.get(&feed.service).is_some_and(|known| Arc::ptr_eq(known, feed))
        {
            feeds.remove(&feed.service);
            feed.left.notify_one();
        }
    }

    /// What is known of a service's subscribers.
    pub(crate) fn audit(&self, service: &ServiceName) -> Option<Audit> {
        let feed = self.by_service.lock().get(service).cloned();
        feed.map(|feed| feed.audit())
    }

    /// Services that have subscribers, and how many subscriptions there are.
    pub(crate) fn len(&self) -> (usize, usize) {
        let all = self.subscriptions.load(Ordering::Relaxed);
        (self.by_service.lock().len(), usize::try_from(all).unwrap_or(usize::MAX))
    }
}

impl Feed {
    pub(super) fn new(service: ServiceName, first: Arc<Subscription>) -> Self {
        let state = State {
            version: Revision(0),
            same: Sightings::from(0),
            members: Arc::default(),
            recent: VecDeque::new(),
            full: None,
            pushes: VecDeque::new(),
            over: None,
        };
        Self {
            service,
            state: Mutex::new(state),
            readers: Mutex::new(BTreeMap::from([(address(&first), first)])),
            left: Notify::new(),
        }
    }

    /// The service is like this now; answers whether anybody was told.
    pub(super) fn push(&self, version: Revision, members: Members, since: Instant) -> bool {
        let readers = self.readers.lock();
        {
            let mut state = self.state.lock();
            if version <= state.version {
                return false;
            }
            let first = state.version == Revision(0);
            let before = (state.version, &*state.members);
            let delta = Delta::between(&self.service, before, (version, &members), since);
            state.version = version;
            if !first && delta.len() == 0 {
                // Nothing is seen of the change. Who has a version in between may have seen one and not the
                // other of what came and went.
                state.same.add(version.get());
                return false;
            }
            let reaches = std::mem::replace(&mut state.same, Sightings::from(version.get()));
            state.members = Arc::new(members);
            state.full = None;
            if !first {
                let delta = Arc::new(delta);
                push_bounded(&mut state.recent, (reaches, Arc::clone(&delta)), RECENT);
                let record = Record {
                    delta,
                    readers: readers.len(),
                    acknowledged: 0,
                    slowest: Duration::ZERO,
                };
                push_bounded(&mut state.pushes, record, REMEMBERED);
            }
        }
        readers.values().for_each(|reader| reader.wake());
        true
    }

    /// How many subscribe to it.
    pub(super) fn readers(&self) -> usize {
        self.readers.lock().len()
    }

    /// There will be nothing more.
    pub(super) fn end(&self, fault: Fault) {
        self.state.lock().over.get_or_insert(fault);
        self.readers.lock().values().for_each(|reader| reader.wake());
    }

    /// What brings somebody on who has a version: deltas where they are few, or everything. Nothing for
    /// who has as much as is known here, but for the confirmation that it is so, if `confirm`.
    pub(super) fn since(&self, have: Revision, confirm: bool) -> Result<Vec<Arc<Delta>>, Fault> {
        let mut state = self.state.lock();
        if let Some(fault) = &state.over {
            return Err(fault.clone());
        }
        // Nothing is known here yet, or this copy is behind the one it comes from.
        if state.version == Revision(0) || have > state.version {
            return Ok(Vec::new());
        }
        if state.same.have(have.get()) {
            let same = || {
                let at = (state.version, &*state.members);
                Arc::new(Delta::between(&self.service, at, at, Instant::now()))
            };
            return Ok(if confirm { vec![same()] } else { Vec::new() });
        }
        let leads_on = |(reaches, _): &(Sightings, Arc<Delta>)| reaches.have(have.get());
        let steps: Vec<Arc<Delta>> = match state.recent.iter().position(leads_on) {
            Some(at) => state.recent.iter().skip(at).map(|(_, step)| Arc::clone(step)).collect(),
            None => Vec::new(),
        };
        let told: usize = steps.iter().map(|step| step.len()).sum();
        if !steps.is_empty() && (steps.len() == 1 || told < state.members.len()) {
            return Ok(steps);
        }
        let full = match &state.full {
            Some(full) => Arc::clone(full),
            None => {
                let since = state.recent.back().map_or_else(Instant::now, |(_, last)| last.since);
                let nothing = (Revision(0), &Members::new());
                let now = (state.version, &*state.members);
                Arc::new(Delta::between(&self.service, nothing, now, since))
            }
        };
        state.full = Some(Arc::clone(&full));
        Ok(vec![full])
    }

    /// A subscriber was sent a version.
    pub(super) fn sent(&self, subscription: &Subscription, version: Revision) {
        subscription.sent.store(version.get(), Ordering::Relaxed);
    }

    /// A subscriber says that it has a version; answers how long after the change that is, if it is known.
    pub(super) fn acknowledge(
        &self,
        subscription: &Subscription,
        version: Revision,
    ) -> Option<Duration> {
        subscription.acknowledged.fetch_max(version.get(), Ordering::Relaxed);
        let mut state = self.state.lock();
        let record = state.pushes.iter_mut().rev().find(|it| it.delta.to == version)?;
        let took = record.delta.since.elapsed();
        record.acknowledged += 1;
        record.slowest = record.slowest.max(took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        subscription.took_micros.store(micros.max(1), Ordering::Relaxed);
        Some(took)
    }

    fn audit(&self) -> Audit {
        let readers = self.readers.lock();
        let state = self.state.lock();
        let reader = |it: &Arc<Subscription>| {
            let took = it.took_micros.load(Ordering::Relaxed);
            Reader {
                label: it.label.to_string(),
                sent: Revision(it.sent.load(Ordering::Relaxed)),
                acknowledged: Revision(it.acknowledged.load(Ordering::Relaxed)),
                took: (took > 0).then(|| Duration::from_micros(took)),
            }
        };
        let push = |record: &Record| Push {
            version: record.delta.to,
            ago: record.delta.since.elapsed(),
            changed: record.delta.changed.len(),
            gone: record.delta.gone.len(),
            readers: record.readers,
            acknowledged: record.acknowledged,
            slowest: record.slowest,
        };
        Audit {
            version: state.version,
            instances: state.members.len(),
            readers: readers.values().map(reader).collect(),
            pushes: state.pushes.iter().map(push).collect(),
        }
    }
}

fn address(subscription: &Arc<Subscription>) -> usize {
    Arc::as_ptr(subscription).addr()
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}
