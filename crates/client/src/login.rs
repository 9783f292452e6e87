//! Logging in with a user's password, and again when the token for it has come to its end.

use std::fmt;

use proto::etcdserverpb::AuthenticateRequest;
use proto::etcdserverpb::auth_client::AuthClient;
use tokio::sync::Mutex;
use tonic::codegen::http::header::{HeaderValue, InvalidHeaderValue};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};
use types::Code;

use crate::{Client, Error, code};

/// Who asks, where a cluster knows users.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its password. It is sent as it is: use it over connections that nobody reads.
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The secret of a token of Consul's ACL.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What proves who asks, until it ends.
pub(crate) type Proof = MetadataValue<Ascii>;

/// As it is sent beside what is no gRPC, and not shown.
pub(crate) fn header_of(proof: &Proof) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_bytes(proof.as_encoded_bytes())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A user, logged in or not. Shared by all clones of a client.
pub(crate) struct Login {
    user: User,
    /// Held while somebody logs in, so that requests that come together do it once.
    known: Mutex<Known>,
}

enum Known {
    Nothing,
    /// The cluster wants to know nobody's name now.
    AuthIsOff,
    Token(Proof),
}

impl Login {
    pub(crate) fn new(user: User) -> Self {
        Self { user, known: Mutex::new(Known::Nothing) }
    }

    /// The token to send, from the server behind `channel` if there is none yet.
    async fn token(&self, channel: &Channel) -> Result<Option<Proof>, Status> {
        let mut known = self.known.lock().await;
        match &*known {
            Known::Nothing => {}
            Known::AuthIsOff => return Ok(None),
            Known::Token(token) => return Ok(Some(token.clone())),
        }
        let User { name, password } = self.user.clone();
        let asked = AuthenticateRequest { name, password };
        let token = match AuthClient::new(channel.clone()).authenticate(asked).await {
            Ok(answer) => {
                let token = answer.into_inner().token;
                Some(token.parse().map_err(|_| Status::internal("the token is not plain text"))?)
            }
            Err(status) if code::of(status.message()) == Some(Code::AuthNotEnabled) => None,
            Err(status) => return Err(status),
        };
        *known = token.clone().map_or(Known::AuthIsOff, Known::Token);
        Ok(token)
    }

    /// The server did not take what was sent.
    async fn forget(&self, sent: Option<&Proof>) {
        let mut known = self.known.lock().await;
        // Another request may have logged in since.
        match &*known {
            Known::Token(token) if Some(token) != sent => {}
            _ => *known = Known::Nothing,
        }
    }
}

impl Client {
    /// `message` as a request of this client's user in its keyspace.
    ///
    /// # Errors
    /// Of logging in, if that has to be done first.
    pub(crate) async fn named<M>(
        &self,
        channel: &Channel,
        message: M,
    ) -> Result<Request<M>, Status> {
        let mut request = self.request(message);
        if let Some(token) = &self.shared.options.token {
            let value = token.0.parse().map_err(|_| Status::internal("the token is no header"))?;
            request.metadata_mut().insert("token", value);
            return Ok(request);
        }
        if let Some(login) = &self.shared.login
            && let Some(token) = login.token(channel).await?
        {
            request.metadata_mut().insert("token", token);
        }
        Ok(request)
    }

    /// Whether it makes sense to ask once more because only the token was wrong; `sent` is that token.
    pub(crate) async fn logs_in_anew(&self, error: &Error, sent: Option<&Proof>) -> bool {
        let wrong = matches!(error.code(), Some(Code::InvalidAuthToken | Code::UserEmpty));
        match &self.shared.login {
            Some(login) if wrong => {
                login.forget(sent).await;
                true
            }
            _ => false,
        }
    }
}

/// The token of a request.
pub(crate) fn token_of<M>(request: &Request<M>) -> Option<Proof> {
    request.metadata().get("token").cloned()
}
