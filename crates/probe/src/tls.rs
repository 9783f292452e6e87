//! TLS around a connection to what is looked at.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

const NOBODY: &str = "tls: this server knows nobody who could vouch for a certificate";

/// Those whose word for a certificate counts.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// The certificates in a text in PEM form.
    ///
    /// # Errors
    /// There is none, or one is damaged.
    pub fn in_pem(text: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for found in CertificateDer::pem_slice_iter(text.as_bytes()) {
            let found = found.map_err(|error| format!("a certificate is damaged: {error}"))?;
            roots
                .add(found)
                .map_err(|error| format!("a certificate is no authority's: {error}"))?;
        }
        if roots.is_empty() {
            return Err("there is no certificate in PEM form".to_owned());
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// How TLS is spoken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tls {
    /// The name that the certificate has to be for; empty: the host that is connected to.
    pub(crate) server_name: String,
    /// Any certificate will do.
    pub(crate) skip_verify: bool,
}

impl Tls {
    /// Speaks TLS on a connection to `host`, for the protocol that `alpn` names, if any.
    pub(crate) async fn connect(
        &self,
        host: &str,
        alpn: Option<&[u8]>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let roots = match self.skip_verify {
            true => None,
            // Reads a file of some hundred KiB, once.
            false => Some(tokio::task::spawn_blocking(roots).await.map_err(|it| it.to_string())??),
        };
        self.connect_by(roots, host, alpn, stream).await
    }

    /// The same, where the word of these counts and of no others.
    pub(crate) async fn connect_trusting(
        &self,
        authorities: &Authorities,
        host: &str,
        alpn: Option<&[u8]>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        self.connect_by(Some(Arc::clone(&authorities.0)), host, alpn, stream).await
    }

    /// The same, with those whose word counts; nobody's has to, where there are none.
    async fn connect_by(
        &self,
        roots: Option<Arc<RootCertStore>>,
        host: &str,
        alpn: Option<&[u8]>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let mut config = config(roots)?;
        config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
        let name = if self.server_name.is_empty() { host } else { &self.server_name };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name.clone())
            .map_err(|_| format!("tls: {name:?} is no name a certificate can be for"))?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map_err(|error| format!("tls: {error}"))
    }
}

fn config(roots: Option<Arc<RootCertStore>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let failed = |error: Error| format!("tls: {error}");
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
    let Some(roots) = roots else {
        let verifier = Arc::new(AnyCertificate(provider));
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        return Ok(builder.with_no_client_auth());
    };
    if roots.is_empty() {
        return Err(NOBODY.to_owned());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn roots() -> Result<Arc<RootCertStore>, String> {
    tls::system_authorities().map_err(|_| NOBODY.to_owned())
}

/// Takes every certificate, and only demands that whoever shows it has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};
    use tokio_rustls::server::TlsStream;

    use super::Tls;

    fn file(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
    }

    fn read(bundle: &Path) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        if let Ok(found) = CertificateDer::pem_file_iter(bundle) {
            roots.add_parsable_certificates(found.flatten());
        }
        roots
    }

    /// Somebody who speaks TLS.
    pub(crate) struct Server {
        listener: TcpListener,
        acceptor: TlsAcceptor,
        pub(crate) address: String,
    }

    impl Server {
        /// One whose certificate is for `check.test`, by an authority that no system knows.
        pub(crate) async fn start(alpn: &[u8]) -> Self {
            let own = std::fs::read_to_string(file("server.pem")).unwrap();
            Self::start_as((&own, &own), alpn).await
        }

        /// One with this certificate and its key.
        pub(crate) async fn start_as((certificate, key): (&str, &str), alpn: &[u8]) -> Self {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
            let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
            let provider = Arc::new(ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider);
            let config = config.with_safe_default_protocol_versions().unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
            config.alpn_protocols = vec![alpn.to_vec()];
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), address }
        }

        /// The next who speaks TLS with it to the end.
        pub(crate) async fn accept(&self) -> TlsStream<TcpStream> {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                if let Ok(stream) = self.acceptor.accept(stream).await {
                    return stream;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_certificate_counts_for_its_name_by_those_who_may_vouch_for_it() {
        let server = Server::start(b"h2").await;
        let address = server.address.clone();
        tokio::spawn(async move {
            loop {
                drop(server.accept().await);
            }
        });
        let known = Arc::new(read(&file("authority.pem")));
        let nobody = Arc::new(read(&file("none.pem")));
        for (roots, host, server_name, wanted) in [
            (Some(&known), "check.test", "", Ok(())),
            (Some(&known), "127.0.0.1", "check.test", Ok(())),
            (Some(&known), "127.0.0.1", "", Err("not valid for name")),
            (Some(&known), "check.test", "other.test", Err("not valid for name")),
            (Some(&known), "check.test", "a b", Err("no name")),
            (Some(&nobody), "check.test", "", Err("knows nobody")),
            (None, "127.0.0.1", "", Ok(())),
        ] {
            let tls = Tls { server_name: server_name.to_owned(), skip_verify: roots.is_none() };
            let stream = TcpStream::connect(&address).await.unwrap();
            let done = tls.connect_by(roots.cloned(), host, Some(b"h2"), stream).await;
            match (done, wanted) {
                (Ok(_), Ok(())) => {}
                (Err(told), Err(words)) => assert!(told.contains(words), "{told}: {words}"),
                (done, _) => panic!("{host} {server_name:?}: {done:?}"),
            }
        }
        // By what the system knows, or by nothing if it knows nobody.
        let stream = TcpStream::connect(&address).await.unwrap();
        let told = Tls::default().connect("check.test", None, stream).await.unwrap_err();
        assert!(told.contains("UnknownIssuer") || told.contains("knows nobody"), "{told}");
    }
}
