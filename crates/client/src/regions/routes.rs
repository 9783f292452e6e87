//! Finding out where keys are, and keeping that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::keyspaces_client::KeyspacesClient;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;
use types::KeyRange;

use super::map::{Route, RouteMap};
use crate::call::{ANSWER_BYTES, Repeat};
use crate::endpoints::lazy;
use crate::{Client, Error, Span, Tls};

/// Nodes that are asked for routes, before the endpoints are, and how long each may take.
const ASKED: usize = 3;
const NODE: Duration = Duration::from_secs(1);
/// Nodes that are kept at most; a cluster has fewer.
const NODES: usize = 1_024;

/// The nodes of the cluster, by the addresses they say clients reach them at.
pub(crate) struct Nodes {
    tls: Option<Tls>,
    known: Mutex<BTreeMap<u64, (String, Channel)>>,
    turn: AtomicUsize,
}

/// What a client knows of one keyspace's regions.
pub(crate) struct Routes {
    map: Mutex<RouteMap>,
    pub(crate) nodes: Arc<Nodes>,
    /// Held while somebody asks, so that requests that come together ask once; until when nobody is to ask
    /// again, because that failed.
    pub(crate) asking: tokio::sync::Mutex<Option<Instant>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done under it that could leave half of something.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Nodes {
    /// None are known yet; TLS is spoken with them by `tls`, if there is that.
    pub(crate) fn new(tls: Option<Tls>) -> Self {
        Self { tls, known: Mutex::default(), turn: AtomicUsize::new(0) }
    }

    /// The connection to a node, if its address is known.
    pub(crate) fn channel(&self, node: u64) -> Option<(String, Channel)> {
        held(&self.known).get(&node).cloned()
    }

    /// Connections to some of them, each time to others.
    fn some(&self) -> Vec<Channel> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let known = held(&self.known);
        let first = turn % known.len().max(1);
        let channels = known.values().cycle().skip(first).take(ASKED.min(known.len()));
        channels.map(|(_, channel)| channel.clone()).collect()
    }

    fn learn(&self, nodes: Vec<pb::NodeInfo>) {
        let mut known = held(&self.known);
        for node in nodes {
            let is_known =
                known.get(&node.id).is_some_and(|(address, _)| *address == node.client_address);
            if is_known || known.len() >= NODES {
                continue;
            }
            // One without an address that is one is reached through the others.
            if let Ok(channel) = lazy(&node.client_address, self.tls.as_ref()) {
                known.insert(node.id, (node.client_address, channel));
            }
        }
    }
}

impl Routes {
    pub(crate) fn new(nodes: Arc<Nodes>) -> Self {
        Self { map: Mutex::default(), nodes, asking: tokio::sync::Mutex::new(None) }
    }

    pub(crate) fn map(&self) -> MutexGuard<'_, RouteMap> {
        held(&self.map)
    }
}

/// A range as etcd has it.
pub(crate) fn span_of(range: &KeyRange) -> Span {
    Span::range(range.start.clone(), range.end.clone().unwrap_or_default())
}

/// A span as a range; that of all keys begins with the smallest there is.
pub(crate) fn range_of(span: &Span) -> KeyRange {
    KeyRange::from_etcd(&span.key, &span.end)
}

impl Client {
    /// The regions that own the keys of `range`, each cut to it, from what is known; asked for anew with
    /// `fresh`, or where something is not known.
    pub(crate) async fn routes_of(
        &self,
        range: &KeyRange,
        fresh: bool,
    ) -> Result<Vec<Route>, Error> {
        if !fresh && let Some(routes) = self.shared.routes.map().cover(range) {
            return Ok(routes);
        }
        let mut found = Vec::new();
        let mut rest = range.clone();
        while !rest.is_empty() {
            let routes = self.ask_routes(&rest).await?;
            let Some(last) = routes.last() else {
                return Err(Error::Malformed("a key of a sharded keyspace has no region"));
            };
            let end = last.range.end.clone();
            found.extend(routes);
            match end {
                Some(end) => rest.start = end,
                None => break,
            }
        }
        Ok(found)
    }

    /// Asks a server for the routes of the keys of `range`, or of the first of them, and keeps them.
    pub(crate) async fn ask_routes(&self, range: &KeyRange) -> Result<Vec<Route>, Error> {
        let Span { key, end } = span_of(range);
        let message = pb::RoutesRequest { key, range_end: end, limit: 0 };
        let answer = match self.ask_nodes(&message).await {
            Some(answer) => answer,
            None => {
                let answer = self.call(Repeat::Always, message, |channel, request| async move {
                    service(channel).routes(request).await
                });
                answer.await?
            }
        };
        let pb::RoutesResponse { routes, nodes } = answer;
        let routes: Vec<Route> = routes.into_iter().map(route).collect();
        // Nobody is sent round in circles by an answer that makes no sense.
        let mut next = Some(range.start.clone());
        for route in &routes {
            if route.range.is_empty() || next.as_ref().is_none_or(|next| *next < route.range.start)
            {
                return Err(Error::Malformed("routes that do not lie side by side"));
            }
            next.clone_from(&route.range.end);
        }
        self.shared.routes.nodes.learn(nodes);
        self.shared.routes.map().learn(routes.iter().cloned());
        Ok(routes)
    }

    /// Asks some of the nodes that are known, once each: the endpoints may be away while these are not.
    async fn ask_nodes(&self, message: &pb::RoutesRequest) -> Option<pb::RoutesResponse> {
        for channel in self.shared.routes.nodes.some() {
            let Ok(request) = self.named(&channel, message.clone()).await else { continue };
            if let Ok(Ok(answer)) = timeout(NODE, service(channel).routes(request)).await {
                return Some(answer.into_inner());
            }
        }
        None
    }
}

fn service(channel: Channel) -> KeyspacesClient<Channel> {
    KeyspacesClient::new(channel).max_decoding_message_size(ANSWER_BYTES)
}

fn route(route: pb::Route) -> Route {
    let pb::Route { region, start, end, version, leader, nodes, term } = route;
    let followers = nodes.into_iter().filter(|node| *node != leader);
    let nodes = (leader != 0).then_some(leader).into_iter().chain(followers).collect();
    Route { region, version, term, range: KeyRange { start, end }, nodes }
}
