use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::admit::Asked;
use crate::notice;
use crate::set::Set;
use crate::stream::Stream;

/// Makes connections with TLS, to servers whose certificates are for the host that they are reached by.
#[derive(Clone, Debug)]
pub struct Dial(Arc<Set>);

impl Dial {
    /// By this set, as it is when a connection is made.
    #[must_use]
    pub fn new(set: Arc<Set>) -> Self {
        Self(set)
    }

    /// Connects to `host:port`. How long that may take is for the caller to say.
    ///
    /// # Errors
    /// It is not reached, it does not speak TLS, or one side does not take the other's certificate.
    pub async fn connect(&self, address: &str) -> io::Result<Stream> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            let text = format!("{host:?} is no name that a certificate can be for");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        let config = self.0.client().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "this set makes no connections")
        })?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut config = ClientConfig::clone(&config);
        let asked = Asked::note(&mut config);
        let connecting = async {
            let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
            asked.admitted(&mut stream).await?;
            Ok(stream)
        };
        match connecting.await {
            Ok(stream) => {
                self.0.taken.fetch_add(1, Ordering::Relaxed);
                Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
            }
            Err(error) => {
                self.0.refused.fetch_add(1, Ordering::Relaxed);
                let words = notice::words(&error);
                Err(words.map_or(error, |words| io::Error::new(io::ErrorKind::InvalidData, words)))
            }
        }
    }
}

/// As tonic and hyper want what makes their connections. The scheme of the address is not looked at.
impl tower_service::Service<Uri> for Dial {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dial = self.clone();
        Box::pin(async move {
            let address = uri.authority().map(http::uri::Authority::as_str);
            let address = address.ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidInput, "the address names no host")
            })?;
            dial.connect(address).await.map(TokioIo::new)
        })
    }
}
