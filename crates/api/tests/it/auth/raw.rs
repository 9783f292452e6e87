//! Calling any method by its name, whatever kind it is of.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures::Stream;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::auth_client::AuthClient;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Messages as they are.
#[derive(Clone, Copy, Default)]
pub(super) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// So long a stream that has nothing to say is listened to.
const PATIENCE: Duration = Duration::from_millis(500);

/// By which way a request is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// As clients send it.
    Usual,
    /// With a header that the connection's own task knows nothing of, so that the service has it.
    Service,
}

/// The first answer to one message; `None` if the stream ends without, or has nothing to say.
pub(crate) async fn call(
    channel: &Channel,
    method: &str,
    message: Bytes,
    token: Option<&str>,
    way: Way,
) -> Result<Option<Bytes>, Status> {
    let answer = call_with(channel, method, futures::stream::iter([message]), token, way);
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or(Ok(None))
}

/// The same, for messages that may come later.
pub(super) async fn call_with(
    channel: &Channel,
    method: &str,
    messages: impl Stream<Item = Bytes> + Send + 'static,
    token: Option<&str>,
    way: Way,
) -> Result<Option<Bytes>, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::try_from(format!("/{method}")).unwrap();
    let mut request = with_token(messages, token);
    if way == Way::Service {
        request.metadata_mut().insert("grpc-encoding", MetadataValue::from_static("identity"));
    }
    client.streaming(request, path, Raw).await?.into_inner().message().await
}

pub(super) fn with_token<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("token", MetadataValue::try_from(token).unwrap());
    }
    request
}

/// `root`, `bob` who may do everything below `a/`, and `eve` who may nothing, with their names for
/// passwords. Auth is on afterwards.
pub(crate) async fn users(channel: &Channel) -> AuthClient<Channel> {
    let mut auth = AuthClient::new(channel.clone());
    for name in ["root", "bob", "eve"] {
        let (name, password) = (name.to_owned(), name.to_owned());
        let add = pb::AuthUserAddRequest { name, password, ..Default::default() };
        auth.user_add(add).await.unwrap();
    }
    auth.role_add(pb::AuthRoleAddRequest { name: "app".into() }).await.unwrap();
    let perm = proto::authpb::Permission {
        perm_type: proto::authpb::permission::Type::Readwrite.into(),
        key: "a/".into(),
        range_end: "a0".into(),
    };
    let grant = pb::AuthRoleGrantPermissionRequest { name: "app".into(), perm: Some(perm) };
    auth.role_grant_permission(grant).await.unwrap();
    for (user, role) in [("root", "root"), ("bob", "app")] {
        let (user, role) = (user.to_owned(), role.to_owned());
        auth.user_grant_role(pb::AuthUserGrantRoleRequest { user, role }).await.unwrap();
    }
    auth.auth_enable(pb::AuthEnableRequest {}).await.unwrap();
    auth
}

pub(super) async fn token(auth: &mut AuthClient<Channel>, name: &str) -> String {
    let (name, password) = (name.to_owned(), name.to_owned());
    let login = pb::AuthenticateRequest { name, password };
    auth.authenticate(login).await.unwrap().into_inner().token
}

/// What each asks with.
pub(crate) struct Tokens {
    bob: String,
    eve: String,
    root: String,
    forged: String,
}

impl Tokens {
    pub(crate) async fn get(auth: &mut AuthClient<Channel>) -> Self {
        let (bob, eve) = (token(auth, "bob").await, token(auth, "eve").await);
        let forged = format!("{}AAAA", &bob[..bob.len() - 4]);
        Self { root: token(auth, "root").await, bob, eve, forged }
    }

    pub(crate) fn of(&self, who: &str) -> Option<&str> {
        match who {
            "bob" => Some(&self.bob),
            "eve" => Some(&self.eve),
            "root" => Some(&self.root),
            "forged" => Some(&self.forged),
            _ => None,
        }
    }
}
