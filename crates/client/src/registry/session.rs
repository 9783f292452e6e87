//! What a program wants of the registry, kept true at whichever server is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::instance::Instance;
use super::kept::KeptInstance;
use super::link::Link;
use super::service::{Known, Service, Table};
use crate::call::back_off;
use crate::{Client, Error};

/// How long to wait for the next beat when nothing beats.
const IDLE: Duration = Duration::from_secs(3_600);
/// An instance beats this often in its time to live.
const BEATS_IN_TTL: u32 = 3;
/// How long to leave alone what was taken once and is refused now.
const AGAIN: Duration = Duration::from_secs(5);
/// Beats of one message.
const BEATS: usize = 65_536;

pub(super) fn over() -> Error {
    Error::Interrupted {
        endpoint: "the registry".to_owned(),
        reason: "its session ended".to_owned(),
    }
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What is wanted.
pub(super) enum Order {
    Register { instance: Box<Instance>, reply: Reply<u64> },
    Deregister { number: u64, reply: Option<Reply<()>> },
    Abandon(u64),
    Follow { namespace: String, service: String, reply: Reply<(u64, watch::Receiver<Known>)> },
    Unfollow(u64),
}

/// A program's session with the registry: one stream, which is opened anew at another server when one
/// goes away; what is registered is registered there again, and what is followed goes on from what is
/// known. Cheap to clone; the session ends with the last clone and everything it gave out.
#[derive(Clone)]
pub struct Registry {
    orders: mpsc::UnboundedSender<Order>,
}

impl Client {
    /// A session with the registry. `label` is what it is called for whoever looks who is pushed what.
    #[must_use]
    pub fn registry(&self, label: Option<&str>) -> Registry {
        let (orders, received) = mpsc::unbounded_channel();
        let session = Session {
            client: self.clone(),
            label: label.map(str::to_owned),
            orders: received,
            wishes: Wishes::default(),
        };
        tokio::spawn(session.run());
        Registry { orders }
    }
}

impl Registry {
    /// Registers an instance, and keeps it alive until what is answered is dropped.
    ///
    /// # Errors
    /// What the servers refuse. While none is reached this waits.
    pub async fn register(&self, instance: Instance) -> Result<KeptInstance, Error> {
        let (reply, done) = oneshot::channel();
        let order = Order::Register { instance: Box::new(instance), reply };
        self.orders.send(order).map_err(|_| over())?;
        let number = done.await.map_err(|_| over())??;
        Ok(KeptInstance { number, orders: self.orders.clone(), done: false })
    }

    /// Follows a service; answers once its instances are known. An empty namespace is `default`.
    ///
    /// # Errors
    /// What the servers refuse. While none is reached this waits.
    pub async fn follow(&self, namespace: &str, service: &str) -> Result<Service, Error> {
        let (reply, done) = oneshot::channel();
        let (namespace, service) = (namespace.to_owned(), service.to_owned());
        self.orders.send(Order::Follow { namespace, service, reply }).map_err(|_| over())?;
        let (number, known) = done.await.map_err(|_| over())??;
        let mut followed = Service { number, known, orders: self.orders.clone() };
        followed.known.wait_for(|known| known.version > 0).await.map_err(|_| over())?;
        followed.known.mark_unchanged();
        Ok(followed)
    }
}

/// What is to be so.
#[derive(Default)]
struct Wishes {
    last: u64,
    instances: BTreeMap<u64, Kept>,
    services: BTreeMap<u64, Followed>,
    /// Deregistrations whose answer is waited for, by request.
    leaving: BTreeMap<u64, Leaving>,
    /// Which instance a registration under way is of, by request.
    requests: BTreeMap<u64, u64>,
    /// Which instance is beaten for by which number.
    handles: BTreeMap<u64, u64>,
    /// When which instance is to beat next.
    beats: BTreeSet<(Instant, u64)>,
}

struct Kept {
    instance: Instance,
    /// What to beat for; 0 while it is not registered.
    handle: u64,
    /// When it is to beat next, if it is.
    beat_at: Option<Instant>,
    reply: Option<Reply<u64>>,
}

/// An instance that is taken back.
struct Leaving {
    ask: pb::Deregister,
    reply: Option<Reply<()>>,
    /// Its registration that is under way: the server carries out both at once, and it must not come last.
    after: Option<u64>,
}

struct Followed {
    namespace: String,
    service: String,
    table: Table,
    tell: watch::Sender<Known>,
}

impl Wishes {
    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// An instance is registered, and beaten for by this number; or it is not any more.
    fn set_handle(&mut self, number: u64, handle: u64) {
        let Some(kept) = self.instances.get_mut(&number) else { return };
        if let Some(at) = kept.beat_at.take() {
            self.beats.remove(&(at, number));
        }
        self.handles.remove(&kept.handle);
        kept.handle = handle;
        if handle > 0 {
            let at = Instant::now() + between_beats(&kept.instance);
            kept.beat_at = Some(at);
            self.beats.insert((at, number));
            self.handles.insert(handle, number);
        }
    }

    fn remove_instance(&mut self, number: u64) -> Option<Kept> {
        self.set_handle(number, 0);
        self.instances.remove(&number)
    }

    /// The stream is gone, and with it what was under way.
    fn disconnect(&mut self) {
        self.requests.clear();
        self.leaving.values_mut().for_each(|leaving| leaving.after = None);
        self.handles.clear();
        self.beats.clear();
        for kept in self.instances.values_mut() {
            (kept.handle, kept.beat_at) = (0, None);
        }
    }

    /// A deregistration was answered. What to ask once more if that may go well; it is wanted until it
    /// does, also when the stream breaks before it is asked.
    fn left(&mut self, request: u64, failed: Option<Error>) -> Option<pb::Deregister> {
        if failed.as_ref().is_some_and(passes) {
            return self.leaving.get(&request).map(|leaving| leaving.ask.clone());
        }
        if let Some(reply) = self.leaving.remove(&request)?.reply {
            drop(reply.send(failed.map_or(Ok(()), Err)));
        }
        None
    }

    /// An instance that was registered before is refused now: it is tried again after a while.
    fn set_aside(&mut self, number: u64) {
        self.set_handle(number, 0);
        if let Some(kept) = self.instances.get_mut(&number) {
            let at = Instant::now() + AGAIN;
            kept.beat_at = Some(at);
            self.beats.insert((at, number));
        }
    }

    /// What is to be beaten for by now, or soon, each once more after its time; and what is to be registered
    /// again.
    fn due(&mut self, now: Instant) -> (Vec<u64>, Vec<u64>) {
        let (mut due, mut again) = (Vec::new(), Vec::new());
        while let Some(&(at, number)) = self.beats.first() {
            let Some(kept) = self.instances.get_mut(&number) else {
                self.beats.pop_first();
                continue;
            };
            let between = between_beats(&kept.instance);
            if at > now + between / 8 {
                break;
            }
            self.beats.pop_first();
            if kept.handle == 0 {
                kept.beat_at = None;
                again.push(number);
                continue;
            }
            kept.beat_at = Some(now + between);
            self.beats.insert((now + between, number));
            due.push(kept.handle);
        }
        (due, again)
    }
}

struct Session {
    client: Client,
    label: Option<String>,
    orders: mpsc::UnboundedReceiver<Order>,
    wishes: Wishes,
}

impl Session {
    async fn run(mut self) {
        let mut failures = 0;
        let mut token = None;
        let mut logged_in_anew = false;
        loop {
            // Nothing is opened before something is wanted.
            if self.is_idle() {
                match self.orders.recv().await {
                    Some(order) => self.wish(order),
                    None => return,
                }
            }
            let opened = Link::open(&self.client, self.label.as_deref(), &mut token).await;
            let failed = match opened {
                Err(error) => error,
                Ok(mut link) => {
                    let served = self.serve(&mut link, &mut failures).await;
                    self.wishes.disconnect();
                    match served {
                        Ok(()) => return,
                        Err(error) => {
                            link.leave(&self.client);
                            error
                        }
                    }
                }
            };
            // Only the token was wrong, which has an end: once more with another one.
            if failures == 0 {
                logged_in_anew = false;
            }
            if !logged_in_anew && self.client.logs_in_anew(&failed, token.as_ref()).await {
                logged_in_anew = true;
                failures += 1;
                continue;
            }
            if !passes(&failed) {
                self.refuse(&failed);
            }
            failures += 1;
            let all = u32::try_from(self.client.shared.endpoints.len()).unwrap_or(u32::MAX);
            if failures >= all {
                sleep(back_off(failures / all)).await;
            }
        }
    }

    fn is_idle(&self) -> bool {
        let Wishes { instances, services, leaving, .. } = &self.wishes;
        instances.is_empty() && services.is_empty() && leaving.is_empty()
    }

    /// Who waits is told that it cannot be.
    fn refuse(&mut self, error: &Error) {
        let text = error.to_string();
        let told = || Error::Setting(text.clone());
        self.wishes.instances.retain(|_, kept| match kept.reply.take() {
            Some(reply) => {
                drop(reply.send(Err(told())));
                false
            }
            None => true,
        });
        // They wait for what is known: that ends with this.
        self.wishes.services.retain(|_, followed| followed.table.version > 0);
    }

    /// Takes in what is wanted.
    fn wish(&mut self, order: Order) {
        let number = self.wishes.next_number();
        match order {
            Order::Register { instance, reply } => {
                let kept =
                    Kept { instance: *instance, handle: 0, beat_at: None, reply: Some(reply) };
                self.wishes.instances.insert(number, kept);
            }
            Order::Deregister { number: of, reply } => {
                let Some(kept) = self.wishes.remove_instance(of) else { return };
                let instance = pb::Instance::from(kept.instance);
                let node = match instance.node.as_str() {
                    "" => instance.address,
                    node => node.to_owned(),
                };
                let id = match instance.id.as_str() {
                    "" => format!("{}-{}", instance.service, instance.port),
                    id => id.to_owned(),
                };
                let namespace = instance.namespace;
                let deregister = pb::Deregister { request: number, namespace, node, id };
                let mut under_way = self.wishes.requests.iter();
                let after = under_way.find(|(_, it)| **it == of).map(|(request, _)| *request);
                self.wishes.leaving.insert(number, Leaving { ask: deregister, reply, after });
            }
            Order::Abandon(of) => drop(self.wishes.remove_instance(of)),
            Order::Follow { namespace, service, reply } => {
                let (tell, known) = watch::channel(Known::default());
                let followed = Followed { namespace, service, table: Table::default(), tell };
                if reply.send(Ok((number, known))).is_ok() {
                    self.wishes.services.insert(number, followed);
                }
            }
            Order::Unfollow(of) => drop(self.wishes.services.remove(&of)),
        }
    }

    /// Serves over one stream until that breaks; `Ok` when nobody wants anything any more.
    async fn serve(&mut self, link: &mut Link, failures: &mut u32) -> Result<(), Error> {
        let numbers: Vec<u64> = self.wishes.instances.keys().copied().collect();
        for number in numbers {
            self.register(link, number)?;
        }
        for (number, followed) in &self.wishes.services {
            link.say(subscribe(*number, followed))?;
        }
        for leaving in self.wishes.leaving.values() {
            link.say(Ask::Deregister(leaving.ask.clone()))?;
        }
        let mut open = true;
        loop {
            if !open && self.is_idle() {
                return Ok(());
            }
            let beat_at = self.next_beat();
            tokio::select! {
                order = self.orders.recv(), if open => match order {
                    Some(order) => self.carry_out(link, order)?,
                    None => open = false,
                },
                told = link.hear() => {
                    *failures = 0;
                    self.take(link, told?).await?;
                }
                () = sleep_until(beat_at) => self.beat(link)?,
            }
        }
    }

    fn carry_out(&mut self, link: &Link, order: Order) -> Result<(), Error> {
        let unfollowed = match &order {
            Order::Unfollow(number) => Some(*number),
            _ => None,
        };
        self.wish(order);
        let number = self.wishes.last;
        if let Some(subscription) = unfollowed {
            return link.say(Ask::Unsubscribe(pb::Unsubscribe { subscription }));
        }
        if self.wishes.instances.contains_key(&number) {
            return self.register(link, number);
        }
        if let Some(followed) = self.wishes.services.get(&number) {
            return link.say(subscribe(number, followed));
        }
        match self.wishes.leaving.get(&number) {
            Some(leaving) if leaving.after.is_none() => {
                link.say(Ask::Deregister(leaving.ask.clone()))
            }
            _ => Ok(()),
        }
    }

    fn register(&mut self, link: &Link, number: u64) -> Result<(), Error> {
        let request = self.wishes.next_number();
        self.wishes.set_handle(number, 0);
        let Some(kept) = self.wishes.instances.get(&number) else { return Ok(()) };
        self.wishes.requests.insert(request, number);
        let instance = Some(kept.instance.clone().into());
        link.say(Ask::Register(pb::Register { request, instance }))
    }

    async fn take(&mut self, link: &Link, response: pb::OpenResponse) -> Result<(), Error> {
        match response.tell {
            None => Ok(()),
            Some(Tell::Answer(answer)) => self.answered(link, answer).await,
            Some(Tell::Unknown(beats)) => {
                let handles = &self.wishes.handles;
                let lost: Vec<u64> =
                    beats.instances.iter().filter_map(|it| handles.get(it).copied()).collect();
                for number in lost {
                    self.register(link, number)?;
                }
                Ok(())
            }
            Some(Tell::Update(update)) => {
                let subscription = update.subscription;
                let Some(followed) = self.wishes.services.get_mut(&subscription) else {
                    return Ok(());
                };
                let change = update.change.unwrap_or_default();
                // After a new connection it may only say that nothing happened.
                let is_news = change.everything
                    || followed.table.version == 0
                    || !(change.changed.is_empty() && change.gone.is_empty());
                let known = followed.table.take(change);
                let version = known.version;
                followed.tell.send_if_modified(|before| {
                    *before = known;
                    is_news
                });
                link.say(Ask::Acknowledge(pb::Acknowledge { subscription, version }))
            }
        }
    }

    async fn answered(&mut self, link: &Link, answer: pb::Answer) -> Result<(), Error> {
        let failed = (answer.code != 0).then(|| Error::of_answer(answer.code, &answer.message));
        if self.wishes.leaving.contains_key(&answer.request) {
            if let Some(again) = self.wishes.left(answer.request, failed) {
                sleep(back_off(0)).await;
                link.say(Ask::Deregister(again))?;
            }
            return Ok(());
        }
        for leaving in self.wishes.leaving.values_mut() {
            if leaving.after.take_if(|after| *after == answer.request).is_some() {
                link.say(Ask::Deregister(leaving.ask.clone()))?;
            }
        }
        if self.wishes.services.contains_key(&answer.request) {
            // Refused: who waits for what is known hears of its end.
            self.wishes.services.remove(&answer.request);
            return Ok(());
        }
        let Some(number) = self.wishes.requests.remove(&answer.request) else { return Ok(()) };
        match failed {
            None => {
                self.wishes.set_handle(number, answer.instance);
                let kept = self.wishes.instances.get_mut(&number);
                if let Some(reply) = kept.and_then(|kept| kept.reply.take()) {
                    drop(reply.send(Ok(number)));
                }
                Ok(())
            }
            Some(error) if passes(&error) => {
                sleep(back_off(0)).await;
                self.register(link, number)
            }
            // The token has come to its end: a new stream brings another one.
            Some(error) if is_about_the_token(&error) => Err(error),
            Some(error) => {
                let kept = self.wishes.instances.get_mut(&number);
                match kept.and_then(|kept| kept.reply.take()) {
                    Some(reply) => {
                        self.wishes.remove_instance(number);
                        drop(reply.send(Err(error)));
                    }
                    // It was taken before, and its program counts on it.
                    None => self.wishes.set_aside(number),
                }
                Ok(())
            }
        }
    }

    fn next_beat(&self) -> Instant {
        self.wishes.beats.first().map_or_else(|| Instant::now() + IDLE, |(at, _)| *at)
    }

    /// Beats for all whose time has come, and those whose time is near.
    fn beat(&mut self, link: &Link) -> Result<(), Error> {
        let (due, again) = self.wishes.due(Instant::now());
        for number in again {
            self.register(link, number)?;
        }
        for instances in due.chunks(BEATS) {
            link.say(Ask::Beats(pb::Beats { instances: instances.to_vec(), request: 0 }))?;
        }
        Ok(())
    }
}

fn between_beats(instance: &Instance) -> Duration {
    instance.ttl.map_or(IDLE, |ttl| ttl / BEATS_IN_TTL)
}

fn subscribe(subscription: u64, followed: &Followed) -> Ask {
    Ask::Subscribe(pb::Subscribe {
        subscription,
        namespace: followed.namespace.clone(),
        service: followed.service.clone(),
        version: followed.table.version,
    })
}

fn is_about_the_token(error: &Error) -> bool {
    matches!(error.code(), Some(types::Code::InvalidAuthToken | types::Code::UserEmpty))
}

/// Whether it may be otherwise elsewhere or later.
fn passes(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } | Error::Interrupted { .. } | Error::TimedOut { .. } => true,
        Error::Server { code, .. } => matches!(
            code,
            types::Code::NoLeader
                | types::Code::NotLeader
                | types::Code::LeaderChanged
                | types::Code::Timeout
                | types::Code::ShuttingDown
                | types::Code::RegionNotFound
                | types::Code::TooManyRequests
        ),
        Error::Status { grpc, .. } => *grpc == tonic::Code::Unavailable,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::hiraeth::v1 as pb;
    use tokio::sync::oneshot;

    use super::{Leaving, Wishes};
    use crate::Error;

    /// A server without a leader refuses; before it is asked again the stream may break.
    #[test]
    fn what_is_to_leave_is_wanted_until_it_has_left() {
        let mut wishes = Wishes::default();
        let (reply, mut told) = oneshot::channel();
        let ask = pb::Deregister { request: 7, ..pb::Deregister::default() };
        wishes.leaving.insert(7, Leaving { ask: ask.clone(), reply: Some(reply), after: None });
        let after = Duration::from_secs(1);
        let refused = Error::TimedOut { after, outcome_unknown: false, last: None };
        assert_eq!(wishes.left(7, Some(refused)), Some(ask));
        wishes.disconnect();
        assert!(wishes.leaving.contains_key(&7));
        assert!(matches!(told.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
        assert_eq!(wishes.left(7, None), None);
        assert!(matches!(told.try_recv(), Ok(Ok(()))));
    }
}
