use std::sync::Arc;

use node::Handle;
use tls::{Acceptor, Certificate, Stream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::guests::Guest;

/// A port where clients come in.
pub struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) entrance: Entrance,
}

/// What has to be done until who has connected is served.
#[derive(Clone)]
pub(crate) struct Entrance {
    /// `None` for plain text.
    tls: Option<Arc<Acceptor>>,
    /// Whether a certificate says which user it is.
    names_users: bool,
}

impl From<TcpListener> for Door {
    /// In plain text.
    fn from(listener: TcpListener) -> Self {
        Self { listener, entrance: Entrance { tls: None, names_users: false } }
    }
}

impl Door {
    /// With TLS. Where it `names_users`, who brings no token is the user that is its certificate's common
    /// name, as with etcd's `--client-cert-auth`.
    #[must_use]
    pub fn with_tls(listener: TcpListener, tls: Arc<Acceptor>, names_users: bool) -> Self {
        Self { listener, entrance: Entrance { tls: Some(tls), names_users } }
    }
}

impl Entrance {
    /// Lets somebody in, or not: then why is in the log. Nobody comes in any more once `stopping`.
    pub(crate) async fn enter(
        &self,
        handle: &Handle,
        stream: TcpStream,
        stopping: &mut watch::Receiver<()>,
    ) -> Option<(Stream, Arc<Guest>)> {
        let Some(acceptor) = &self.tls else {
            let stream = Stream::Plain(stream);
            let guest = Guest::of(&stream, None, None);
            return Some((stream, guest));
        };
        let (stream, certificate) = tokio::select! {
            biased;
            // Only ever "the sender is gone".
            _ = stopping.changed() => return None,
            accepted = acceptor.accept(stream) => accepted?,
        };
        let named = certificate.as_ref().and_then(Certificate::user);
        let user = named.filter(|_| self.names_users);
        let guest = Guest::of(&stream, user.map(|user| handle.vouch_for(user)), named);
        Some((stream, guest))
    }
}
