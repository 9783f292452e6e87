use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use tokio::net::TcpListener;
use tokio::time::{Duration, sleep};
use tonic::Status;
use tonic::body::Body;

use crate::config::Config;
use crate::dns::{self, DnsSockets, DnsZone};
use crate::doors;
use crate::leases::{self, Lines};
use crate::members::Members;
use crate::metrics::Meters;
use crate::passing::{self, Kinds, Order, is_grpc, is_read, settle};
use crate::queries::{self, Queries};
use crate::registry::{self, Hubs};
use crate::words::{Refusal, Tongue};

/// How often it is looked whether a member is ready, where somebody waits for that.
const LOOK: Duration = Duration::from_millis(50);

/// A gateway at work. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) members: Arc<Members>,
    pub(crate) hubs: Arc<Hubs>,
    pub(crate) lines: Arc<Lines>,
    pub(crate) queries: Arc<Queries>,
    pub(crate) meters: Meters,
    kinds: Kinds,
    /// Whose number all of HTTP has, so that to Consul's clients a gateway is one agent.
    pub(crate) house: u64,
    clients: AtomicU64,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Its number, by which it finds its member.
    pub(crate) number: u64,
}

impl Gateway {
    /// Starts to look after the members; to be called in a runtime of tokio. Nothing is served yet.
    #[must_use]
    pub fn start(config: &Config) -> Self {
        // Gateways do not all go to the same member.
        let house = RandomState::new().build_hasher().finish();
        let shared = Shared {
            name: config.name.clone(),
            members: Arc::new(Members::start(config)),
            hubs: Arc::default(),
            lines: Arc::default(),
            queries: Arc::default(),
            meters: Meters::default(),
            kinds: Kinds::new(),
            house,
            clients: AtomicU64::new(house),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Ends once a member is ready.
    pub async fn ready(&self) {
        while !self.shared.members.any_ready() {
            sleep(LOOK).await;
        }
    }

    /// Serves gRPC and HTTP on one port until `shutdown` ends: then nothing new is accepted, and what is
    /// under way has five seconds to end. With `tls`, TLS is spoken there.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Option<Arc<tls::Acceptor>>,
        shutdown: impl Future<Output = ()>,
    ) {
        doors::serve(self, listener, tls, shutdown).await;
    }

    /// Ends the streams that end here (registry, leases): clients go to another gateway at once. To be called
    /// before the doors are closed.
    pub fn stop(&self) {
        let stopped = Status::unavailable("etcdserver: server stopped");
        self.shared.hubs.stop(&stopped);
        self.shared.lines.stop(&stopped);
    }

    /// Answers DNS until `shutdown` ends.
    pub async fn serve_dns(
        &self,
        sockets: DnsSockets,
        zone: &DnsZone,
        shutdown: impl Future<Output = ()>,
    ) {
        dns::serve(self, sockets, zone, shutdown).await;
    }

    pub(crate) fn next_client(&self) -> Client {
        Client { number: self.shared.clients.fetch_add(1, Ordering::Relaxed) }
    }

    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let shared = &*self.shared;
        let tongue = Tongue::of(&request);
        if let Some(answer) = doors::own(shared, &request).await {
            return answer;
        }
        shared.meters.requests.fetch_add(1, Ordering::Relaxed);
        if is_grpc(&request) {
            match request.uri().path() {
                path if registry::is_open(path) => {
                    return registry::open(&self.shared, request).await;
                }
                path if leases::is_keep_alive(path) => {
                    return leases::keep_alive(&self.shared, request).await;
                }
                _ => {}
            }
        }
        let answer = self.pass(client, request).await;
        answer.unwrap_or_else(|refusal| {
            shared.meters.refused.fetch_add(1, Ordering::Relaxed);
            tongue.tell(&refusal)
        })
    }

    async fn pass(
        &self,
        client: Client,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let shared = &*self.shared;
        let (kind, is_grpc) = (shared.kinds.of(&request), is_grpc(&request));
        let is_read = is_read(&request);
        let client = if is_grpc { client.number } else { shared.house };
        let has_length = kind.is_short() && !is_grpc && request.method() != Method::HEAD;
        let (head, body) = request.into_parts();
        if let Some(key) = queries::Key::of(&head) {
            let (queries, members) = (&shared.queries, &shared.members);
            if let Some(answer) = Queries::ask(queries, members, client, key, &head).await {
                return answer;
            }
        }
        let body = passing::read_ahead(kind, body).await?;
        let order = Order { kind, is_grpc, is_read, client };
        let answer = passing::forward(&shared.members, &order, head, body).await?;
        Ok(if has_length { settle(answer).await } else { answer.map(Body::new) })
    }
}
