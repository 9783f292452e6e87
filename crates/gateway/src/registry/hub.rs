use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::header::HeaderValue;
use parking_lot::Mutex;
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::beats::{self, Beats};
use super::feed::{Feed, ServiceName, Subscription};
use super::mailbox::Mailbox;

/// Services of one stream to a member: as many as a member takes.
const SERVICES: usize = 16_384;
/// Registrations under way at once: fewer than the messages of a stream that a member carries out at once, so
/// that beats and subscriptions never wait behind them.
const AT_ONCE: usize = 128;
/// Registrations that wait for that.
const WAITING: usize = 65_536;
/// What waits to be said of subscriptions, before the member is left for another: it takes nothing.
const ASKS: usize = 65_536;

/// All that clients with the same token want of the registry: one stream to one member.
pub(super) struct Hub {
    pub(super) token: Option<HeaderValue>,
    /// By which it finds its member.
    pub(super) number: u64,
    pub(super) clients: AtomicUsize,
    inner: Mutex<Inner>,
    /// Rung when there is something to say to the member, or nobody is left.
    pub(super) bell: Notify,
    pub(super) state: watch::Sender<State>,
}

/// How it stands with the member.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// One is looked for.
    Trying,
    /// It took the token.
    Connected,
    /// There will be none: what clients are told.
    Over(Status),
}

#[derive(Default)]
struct Inner {
    /// The newest number that was given out, to subscriptions and requests alike.
    last: u64,
    by_service: BTreeMap<ServiceName, Arc<Feed>>,
    by_number: BTreeMap<u64, Arc<Feed>>,
    /// Whether a member is there that was told of all subscriptions.
    is_connected: bool,
    /// Subscriptions that come, go and are acknowledged since.
    asks: VecDeque<Ask>,
    waiting: VecDeque<(Requester, Ask)>,
    under_way: BTreeMap<u64, Requester>,
    beats: Beats,
}

/// Who asked for something, under which number of its own.
struct Requester {
    mailbox: Arc<Mailbox>,
    request: u64,
}

impl Inner {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Says something of a subscription. The next member is told of all.
    fn say(&mut self, ask: Ask) {
        if self.is_connected {
            self.asks.push_back(ask);
        }
    }
}

impl Hub {
    pub(super) fn new(token: Option<HeaderValue>, number: u64) -> Self {
        let (clients, inner, bell) = Default::default();
        Self { token, number, clients, inner, bell, state: watch::Sender::new(State::Trying) }
    }

    /// Whether nobody is left.
    pub(super) fn is_left(&self) -> bool {
        self.clients.load(Ordering::Relaxed) == 0
    }

    /// Services that are followed, and subscriptions to them.
    pub(super) fn count(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        let readers = inner.by_service.values().map(|feed| feed.readers()).sum();
        (inner.by_service.len(), readers)
    }

    /// A client follows a service; the first one asks a member for it.
    pub(super) fn join(
        &self,
        service: ServiceName,
        subscription: &Arc<Subscription>,
    ) -> Result<Arc<Feed>, Status> {
        let mut inner = self.inner.lock();
        if let Some(feed) = inner.by_service.get(&service) {
            feed.join(subscription);
            return Ok(Arc::clone(feed));
        }
        if inner.by_service.len() >= SERVICES {
            let told =
                format!("hiraeth: a limit was reached: this gateway follows {SERVICES} services");
            return Err(Status::resource_exhausted(told));
        }
        let number = inner.number();
        let feed = Arc::new(Feed::new(service.clone(), number));
        feed.join(subscription);
        inner.by_service.insert(service, Arc::clone(&feed));
        inner.by_number.insert(number, Arc::clone(&feed));
        inner.say(subscribe(&feed));
        drop(inner);
        self.bell.notify_one();
        Ok(feed)
    }

    /// It does not any more; the last one takes the subscription with it.
    pub(super) fn leave(&self, feed: &Arc<Feed>, subscription: &Arc<Subscription>) {
        let mut inner = self.inner.lock();
        // Nobody can join it meanwhile.
        if feed.leave(subscription) && inner.by_number.remove(&feed.number).is_some() {
            inner.by_service.remove(&feed.service);
            let subscription = feed.number;
            inner.say(Ask::Unsubscribe(pb::Unsubscribe { subscription }));
            drop(inner);
            self.bell.notify_one();
        }
    }

    /// A client registers or deregisters something.
    pub(super) fn request(&self, mailbox: &Arc<Mailbox>, request: u64, ask: Ask) {
        mailbox.begin();
        let mut inner = self.inner.lock();
        if inner.waiting.len() >= WAITING {
            drop(inner);
            let told = format!("hiraeth: a limit was reached: {WAITING} registrations wait here");
            return mailbox.answer(request, beats::answer(Code::ResourceExhausted, &told));
        }
        inner.waiting.push_back((Requester { mailbox: Arc::clone(mailbox), request }, ask));
        drop(inner);
        self.bell.notify_one();
    }

    /// A client's instances are alive.
    pub(super) fn beat(&self, mailbox: &Arc<Mailbox>, beats: pb::Beats) {
        self.inner.lock().beats.add(mailbox, beats);
        self.bell.notify_one();
    }

    /// A member is there, which knows nothing of what is followed here.
    pub(super) fn connected(&self) {
        let mut inner = self.inner.lock();
        inner.asks = inner.by_number.values().map(|feed| subscribe(feed)).collect();
        inner.is_connected = true;
        drop(inner);
        self.state.send_replace(State::Connected);
    }

    /// The member is gone. What became of registrations is not known; clients ask again.
    pub(super) fn disconnected(&self) {
        self.state.send_replace(State::Trying);
        let under_way = {
            let mut inner = self.inner.lock();
            inner.beats.disconnected();
            inner.is_connected = false;
            inner.asks.clear();
            std::mem::take(&mut inner.under_way)
        };
        let lost = beats::answer(Code::Unavailable, crate::words::LOST);
        for requester in under_way.into_values() {
            requester.mailbox.answer(requester.request, lost.clone());
        }
    }

    /// Nobody is reached: what was not sent is not done.
    pub(super) fn unreached(&self, why: &str) {
        let waiting = {
            let mut inner = self.inner.lock();
            inner.beats.give_up(why);
            std::mem::take(&mut inner.waiting)
        };
        for (requester, _) in waiting {
            let answer = beats::answer(Code::Unavailable, why);
            requester.mailbox.answer(requester.request, answer);
        }
    }

    /// Whether the member takes nothing of what it is told.
    pub(super) fn is_stuck(&self) -> bool {
        self.inner.lock().asks.len() >= ASKS
    }

    /// What is to be said next, if there is anything.
    pub(super) fn next(&self, now: Instant) -> Option<Ask> {
        let mut inner = self.inner.lock();
        if let Some(ask) = inner.asks.pop_front() {
            return Some(ask);
        }
        if inner.under_way.len() < AT_ONCE
            && let Some((requester, mut ask)) = inner.waiting.pop_front()
        {
            let number = inner.number();
            match &mut ask {
                Ask::Register(it) => it.request = number,
                Ask::Deregister(it) => it.request = number,
                _ => {}
            }
            inner.under_way.insert(number, requester);
            return Some(ask);
        }
        let number = inner.number();
        inner.beats.next(number, now).map(Ask::Beats)
    }

    /// When there is something to say; `None` until the bell rings.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        let inner = self.inner.lock();
        let has_room = inner.under_way.len() < AT_ONCE && !inner.waiting.is_empty();
        if has_room || !inner.asks.is_empty() {
            return Some(Instant::now());
        }
        inner.beats.ready_at()
    }

    /// A member says something.
    pub(super) fn hear(&self, tell: Tell) {
        let mut inner = self.inner.lock();
        match tell {
            Tell::Unknown(beats) => inner.beats.unknown(beats),
            Tell::Update(pb::Update { subscription, change }) => {
                let (Some(feed), Some(change)) = (inner.by_number.get(&subscription), change)
                else {
                    return;
                };
                let feed = Arc::clone(feed);
                let version = change.version;
                inner.say(Ask::Acknowledge(pb::Acknowledge { subscription, version }));
                drop(inner);
                feed.take(change);
            }
            Tell::Answer(answer) => {
                if inner.beats.answered(&answer) {
                    return;
                }
                if let Some(requester) = inner.under_way.remove(&answer.request) {
                    drop(inner);
                    return requester.mailbox.answer(requester.request, answer);
                }
                if let Some(feed) = inner.by_number.remove(&answer.request) {
                    inner.by_service.remove(&feed.service);
                    drop(inner);
                    feed.refuse(&answer);
                }
            }
        }
    }

    /// Asks anew for services of which a client knows more than is known here.
    pub(super) fn catch_up(&self) {
        let mut inner = self.inner.lock();
        let behind: Vec<Arc<Feed>> =
            inner.by_number.values().filter(|feed| feed.is_behind()).cloned().collect();
        for feed in behind {
            let subscription = feed.number;
            inner.say(Ask::Unsubscribe(pb::Unsubscribe { subscription }));
            inner.say(subscribe(&feed));
        }
    }
}

fn subscribe(feed: &Feed) -> Ask {
    let (namespace, service) = feed.service.clone();
    let version = feed.version();
    Ask::Subscribe(pb::Subscribe { subscription: feed.number, namespace, service, version })
}
