//! The part of a watch that lies in one region: goes where the region is, and becomes several where it is
//! split.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::watch_client::WatchClient;
use proto::etcdserverpb::watch_request::RequestUnion;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use types::{Code, KeyRange};

use super::map::Route;
use super::routes::span_of;
use crate::call::{ANSWER_BYTES, back_off};
use crate::login::{Proof, token_of};
use crate::watch::{Change, change, ended, interrupted, passes};
use crate::{Client, Error, Span, kv};

/// What the parts tell the whole, each in its order.
pub(super) enum Told {
    /// Every change of `range` before `next` was told; these are the last of them.
    Changes { range: KeyRange, region: u64, next: i64, changes: Vec<Change> },
    /// The watch cannot go on.
    Failed(Error),
}

/// What all parts of a watch have in common.
pub(super) struct Common {
    pub(super) client: Client,
    pub(super) filters: Vec<i32>,
    pub(super) tell: mpsc::Sender<Told>,
    /// Bounds how many are opened, or ask for their way, at once.
    pub(super) opening: Semaphore,
    /// Whether all have begun. Until then the first ones let the servers wait with what happens.
    pub(super) begun: watch::Sender<bool>,
}

/// The keys of one region, as far as is known.
pub(super) struct Share {
    common: Arc<Common>,
    range: KeyRange,
    /// The first revision that is not told yet; 0 for from now on.
    next: i64,
    /// Failures since the last answer.
    failures: u32,
    /// Nodes that have forgotten what would be next, and since when each has everything.
    forgotten: BTreeSet<u64>,
    oldest: i64,
    token: Option<Proof>,
    logged_in_anew: bool,
}

/// How following a region ended.
enum End {
    /// Some of the keys are another region's.
    Astray,
    /// The node has forgotten what comes next.
    Compacted {
        node: u64,
        oldest: i64,
    },
    Error(Error),
    /// Nobody listens any more.
    Over,
}

impl Share {
    pub(super) fn new(common: Arc<Common>, range: KeyRange, next: i64) -> Self {
        Self {
            common,
            range,
            next,
            failures: 0,
            forgotten: BTreeSet::new(),
            oldest: 0,
            token: None,
            logged_in_anew: false,
        }
    }

    /// Runs until nobody listens any more, or it fails.
    pub(super) fn spawn(self) {
        let tell = self.common.tell.clone();
        let running: BoxFuture<'static, ()> = Box::pin(async move {
            tokio::select! {
                () = tell.closed() => {}
                Err(error) = self.run() => drop(tell.send(Told::Failed(error)).await),
            }
        });
        tokio::spawn(running);
    }

    async fn run(mut self) -> Result<(), Error> {
        let client = self.common.client.clone();
        let mut fresh = false;
        loop {
            let routes = {
                let _permit = self.common.opening.acquire().await;
                client.routes_of(&self.range, fresh).await
            };
            let routes = match routes {
                Ok(routes) => routes,
                Err(error) => {
                    self.pass(error).await?;
                    continue;
                }
            };
            let mut routes = routes.into_iter();
            let Some(route) = routes.next() else { return Ok(()) };
            for route in routes {
                Self::new(Arc::clone(&self.common), route.range, self.next).spawn();
            }
            self.range.clone_from(&route.range);
            let known = Arc::clone(&self.common);
            let end = {
                let (node, endpoint, channel) = self.node(&route);
                self.follow(&known, &route, (node, endpoint, channel)).await
            };
            fresh = true;
            match end {
                End::Over => return Ok(()),
                End::Astray => self.rest().await,
                End::Compacted { node, oldest } => {
                    self.forgotten.insert(node);
                    self.oldest = if self.oldest == 0 { oldest } else { self.oldest.min(oldest) };
                    // Another copy may have more.
                    if route.nodes.iter().all(|node| self.forgotten.contains(node)) {
                        return Err(Error::Compacted { oldest: self.oldest });
                    }
                    self.failures += 1;
                }
                End::Error(error) => self.pass(error).await?,
            }
        }
    }

    /// Goes on after a failure that may pass.
    async fn pass(&mut self, error: Error) -> Result<(), Error> {
        let client = &self.common.client;
        if !self.logged_in_anew && client.logs_in_anew(&error, self.token.as_ref()).await {
            self.logged_in_anew = true;
            return Ok(());
        }
        let strays = matches!(error, Error::Malformed(_))
            || matches!(error.code(), Some(Code::EpochMismatch | Code::RegionNotFound));
        if !passes(&error) && !strays {
            return Err(error);
        }
        self.rest().await;
        Ok(())
    }

    async fn rest(&mut self) {
        self.failures = self.failures.saturating_add(1);
        // The first other node is asked at once.
        if self.failures > 1 {
            sleep(back_off(self.failures / 4)).await;
        }
    }

    /// The node to ask: the leader, one of the others once that failed, and then whoever can be reached.
    fn node(&self, route: &Route) -> (u64, String, Channel) {
        let shared = &self.common.client.shared;
        let mut nodes: Vec<u64> =
            route.nodes.iter().filter(|node| !self.forgotten.contains(node)).copied().collect();
        if nodes.is_empty() {
            nodes.clone_from(&route.nodes);
        }
        let at = usize::try_from(self.failures).unwrap_or(0) % (nodes.len() + 1);
        let known =
            nodes.get(at).and_then(|node| Some((*node, shared.routes.nodes.channel(*node)?)));
        if let Some((node, (address, channel))) = known {
            return (node, address, channel);
        }
        let (place, address, channel) = shared.endpoints.current();
        let found = (0, address.to_owned(), channel);
        shared.endpoints.leave(place);
        found
    }

    async fn follow(
        &mut self,
        common: &Common,
        route: &Route,
        (node, endpoint, channel): (u64, String, Channel),
    ) -> End {
        let Ok(permit) = common.opening.acquire().await else { return End::Over };
        let after = common.client.shared.options.timeout / 3;
        let opened = timeout(after, self.open(route.region, &endpoint, channel)).await;
        drop(permit);
        let opened = opened
            .unwrap_or_else(|_| Err(Error::TimedOut { after, outcome_unknown: false, last: None }));
        let (_requests, mut responses) = match opened {
            Ok(opened) => opened,
            Err(error) => return End::Error(error),
        };
        loop {
            let response = match responses.message().await {
                Ok(Some(response)) => response,
                Ok(None) => return End::Error(interrupted(&endpoint)),
                Err(status) => return End::Error(Error::of_call(&endpoint, &status)),
            };
            let revision = kv::revision(response.header.as_ref());
            if response.canceled {
                return self.ended(&response, node, revision);
            }
            (self.failures, self.logged_in_anew) = (0, false);
            let told = self.next;
            if response.created {
                // Whatever comes next is newer.
                if told == 0 {
                    self.next = revision + 1;
                }
            } else {
                self.forgotten.clear();
                self.next = told.max(revision + 1);
            }
            let changes = response.events.into_iter().map(change);
            let changes: Vec<_> = changes.filter(|it| it.kv.mod_revision >= told).collect();
            if self.next == told {
                continue;
            }
            if !changes.is_empty()
                && common.begun.subscribe().wait_for(|begun| *begun).await.is_err()
            {
                return End::Over;
            }
            let (range, region, next) = (self.range.clone(), route.region, self.next);
            let told = Told::Changes { range, region, next, changes };
            if common.tell.send(told).await.is_err() {
                return End::Over;
            }
        }
    }

    fn ended(&mut self, response: &pb::WatchResponse, node: u64, revision: i64) -> End {
        if response.compact_revision > 0 {
            return End::Compacted { node, oldest: response.compact_revision };
        }
        let error = ended(response);
        if error.code() != Some(Code::EpochMismatch) {
            return End::Error(error);
        }
        // One that was never made has nothing behind it.
        if !response.created && self.next > 0 {
            self.next = self.next.max(revision + 1);
        }
        End::Astray
    }

    async fn open(
        &mut self,
        region: u64,
        endpoint: &str,
        channel: Channel,
    ) -> Result<(mpsc::Sender<pb::WatchRequest>, Streaming<pb::WatchResponse>), Error> {
        let (requests, receiver) = mpsc::channel(1);
        let Span { key, end } = span_of(&self.range);
        let create = pb::WatchCreateRequest {
            key,
            range_end: end,
            start_revision: self.next,
            progress_notify: true,
            filters: self.common.filters.clone(),
            ..Default::default()
        };
        let request_union = Some(RequestUnion::CreateRequest(create));
        // There is room for one, and its receiver is here.
        drop(requests.try_send(pb::WatchRequest { request_union }));
        let failed = |status| Error::of_call(endpoint, &status);
        let orders = ReceiverStream::new(receiver);
        let mut request = self.common.client.named(&channel, orders).await.map_err(failed)?;
        self.token = token_of(&request);
        request.metadata_mut().insert("hiraeth-region", MetadataValue::from(region));
        // A server cut off from the others is left for one that hears of changes.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let mut service = WatchClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
        let responses = service.watch(request).await.map_err(failed)?.into_inner();
        Ok((requests, responses))
    }
}
