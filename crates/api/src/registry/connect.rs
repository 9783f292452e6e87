//! One client's stream.

use std::collections::VecDeque;
use std::future::Future;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use node::{AuthChanges, Subscriptions};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::open_response::Tell;
use state::auth::Demand;
use state::registry::ServiceName;
use tonic::{Status, Streaming};
use types::Revision;

use super::convert;
use super::frame::Frame;
use super::operations::Client;
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
            let takes_more = self.under_way.len() < UNDER_WAY;
            tokio::select! {
                told = self.under_way.next(), if !self.under_way.is_empty() => {
                    self.ready.extend(told.into_iter().flatten().map(Frame::of));
                }
                news = self.subscriptions.next() => match news {
                    Ok((subscription, delta)) => {
                        return Some(Ok(Frame::update(subscription, &delta)));
                    }
                    Err(fault) => return Some(Err(error::status(&fault))),
                },
                request = request(&mut self.requests), if takes_more => match request {
                    Ok(Some(request)) => self.obey(request),
                    // What is under way is told yet; and who only listens goes on listening.
                    Ok(None) => self.requests = None,
                    // The client is gone: there is nobody to tell.
                    Err(_) => return None,
                },
                () = self.changes.next() => if let Err(status) = self.may_listen() {
                    return Some(Err(status));
                },
            }
        }
    }

    fn may_listen(&self) -> Result<(), Status> {
        let Client { handle, keyspace, token } = &self.client;
        let caller = handle.caller(*keyspace, token);
        let all = super::service::every_key();
        caller.permit_still(Demand::Range(&all)).map_err(|fault| error::status(&fault))
    }

    fn obey(&mut self, request: pb::OpenRequest) {
        match request.ask {
            None => {}
            Some(Ask::Register(register)) => {
                self.carry_out(|client| async move { vec![client.register(register).await] })
            }
            Some(Ask::Deregister(deregister)) => {
                self.carry_out(|client| async move { vec![client.deregister(deregister).await] })
            }
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
            Some(Ask::Unsubscribe(it)) => self.subscriptions.remove(it.subscription),
            Some(Ask::Acknowledge(it)) => {
                self.subscriptions.acknowledge(it.subscription, Revision(it.version));
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
        let added = self.subscriptions.add(subscribe.subscription, service, have);
        added.map_err(|fault| error::status(&fault))
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
