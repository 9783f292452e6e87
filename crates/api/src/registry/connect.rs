//! One client's stream.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use node::{AuthChanges, Subscriptions};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use state::auth::Demand;
use state::registry::{RegistryCommand, ServiceName};
use tonic::{Status, Streaming};
use types::Revision;

use super::convert;
use super::frame::Frame;
use super::operations::{self, Client, answer};
use super::writes::{self, Begun, Came, Writes};
use crate::error;

/// Messages of one client that are carried out at once. Until one of them is done no more are read.
const UNDER_WAY: usize = 256;

/// What a client says, and what it is told.
pub(super) struct Connection {
    client: Client,
    /// Users or rights have changed.
    changes: AuthChanges,
    /// `None` once the client has said all it wants.
    requests: Option<Streaming<pb::OpenRequest>>,
    subscriptions: Subscriptions,
    /// What they are to.
    services: BTreeMap<u64, ServiceName>,
    writes: Writes,
    under_way: FuturesUnordered<BoxFuture<'static, Vec<Tell>>>,
    /// What is to be told next.
    ready: VecDeque<Frame>,
}

impl Connection {
    pub(super) fn new(
        client: Client,
        requests: Streaming<pb::OpenRequest>,
        subscriptions: Subscriptions,
    ) -> Self {
        Self {
            changes: client.handle.auth_changes(),
            client,
            requests: Some(requests),
            subscriptions,
            services: BTreeMap::new(),
            writes: Writes::new(),
            under_way: FuturesUnordered::new(),
            ready: VecDeque::new(),
        }
    }

    /// What the client is told, until it leaves or the node stops.
    pub(super) fn responses(self) -> BoxStream<'static, Result<Frame, Status>> {
        // An error is the stream's last word.
        stream::unfold(Some(self), |state| async {
            let mut state = state?;
            let response = state.next().await?;
            let state = response.is_ok().then_some(state);
            Some((response, state))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Frame, Status>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok(frame));
            }
            let room = UNDER_WAY.saturating_sub(self.under_way.len() + self.writes.len());
            let mut came = Vec::new();
            let Self { client, writes, .. } = self;
            tokio::select! {
                told = self.under_way.next(), if !self.under_way.is_empty() => {
                    self.ready.extend(told.into_iter().flatten().map(Frame::of));
                }
                () = poll_fn(|context| writes.poll(&client.handle, context, &mut came)) => {
                    self.written(came);
                }
                news = self.subscriptions.next() => match news {
                    Ok((subscription, delta)) => {
                        return Some(Ok(Frame::update(subscription, &delta)));
                    }
                    Err(fault) => return Some(Err(error::status(&fault))),
                },
                arrived = arrived(&mut self.requests, room), if room > 0 => {
                    // The client is gone: there is nobody to tell.
                    let Ok(requests) = arrived else { return None };
                    for request in requests {
                        self.obey(request);
                    }
                    self.writes.send(&self.client.handle);
                }
                () = self.changes.next() => if let Err(status) = self.may_listen() {
                    return Some(Err(status));
                },
            }
        }
    }

    /// Whether all that is subscribed to may still be told.
    fn may_listen(&self) -> Result<(), Status> {
        let Client { handle, keyspace, sender } = &self.client;
        if handle.auth_is_off() {
            return Ok(());
        }
        let caller = handle.caller(*keyspace, sender);
        let all = super::service::every_key();
        let what = Demand::ByWhom { user: &Demand::Range(&all), token: &Demand::Anyone };
        let known = caller.permit_still(what);
        let all = known.and_then(|()| {
            self.services.values().try_for_each(|service| caller.permit_subscription(service))
        });
        all.map_err(|fault| error::status(&fault))
    }

    fn obey(&mut self, request: pb::OpenRequest) {
        match request.ask {
            None => {}
            Some(Ask::Register(it)) => self.write(it.request, operations::register(it)),
            Some(Ask::Deregister(it)) => self.write(it.request, operations::deregister(&it)),
            Some(Ask::Beats(beats)) => {
                self.carry_out(|client| async move { client.beats(beats).await });
            }
            Some(Ask::Subscribe(subscribe)) => {
                if let Err(status) = self.subscribe(&subscribe) {
                    let answer = pb::Answer {
                        request: subscribe.subscription,
                        code: status.code().into(),
                        message: status.message().to_owned(),
                        ..pb::Answer::default()
                    };
                    self.ready.push_back(Frame::of(Tell::Answer(answer)));
                }
            }
            Some(Ask::Unsubscribe(it)) => {
                self.subscriptions.remove(it.subscription);
                self.services.remove(&it.subscription);
            }
            Some(Ask::Acknowledge(it)) => {
                self.subscriptions.acknowledge(it.subscription, Revision(it.version));
            }
        }
    }

    fn write(&mut self, request: u64, command: Result<RegistryCommand, Status>) {
        let begun = match command {
            Ok(command) => self.writes.begin(&self.client, request, command),
            Err(status) => Begun::Answered(Err(status)),
        };
        match begun {
            Begun::Waits => {}
            Begun::Answered(done) => self.ready.push_back(Frame::of(answer(request, done))),
            Begun::ByItself(command) => self.carry_out(async move |client: Client| {
                vec![answer(request, client.propose(command).await)]
            }),
        }
    }

    fn written(&mut self, all: Vec<Came>) {
        for came in all {
            match came {
                Came::Answer(request, done) => {
                    self.ready.push_back(Frame::of(answer(request, done)));
                }
                Came::Pursue(request, pursuit, rest) => {
                    self.carry_out(async move |client: Client| {
                        let done = client.handle.pursue(*pursuit).await;
                        let done = match writes::came(request, done, rest) {
                            Came::Answer(_, done) => done,
                            Came::ByItself(_, whole) => client.propose(whole).await,
                            Came::Pursue(..) => Err(Status::internal("hiraeth: it was pursued")),
                        };
                        vec![answer(request, done)]
                    })
                }
                Came::ByItself(request, whole) => self.carry_out(async move |client: Client| {
                    vec![answer(request, client.propose(whole).await)]
                }),
            }
        }
    }

    fn carry_out<F>(&mut self, work: impl FnOnce(Client) -> F)
    where
        F: Future<Output = Vec<Tell>> + Send + 'static,
    {
        self.under_way.push(work(self.client.clone()).boxed());
    }

    fn subscribe(&mut self, subscribe: &pb::Subscribe) -> Result<(), Status> {
        if subscribe.service.is_empty() || subscribe.subscription == 0 || subscribe.version < 0 {
            return Err(Status::invalid_argument(
                "hiraeth: invalid request: a subscription has a number from 1 on, a service, and the version \
                 that is known or 0",
            ));
        }
        self.may_listen()?;
        let namespace = convert::namespace(&subscribe.namespace);
        let service = ServiceName::new(namespace, &subscribe.service);
        let have = Revision(subscribe.version);
        let Client { handle, keyspace, sender } = &self.client;
        let may = handle.caller(*keyspace, sender).permit_subscription(&service);
        may.map_err(|fault| error::status(&fault))?;
        let added = self.subscriptions.add(subscribe.subscription, service.clone(), have);
        added.map_err(|fault| error::status(&fault))?;
        self.services.insert(subscribe.subscription, service);
        Ok(())
    }
}

/// The requests that have come, at most `room`; waits for one if none has. Never ready once there are no
/// more.
async fn arrived(
    requests: &mut Option<Streaming<pb::OpenRequest>>,
    room: usize,
) -> Result<Vec<pb::OpenRequest>, Status> {
    poll_fn(|context| {
        let mut came = Vec::new();
        while came.len() < room {
            let Some(stream) = requests else { break };
            match stream.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(request))) => came.push(request),
                Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(status)),
                // What is under way is told yet; and who only listens goes on listening.
                Poll::Ready(None) => *requests = None,
                Poll::Pending => break,
            }
        }
        if came.is_empty() { Poll::Pending } else { Poll::Ready(Ok(came)) }
    })
    .await
}
