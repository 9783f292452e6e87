//! Whether the other side takes a client's certificate. In TLS 1.3 a client is through before the server has
//! seen its certificate: a refusal would come with the first bytes that are read, when requests were sent
//! already, and many libraries lose it. So a server says when it has taken one, by a ticket that is good for
//! nothing, and a client that was asked for its certificate waits for that.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncBufRead;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::server::ProducesTickets;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, ServerConfig, SignatureScheme};

/// How long a client waits for it: other servers may say nothing, and then it goes on.
const PATIENCE: Duration = Duration::from_millis(500);

/// Tickets that nobody can come in with.
#[derive(Debug)]
struct Empty;

impl ProducesTickets for Empty {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some(vec![0])
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// Has a server say when it has taken a client's certificate.
pub(crate) fn tell(config: &mut ServerConfig) {
    config.ticketer = Arc::new(Empty);
    config.send_tls13_tickets = 1;
}

/// Notes whether the server asked for a certificate.
#[derive(Debug)]
pub(crate) struct Asked {
    inner: Arc<dyn ResolvesClientCert>,
    is_asked: AtomicBool,
}

impl Asked {
    /// For one connection, whose configuration is `config` from here on.
    pub(crate) fn note(config: &mut ClientConfig) -> Arc<Self> {
        let inner = Arc::clone(&config.client_auth_cert_resolver);
        let asked = Arc::new(Self { inner, is_asked: AtomicBool::new(false) });
        config.client_auth_cert_resolver = Arc::clone(&asked) as Arc<dyn ResolvesClientCert>;
        asked
    }

    /// Waits until the server has taken the certificate, if it wanted one.
    ///
    /// # Errors
    /// It has not.
    pub(crate) async fn admitted(&self, stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
        let is_1_3 = stream.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if !is_1_3 || !self.is_asked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let told = poll_fn(|context| {
            // What it says, it says to who is in; nothing of it is taken here.
            let said = Pin::new(&mut *stream).poll_fill_buf(context).map_ok(drop);
            match said {
                Poll::Pending if stream.get_ref().1.tls13_tickets_received() > 0 => {
                    Poll::Ready(Ok(()))
                }
                said => said,
            }
        });
        timeout(PATIENCE, told).await.unwrap_or(Ok(()))
    }
}

impl ResolvesClientCert for Asked {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.is_asked.store(true, Ordering::Relaxed);
        self.inner.resolve(issuers, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}
