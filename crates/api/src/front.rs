use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::body::{Body, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};
use node::Handle;
use proto::etcdserverpb::auth_server::AuthServer;
use proto::etcdserverpb::cluster_server::ClusterServer;
use proto::etcdserverpb::kv_server::KvServer;
use proto::etcdserverpb::lease_server::LeaseServer;
use proto::etcdserverpb::maintenance_server::MaintenanceServer;
use proto::grpc::health::v1::health_server::HealthServer;
use proto::hiraeth::v1::config_server::ConfigServer;
use proto::hiraeth::v1::keyspaces_server::KeyspacesServer;
use proto::hiraeth::v1::node_server::NodeServer;
use proto::hiraeth::v1::registry_server::RegistryServer;
use proto::v3electionpb::election_server::ElectionServer;
use proto::v3lockpb::lock_server::LockServer;
use tonic::Status;
use tonic::codegen::Service;
use types::limits;

use crate::audit;
use crate::backup;
use crate::calls::{self, Call, Traced};
use crate::configuration::ConfigService;
use crate::console::Console;
use crate::consul::{Consul, Home};
use crate::etcd::{
    AuthService, ClusterService, ElectionService, KvService, LeaseService, LockService,
    MaintenanceService, OVERHEAD_BYTES, WatchService,
};
use crate::guard;
use crate::guests::{Guest, Whole};
use crate::health::HealthService;
use crate::metadata::{self, Said};
use crate::native::{KeyspacesService, NodeService};
use crate::reflection::Reflection;
use crate::registry::RegistryService;

type Answer = Result<Response<tonic::body::Body>, Infallible>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of the longest message that is read at all.
pub(crate) const MESSAGE_BYTES: usize = limits::REQUEST_BYTES + OVERHEAD_BYTES;

/// Everything the client port serves, found by its path's first part: etcd's and our own gRPC
/// services, and over HTTP what etcd has there ([`crate::http`]). Cheap to clone.
///
/// It stands in for a general router because each request passes it: one comparison and no
/// allocation of its own.
#[derive(Clone)]
pub struct Front {
    services: Arc<Services>,
    /// Whose connection it is, if it is one.
    guest: Option<Arc<Guest>>,
    /// Whether what that connection proved counts where a request says nothing of who asks.
    takes_proof: bool,
}

struct Services {
    handle: Handle,
    kv: KvServer<KvService>,
    watch: WatchService,
    lease: LeaseServer<LeaseService>,
    cluster: ClusterServer<ClusterService>,
    maintenance: MaintenanceServer<MaintenanceService>,
    auth: AuthServer<AuthService>,
    lock: LockServer<LockService>,
    election: ElectionServer<ElectionService>,
    keyspaces: KeyspacesServer<KeyspacesService>,
    node: NodeServer<NodeService>,
    health: HealthServer<HealthService>,
    reflection: Reflection,
    consul: Consul,
    registry: RegistryService,
    config: ConfigServer<ConfigService>,
    console: Console,
    http: Router,
}

impl Front {
    /// The front door of the node behind `handle`.
    #[must_use]
    pub fn new(handle: &Handle) -> Self {
        handle.answer_doors(crate::elsewhere::answer);
        let handle = || handle.clone();
        let configurations = ConfigService::new(handle());
        let http = crate::http::router(handle(), configurations.clone());
        let home = Arc::new(Home::new(handle()));
        let services = Services {
            handle: handle(),
            kv: KvServer::new(KvService::new(handle())).max_decoding_message_size(MESSAGE_BYTES),
            watch: WatchService::new(handle()),
            lease: LeaseServer::new(LeaseService::new(handle())),
            cluster: ClusterServer::new(ClusterService::new(handle())),
            maintenance: MaintenanceServer::new(MaintenanceService::new(handle())),
            auth: AuthServer::new(AuthService::new(handle())),
            lock: LockServer::new(LockService::new(handle())),
            election: ElectionServer::new(ElectionService::new(handle())),
            keyspaces: KeyspacesServer::new(KeyspacesService::new(handle())),
            node: NodeServer::new(NodeService::new(handle()))
                .max_decoding_message_size(backup::REQUEST_BYTES),
            health: HealthServer::new(HealthService::new(handle())),
            reflection: Reflection::new(),
            consul: Consul::new(Arc::clone(&home)),
            registry: RegistryService::new(home),
            config: ConfigServer::new(configurations).max_decoding_message_size(MESSAGE_BYTES),
            console: Console::new(),
            http,
        };
        Self { services: Arc::new(services), guest: None, takes_proof: true }
    }

    /// The same door, for one client's connection.
    pub(crate) fn of(&self, guest: Arc<Guest>) -> Self {
        Self { services: Arc::clone(&self.services), guest: Some(guest), takes_proof: true }
    }

    /// The same door, where users are named by their tokens only. For the JSON gateway, as in etcd: there
    /// a certificate lets somebody in and names nobody. For the console, too: browsers show a certificate
    /// by themselves, whichever site's page has them ask.
    pub(crate) fn by_token_only(&self) -> Self {
        Self { takes_proof: false, ..self.clone() }
    }

    /// What the connection proved of who asks.
    pub(crate) fn proof(&self) -> Option<&str> {
        self.guest.as_ref().filter(|_| self.takes_proof)?.proof()
    }

    /// Whose connection it is.
    pub(crate) fn guest(&self) -> Option<&Arc<Guest>> {
        self.guest.as_ref()
    }

    /// The node behind the door.
    pub(crate) fn handle(&self) -> &Handle {
        &self.services.handle
    }

    /// The console behind the door.
    pub(crate) fn console(&self) -> &Console {
        &self.services.console
    }

    /// Serves one request.
    pub fn serve<B>(&self, mut request: Request<B>) -> BoxFuture<'static, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Error> + Send,
    {
        // No page of another site can have a browser, which shows a certificate by itself, send this type.
        if let Some(proof) = self.proof().filter(|_| is_grpc(request.headers())) {
            metadata::prove(request.headers_mut(), proof);
        }
        let Some(audited) = audit::begin(self.handle(), self.guest(), &mut request) else {
            return self.serve_call(request);
        };
        let answer = self.serve_call(request);
        async move {
            let (head, body) = answer.await?.into_parts();
            audited.end(&head);
            Ok(Response::from_parts(head, body))
        }
        .boxed()
    }

    fn serve_call<B>(&self, request: Request<B>) -> BoxFuture<'static, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Error> + Send,
    {
        let mut call = match calls::start(request.uri().path(), self.guest()) {
            Ok(call) => call,
            Err(status) => return std::future::ready(Ok(status.into_http())).boxed(),
        };
        // What the gateway and the console ask for inside is part of what they were asked.
        if self.handle().tracer().is_on() && self.takes_proof {
            call.trace(self.traced(&request));
        }
        let trace = call.traced().cloned();
        let answer = if call.is_open_ended() {
            self.route(call, request)
        } else {
            let whole = |body| tonic::body::Body::new(Whole::new(body, self.guest.clone()));
            self.route(call, request.map(whole))
        };
        match trace {
            None => answer,
            Some(trace) => spans::within(trace, answer).boxed(),
        }
    }

    fn traced<B>(&self, request: &Request<B>) -> Option<Traced> {
        let (tracer, headers) = (self.handle().tracer(), request.headers());
        let path = request.uri().path();
        match is_grpc(headers) {
            true => Traced::grpc(tracer, headers, path),
            false => Traced::http(tracer, headers, request.method(), path),
        }
    }

    fn route<B>(&self, call: Call, request: Request<B>) -> BoxFuture<'static, Answer>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Error> + Send,
    {
        let services = &self.services;
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        let answer = match service {
            "etcdserverpb.KV" => {
                let answer = services.kv.clone().call(request);
                return answer
                    .map(|answer| like_grpc_go(answer).map(|answer| call.answer(answer)))
                    .boxed();
            }
            "etcdserverpb.Watch" => services.watch.call(request),
            "etcdserverpb.Lease" => services.lease.clone().call(request),
            "etcdserverpb.Cluster" => {
                guard::for_root(&services.handle, services.cluster.clone(), request)
            }
            "etcdserverpb.Maintenance" => {
                guard::for_root(&services.handle, services.maintenance.clone(), request)
            }
            "etcdserverpb.Auth" => services.auth.clone().call(request),
            "v3lockpb.Lock" => services.lock.clone().call(request),
            "v3electionpb.Election" => services.election.clone().call(request),
            "hiraeth.v1.Keyspaces" => services.keyspaces.clone().call(request),
            "hiraeth.v1.Node" => services.node.clone().call(request),
            "hiraeth.v1.Config" => services.config.clone().call(request),
            "hiraeth.v1.Registry" if RegistryService::is_stream(request.uri().path()) => {
                services.registry.connect(self.guest(), request)
            }
            "hiraeth.v1.Registry" => RegistryServer::new(services.registry.clone()).call(request),
            "grpc.health.v1.Health" => services.health.clone().call(request),
            "grpc.reflection.v1.ServerReflection" => services.reflection.v1(request),
            "grpc.reflection.v1alpha.ServerReflection" => services.reflection.v1alpha(request),
            unknown if is_grpc(request.headers()) => {
                let status = Status::unimplemented(format!("unknown service {unknown}"));
                std::future::ready(Ok(status.into_http())).boxed()
            }
            "v1" => {
                let answer = services.consul.clone().serve(request.map(axum::body::Body::new));
                answer.map(|answer| Ok(answer.map(tonic::body::Body::new))).boxed()
            }
            "ui" => {
                let answer = services.console.serve(&self.by_token_only(), request);
                answer.map(|answer| Ok(answer.map(tonic::body::Body::new))).boxed()
            }
            "v3" => {
                let answer = crate::gateway::serve(self.by_token_only(), request);
                answer.map(|answer| Ok(answer.map(tonic::body::Body::new))).boxed()
            }
            _ => {
                let answer = services.http.clone().call(request.map(axum::body::Body::new));
                answer.map(|answer| answer.map(|it| it.map(tonic::body::Body::new))).boxed()
            }
        };
        answer.map(|answer| answer.map(|answer| call.answer(answer))).boxed()
    }
}

/// Whether a request is one of gRPC, by what it says that its body is.
pub(crate) fn is_grpc(headers: &impl Said) -> bool {
    headers.said(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// A message too long to be read is told as clients know it from etcd, whose transport is grpc-go.
fn like_grpc_go(answer: Answer) -> Answer {
    const OUT_OF_RANGE: &[u8] = b"11";
    /// How tonic begins, percent-encoded as the header is.
    const UNREAD: &[u8] = b"Error,%20decoded%20message%20length";
    const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");
    const WORDS: HeaderValue = HeaderValue::from_static("grpc: received message larger than max");
    answer.map(|mut response| {
        let headers = response.headers_mut();
        let is = |name, wanted: fn(&[u8]) -> bool| {
            headers.get(name).is_some_and(|value| wanted(value.as_bytes()))
        };
        if is("grpc-status", |status| status == OUT_OF_RANGE)
            && is("grpc-message", |message| message.starts_with(UNREAD))
        {
            headers.insert("grpc-status", RESOURCE_EXHAUSTED);
            headers.insert("grpc-message", WORDS);
        }
        response
    })
}

#[cfg(test)]
mod tests {
    use tonic::codec::{DecodeBuf, Decoder, Streaming};
    use tonic::{Code, Status};

    use super::like_grpc_go;

    struct Nothing;

    impl Decoder for Nothing {
        type Item = ();
        type Error = Status;

        fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
            Ok(Some(()))
        }
    }

    /// tonic's words for it are not promised; if they change, clients get the wrong ones.
    #[tokio::test]
    async fn a_message_too_long_is_told_in_grpc_gos_words() {
        let frame = axum::body::Body::from(&b"\0\0\0\0\x09123456789"[..]);
        let status = Streaming::new_request(Nothing, frame, None, Some(8)).message().await;
        let response = like_grpc_go(Ok(status.unwrap_err().into_http())).unwrap();
        let told = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(told.code(), Code::ResourceExhausted);
        assert_eq!(told.message(), "grpc: received message larger than max");

        let other = Status::out_of_range("etcdserver: mvcc: required revision has been compacted");
        let response = like_grpc_go(Ok(other.into_http())).unwrap();
        assert_eq!(Status::from_header_map(response.headers()).unwrap().code(), Code::OutOfRange);
    }
}
