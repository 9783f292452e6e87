use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::certificate::Certificate;
use crate::notice::{self, Seldom};
use crate::set::Set;
use crate::stream::Stream;

/// Handshakes of one port that go on at once; who comes then waits. Each has some tens of KiB, and there are
/// no more than this for those who begin one and do not go on.
const HANDSHAKES: usize = 1_024;
/// How long a handshake may take once its turn has come. It is short so that those who do not go on make
/// others wait for seconds, and not for good.
const TURN: Duration = Duration::from_secs(2);
/// How long a client may take until it says something, and then wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one that was refused may take to read why, and how much of what it had sent already is read
/// to let it: a connection that is closed with bytes unread takes the alert with it.
const FAREWELL: Duration = Duration::from_millis(300);
const FAREWELL_BYTES: u64 = 64 * 1024;
/// Different things that are said each for itself.
const REASONS: usize = 16;
/// What every TLS connection begins with: the type of a record with a handshake in it (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// Whether a connection that begins with this byte wants to speak TLS. No method of HTTP does.
#[must_use]
pub const fn is_handshake(first: u8) -> bool {
    first == HANDSHAKE
}

/// Takes the connections of one port, with bounds for those who are not known yet.
pub struct Acceptor {
    set: Arc<Set>,
    handshakes: Semaphore,
    turn: Duration,
    patience: Duration,
    /// By what is said: nothing that happens often hides something else.
    said: Mutex<BTreeMap<String, Seldom>>,
    others: Seldom,
}

/// Why a connection came to nothing.
enum Refused {
    /// It ended before or while it said something, as those of health checkers do, and of clients that found
    /// another server meanwhile.
    Gone,
    Plain,
    Silent,
    Crowded,
    Late,
    Failed(String),
}

impl Acceptor {
    /// For a port with this set.
    #[must_use]
    pub fn new(set: Arc<Set>) -> Arc<Self> {
        Self::bounded(set, HANDSHAKES, TURN, PATIENCE)
    }

    pub(crate) fn bounded(
        set: Arc<Set>,
        handshakes: usize,
        turn: Duration,
        patience: Duration,
    ) -> Arc<Self> {
        let handshakes = Semaphore::new(handshakes);
        let (said, others) = Default::default();
        Arc::new(Self { set, handshakes, turn, patience, said, others })
    }

    /// Speaks TLS with who has connected, and answers what its certificate says, if it had to bring one.
    /// `None` if that came to nothing: the log says why, and the connection is closed.
    pub async fn accept(&self, stream: TcpStream) -> Option<(Stream, Option<Certificate>)> {
        let peer = stream.peer_addr().ok();
        match self.handshake(stream).await {
            Ok(done) => {
                self.set.taken.fetch_add(1, Ordering::Relaxed);
                Some(done)
            }
            Err(refused) => {
                self.tell(peer, &refused);
                None
            }
        }
    }

    async fn handshake(&self, stream: TcpStream) -> Result<(Stream, Option<Certificate>), Refused> {
        let deadline = Instant::now() + self.patience;
        // Who says nothing takes up no more than its socket.
        let mut first = [0];
        let read = timeout_at(deadline, stream.peek(&mut first)).await;
        match read.map_err(|_| Refused::Silent)? {
            Ok(1) if is_handshake(first[0]) => {}
            Ok(1) => return Err(Refused::Plain),
            _ => return Err(Refused::Gone),
        }
        let turn = timeout_at(deadline, self.handshakes.acquire()).await;
        let turn = turn.map_err(|_| Refused::Crowded)?;
        let failed = |text: &str| Refused::Failed(text.to_owned());
        let turn = turn.map_err(|_| failed("this port takes no connections"))?;
        let config = self.set.server().ok_or_else(|| failed("this port has no certificate"))?;
        let handshake = TlsAcceptor::from(config).accept(stream).into_fallible();
        match timeout(self.turn, handshake).await.map_err(|_| Refused::Late)? {
            Ok(stream) => {
                let certificates = stream.get_ref().1.peer_certificates();
                let first = certificates.and_then(<[_]>::first);
                let said = first.and_then(|it| Certificate::parse(it));
                Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), said))
            }
            Err((error, stream)) => {
                drop(turn);
                let words = notice::words(&error).ok_or(Refused::Gone)?;
                take_leave(stream).await;
                Err(Refused::Failed(words))
            }
        }
    }

    fn tell(&self, peer: Option<SocketAddr>, refused: &Refused) {
        if !matches!(refused, Refused::Gone) {
            self.set.refused.fetch_add(1, Ordering::Relaxed);
        }
        let port = self.set.name();
        let peer = peer.map_or_else(|| "somebody gone already".to_owned(), |it| it.to_string());
        let why = match refused {
            Refused::Gone => {
                return tracing::debug!(port, peer, "a connection ended before its handshake did");
            }
            Refused::Plain => "it speaks plain text, and this port speaks TLS only: say https://",
            Refused::Silent => "it said nothing for ten seconds",
            Refused::Crowded => "its turn did not come in ten seconds: too many handshakes go on",
            Refused::Late => "its handshake did not come to an end in two seconds",
            Refused::Failed(why) => why.as_str(),
        };
        match self.is_due(why) {
            Some(unsaid) => {
                tracing::warn!(port, peer, unsaid, "a connection is refused: {why}");
            }
            None => tracing::debug!(port, peer, "a connection is refused: {why}"),
        }
    }

    fn is_due(&self, why: &str) -> Option<u64> {
        let mut said = self.said.lock();
        if let Some(seldom) = said.get(why) {
            return seldom.is_due();
        }
        // The other side has a hand in what is said of it.
        if said.len() >= REASONS {
            return self.others.is_due();
        }
        said.entry(why.to_owned()).or_default().is_due()
    }
}

/// Lets the other side read why it was refused.
async fn take_leave(mut stream: TcpStream) {
    let reading = async {
        stream.shutdown().await?;
        let mut rest = stream.take(FAREWELL_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    drop(timeout(FAREWELL, reading).await);
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Acceptor").field(&self.set).finish()
    }
}
