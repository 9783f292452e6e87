//! From a request to an answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, Version};
use state::auth::Demand;
use state::auth::acl::{Access, Resource};
use state::command::Command;
use state::registry::RegistryCommand;
use tokio::sync::OwnedSemaphorePermit;
use types::{KeyRange, KeyspaceId};

use super::answer::{Answer, Outcome};
use super::asked::Asked;
use super::home::Home;
use super::parameters::Parameters;
use super::problem::Problem;
use super::routes::{self, Found, Rights, Route, TokenRights};
use super::snapshot;
use crate::audit::{self, Bearer};

/// Bytes of a request's body: a transaction of all that one may hold, in base64.
const BODY_BYTES: usize = 2 << 20;

/// Consul's API over the node that is at home here.
#[derive(Clone)]
pub(crate) struct Consul {
    home: Arc<Home>,
}

impl Consul {
    pub(crate) fn new(home: Arc<Home>) -> Self {
        Self { home }
    }

    /// Answers one request, whose path begins with `/v1/`.
    pub(crate) async fn serve(self, request: Request<Body>) -> Response<Body> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = self.answer(request).await.unwrap_or_else(Answer::from);
        // Without what follows the path: there may be a token in it.
        tracing::debug!(%method, path, status = answer.code(), "request of a Consul client");
        answer.into_response()
    }

    /// Whether a request may be a large one: one that restores a snapshot, the only one at that, of somebody
    /// who may.
    async fn begin_restore(&self, head: &Parts) -> Option<OwnedSemaphorePermit> {
        let path = head.uri.path().strip_prefix("/v1/")?;
        match routes::find(head.method.as_str(), path) {
            Found::Route(route, _) if route.path == "snapshot" && head.method == Method::PUT => {}
            _ => return None,
        }
        let parameters = Parameters::of(head.uri.query()).ok()?;
        let token = token(&head.headers, &parameters).or_else(|| own_token(&self.home));
        let sender = Bearer { token, origin: audit::origin(&head.headers) };
        let caller = self.home.handle().caller(KeyspaceId::DEFAULT, &sender);
        // The route itself refuses who may not, and writes that down.
        caller.judge(false).await.ok()?.may(Demand::Root).then_some(())?;
        self.home.begin_restore()
    }

    async fn answer(self, request: Request<Body>) -> Outcome {
        let (head, body) = request.into_parts();
        let restoring = self.begin_restore(&head).await;
        let most = if restoring.is_some() { snapshot::BODY_BYTES } else { BODY_BYTES };
        // First, also for what is refused: an answer before the end of its request ends the connection,
        // and clients that keep theirs are not told.
        let Ok(body) = to_bytes(body, most).await else {
            let text = format!("Request body too large, max size: {most} bytes");
            let answer = Answer::from(Problem::too_large(text));
            return Ok(if head.version < Version::HTTP_2 {
                answer.header("connection", "close")
            } else {
                answer
            });
        };
        let path = head.uri.path().strip_prefix("/v1/").unwrap_or_default();
        let (route, tail) = match routes::find(head.method.as_str(), path) {
            Found::Route(route, tail) => (route, tail.to_owned()),
            Found::OtherMethod(methods) => {
                return Err(Problem::method(head.method.as_str(), methods));
            }
            Found::Nothing => {
                return Err(Problem::not_found(format!("there is no /v1/{path} here")));
            }
        };
        let parameters = Parameters::of(head.uri.query())?;
        if let Some(named) = parameters.get("dc").filter(|named| !named.is_empty())
            && named != self.home.datacenter()
        {
            return Err(Problem::failed("No path to datacenter"));
        }
        let (pretty, cached) = (parameters.flag("pretty"), parameters.flag("cached"));
        let brought = token(&head.headers, &parameters);
        let asked = Asked {
            keyspace: self.home.keyspace().await?,
            brings_token: brought.is_some(),
            sender: Bearer {
                token: brought.or_else(|| own_token(&self.home)),
                origin: audit::origin(&head.headers),
            },
            home: self.home,
            wants_text: says(&head.headers, "text/plain"),
            method: head.method,
            tail,
            parameters,
            body,
            restoring,
        };
        permit(&asked, route).await?;
        let (is_on, allows) = asked.handle().acl_switch();
        let mut answer = (route.run)(&asked).await?.under(!is_on || allows);
        if cached {
            answer = answer.cached();
        }
        if pretty {
            answer = answer.pretty();
        }
        if asked.method == Method::HEAD {
            answer = answer.without_body();
        }
        Ok(answer)
    }
}

/// As a permission for everything says it: there are no rights on single services yet.
pub(super) fn every_key() -> KeyRange {
    KeyRange { start: Bytes::from_static(&[0]), end: None }
}

/// Refuses who may not ask for this at all. Costs nothing while nobody is held to anything.
async fn permit(asked: &Asked, route: &Route) -> Result<(), Problem> {
    let caller = asked.caller();
    if asked.handle().auth_is_off() {
        return Ok(());
    }
    let everything = every_key();
    let write = Command::Registry(RegistryCommand::RenewSession { id: "".into() });
    let user = match route.rights {
        Rights::Nobody | Rights::Keys => None,
        Rights::Root => Some(Demand::Root),
        Rights::User => Some(Demand::Anyone),
        Rights::Read => Some(Demand::Range(&everything)),
        Rights::Write => Some(Demand::Command(&write)),
    };
    let own = asked.home.record().name;
    let token = match route.token {
        TokenRights::Open => None,
        TokenRights::Itself => Some(Demand::Anyone),
        TokenRights::AgentRead => Some(Demand::Resource(Resource::Agent(&own), Access::Read)),
        TokenRights::AgentWrite => Some(Demand::Resource(Resource::Agent(&own), Access::Write)),
        TokenRights::OperatorRead => Some(Demand::Resource(Resource::Operator, Access::Read)),
        TokenRights::OperatorWrite => Some(Demand::Resource(Resource::Operator, Access::Write)),
        TokenRights::KeyringRead => Some(Demand::Resource(Resource::Keyring, Access::Read)),
        TokenRights::KeyringWrite => Some(Demand::Resource(Resource::Keyring, Access::Write)),
        TokenRights::Everything => Some(Demand::Root),
    };
    let (user, token) = match (user, token) {
        // Whoever it is, or for the route to find out.
        (None, _) => return Ok(()),
        (Some(user), token) => (user, token.unwrap_or(Demand::Anyone)),
    };
    let what = Demand::ByWhom { user: &user, token: &token };
    match route.rights {
        Rights::Root => caller.permit(what).await?,
        _ => caller.permit_alone(what).await?,
    }
    Ok(())
}

/// The token of those that bring none, while tokens are asked for.
fn own_token(home: &Home) -> Option<Box<str>> {
    let handle = home.handle();
    handle.acl_switch().0.then(|| handle.default_token()).flatten()
}

fn says(headers: &HeaderMap, kind: &str) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.starts_with(kind))
}

/// The token of a request whose parameters nobody has read yet.
pub(crate) fn token_of(headers: &HeaderMap, query: Option<&str>) -> Option<Box<str>> {
    token(headers, &Parameters::of(query).unwrap_or_default())
}

/// Where Consul's clients put their token.
fn token(headers: &HeaderMap, parameters: &Parameters) -> Option<Box<str>> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = header(AUTHORIZATION.as_str());
    let bearer = bearer.map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
    let token = header("x-consul-token").or(bearer).or_else(|| parameters.get("token"))?;
    (!token.is_empty()).then(|| token.into())
}
