//! One client's stream.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::stream::{self, BoxStream, StreamExt};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use tokio::sync::watch;
use tonic::{Status, Streaming};

use super::feed::{Feed, Subscription};
use super::frame::Frame;
use super::hub::State;
use super::hubs::Joined;
use super::mailbox::{Mailbox, Note};

/// Subscriptions of one client.
const OF_A_CLIENT: usize = 16_384;

/// What a client says, and what it is told.
pub(super) struct Session {
    joined: Joined,
    state: watch::Receiver<State>,
    /// `None` once the client has said all it wants.
    requests: Option<Streaming<pb::OpenRequest>>,
    mailbox: Arc<Mailbox>,
    all: BTreeMap<u64, Entry>,
    /// What is to be told next.
    ready: VecDeque<Frame>,
}

struct Entry {
    feed: Arc<Feed>,
    subscription: Arc<Subscription>,
    have: i64,
    confirmed: bool,
}

impl Session {
    pub(super) fn new(joined: Joined, requests: Streaming<pb::OpenRequest>) -> Self {
        Self {
            state: joined.hub.state.subscribe(),
            joined,
            requests: Some(requests),
            mailbox: Arc::default(),
            all: BTreeMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// What the client is told, until it leaves or no member serves it.
    pub(super) fn responses(self) -> BoxStream<'static, Result<Frame, Status>> {
        // An error is the stream's last word.
        stream::unfold(Some(self), |session| async {
            let mut session = session?;
            let response = session.next().await?;
            let session = response.is_ok().then_some(session);
            Some((response, session))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Frame, Status>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok(frame));
            }
            if let Some(note) = self.mailbox.take() {
                self.look(note);
                continue;
            }
            tokio::select! {
                () = self.mailbox.bell.notified() => {}
                status = over(&mut self.state) => return status.map(Err),
                request = request(&mut self.requests), if self.mailbox.has_room() => match request {
                    Ok(Some(request)) => self.obey(request),
                    // What is under way is told yet; and who only listens goes on listening.
                    Ok(None) => self.requests = None,
                    // The client is gone: there is nobody to tell.
                    Err(_) => return None,
                },
            }
        }
    }

    fn look(&mut self, note: Note) {
        match note {
            Note::Tell(tell) => self.ready.push_back(Frame::Own(tell)),
            Note::Refused(number, answer) => {
                if let Some(entry) = self.all.remove(&number) {
                    self.joined.hub.leave(&entry.feed, &entry.subscription);
                    let answer = pb::Answer { request: number, ..answer };
                    self.ready.push_back(Frame::Own(Tell::Answer(answer)));
                }
            }
            Note::News(number) => {
                let Some(entry) = self.all.get_mut(&number) else { return };
                // First, so that what comes from here on is told again.
                entry.subscription.taken();
                for delta in entry.feed.since(entry.have, !entry.confirmed) {
                    entry.have = delta.to;
                    entry.confirmed = true;
                    self.joined.hubs.meters.pushes.fetch_add(1, Ordering::Relaxed);
                    let change = delta.encoded.clone();
                    self.ready.push_back(Frame::Update { subscription: number, change });
                }
            }
        }
    }

    fn obey(&mut self, request: pb::OpenRequest) {
        let hub = &self.joined.hub;
        match request.ask {
            // The gateway acknowledges for all.
            None | Some(Ask::Acknowledge(_)) => {}
            Some(Ask::Register(register)) => {
                let request = register.request;
                hub.request(&self.mailbox, request, Ask::Register(register));
            }
            Some(Ask::Deregister(deregister)) => {
                let request = deregister.request;
                hub.request(&self.mailbox, request, Ask::Deregister(deregister));
            }
            Some(Ask::Beats(beats)) => {
                let count = beats.instances.len() as u64;
                self.joined.hubs.meters.beats.fetch_add(count, Ordering::Relaxed);
                hub.beat(&self.mailbox, beats);
            }
            Some(Ask::Subscribe(subscribe)) => {
                let number = subscribe.subscription;
                if let Err(status) = self.subscribe(subscribe) {
                    let answer = pb::Answer {
                        request: number,
                        code: status.code().into(),
                        message: status.message().to_owned(),
                        ..pb::Answer::default()
                    };
                    self.ready.push_back(Frame::Own(Tell::Answer(answer)));
                }
            }
            Some(Ask::Unsubscribe(it)) => {
                if let Some(entry) = self.all.remove(&it.subscription) {
                    hub.leave(&entry.feed, &entry.subscription);
                }
            }
        }
    }

    fn subscribe(&mut self, subscribe: pb::Subscribe) -> Result<(), Status> {
        let pb::Subscribe { subscription: number, namespace, service, version } = subscribe;
        if service.is_empty() || number == 0 || version < 0 {
            return Err(Status::invalid_argument(
                "hiraeth: invalid request: a subscription has a number from 1 on, a service, and the version \
                 that is known or 0",
            ));
        }
        if self.all.contains_key(&number) {
            let told =
                format!("hiraeth: invalid request: the subscription {number} is there already");
            return Err(Status::invalid_argument(told));
        }
        if self.all.len() >= OF_A_CLIENT {
            let told =
                format!("hiraeth: a limit was reached: a client has {OF_A_CLIENT} subscriptions");
            return Err(Status::resource_exhausted(told));
        }
        let subscription = Arc::new(Subscription::new(number, Arc::clone(&self.mailbox)));
        let feed = self.joined.hub.join((namespace, service), &subscription)?;
        self.all.insert(number, Entry { feed, subscription, have: version, confirmed: false });
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for entry in std::mem::take(&mut self.all).into_values() {
            self.joined.hub.leave(&entry.feed, &entry.subscription);
        }
    }
}

/// What ends all of a hub's streams, once something does.
async fn over(state: &mut watch::Receiver<State>) -> Option<Status> {
    let over = state.wait_for(|state| matches!(state, State::Over(_))).await;
    match over.as_deref() {
        Ok(State::Over(status)) => Some(status.clone()),
        _ => None,
    }
}

/// The next request; never, once there are no more.
async fn request(
    requests: &mut Option<Streaming<pb::OpenRequest>>,
) -> Result<Option<pb::OpenRequest>, Status> {
    match requests {
        Some(requests) => requests.message().await,
        None => std::future::pending().await,
    }
}
