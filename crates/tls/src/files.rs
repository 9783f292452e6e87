use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error as Refusal, RootCertStore};

use crate::certificate::Certificate;
use crate::error::Error;
use crate::notice;

/// Bytes of a file that is read at all: a bundle of all the world's authorities has a quarter of it.
const FILE_BYTES: u64 = 1 << 20;
/// Where systems keep the authorities they trust; the first that is there counts.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Where certificates and keys are, each in PEM form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files {
    /// The certificate, and after it those that vouch for it, up to one that the other side knows.
    pub cert: Option<PathBuf>,
    /// The certificate's key.
    pub key: Option<PathBuf>,
    /// The authorities whose word for the other side's certificate counts.
    pub trusted_ca: Option<PathBuf>,
}

impl Files {
    /// Those that are named.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        [&self.cert, &self.key, &self.trusted_ca].into_iter().flatten().map(PathBuf::as_path)
    }

    /// Certificate and key, if they are named, and what the certificate says.
    pub(crate) fn identity(&self, provider: &CryptoProvider) -> Result<Option<Identity>, Error> {
        let (cert, key) = match (&self.cert, &self.key) {
            (None, None) => return Ok(None),
            (Some(cert), Some(key)) => (cert, key),
            (Some(cert), None) => {
                let text = format!("the certificate {} is given without its key", cert.display());
                return Err(Error::Setting(text));
            }
            (None, Some(key)) => {
                let text = format!("the key {} is given without its certificate", key.display());
                return Err(Error::Setting(text));
            }
        };
        let chain = certificates(cert)?;
        let wanted = "certificate";
        let broken = |why: &str| Error::Broken { path: cert.clone(), wanted, why: why.to_owned() };
        let first = chain.first().ok_or_else(|| Error::Missing { path: cert.clone(), wanted })?;
        let said = Certificate::parse(first).ok_or_else(|| broken("it is no X.509 certificate"))?;
        if said.not_after < now() {
            return Err(Error::Expired { path: cert.clone(), day: notice::day(said.not_after) });
        }
        if said.not_before > now() {
            let from = notice::day(said.not_before);
            tracing::warn!(file = %cert.display(), from, "a certificate counts from later on only; \
                is the clock of this machine right?");
        }
        let secret = private_key(key)?;
        let certified =
            CertifiedKey::from_der(chain, secret, provider).map_err(|error| match error {
                Refusal::InconsistentKeys(_) => {
                    Error::Mismatch { cert: cert.clone(), key: key.clone() }
                }
                // The certificate was read already, so it is about the key.
                other => Error::Broken {
                    path: key.clone(),
                    wanted: "private key",
                    why: other.to_string(),
                },
            })?;
        Ok(Some(Identity { certified: Arc::new(certified), said, path: cert.clone() }))
    }

    /// The authorities that are named, if they are.
    pub(crate) fn authorities(&self) -> Result<Option<Arc<RootCertStore>>, Error> {
        let Some(path) = &self.trusted_ca else { return Ok(None) };
        let wanted = "certificate";
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| Error::Broken {
                path: path.clone(),
                wanted,
                why: error.to_string(),
            })?;
        }
        match roots.is_empty() {
            true => Err(Error::Missing { path: path.clone(), wanted }),
            false => Ok(Some(Arc::new(roots))),
        }
    }

    /// Stands for what is in the files: another number, other files.
    pub(crate) fn fingerprint(&self) -> Result<u64, Error> {
        let mut all = DefaultHasher::new();
        for path in self.paths() {
            read(path)?.hash(&mut all);
        }
        Ok(all.finish())
    }
}

/// Who this side is.
pub(crate) struct Identity {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) said: Certificate,
    pub(crate) path: PathBuf,
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let failed = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(failed(std::io::Error::other("it is larger than a file of certificates is")));
    }
    Ok(bytes)
}

/// All certificates of a file, in their order.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path)?;
    let all = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let wanted = "certificate";
    let all = all.map_err(|error| Error::Broken {
        path: path.to_owned(),
        wanted,
        why: error.to_string(),
    })?;
    match all.is_empty() {
        true => Err(Error::Missing { path: path.to_owned(), wanted }),
        false => Ok(all),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    use tokio_rustls::rustls::pki_types::pem::Error as Pem;
    let wanted = "private key";
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        Pem::NoItemsFound => Error::Missing { path: path.to_owned(), wanted },
        other => Error::Broken { path: path.to_owned(), wanted, why: other.to_string() },
    })
}

/// The authorities that the system trusts, or those in the file that `SSL_CERT_FILE` names. Reads a file of
/// some hundred KiB, once.
///
/// # Errors
/// [`Error::NoAuthorities`].
pub fn system_authorities() -> Result<Arc<RootCertStore>, Error> {
    static KNOWN: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let bundle = named.or_else(|| BUNDLES.iter().map(PathBuf::from).find(|it| it.exists()));
        let mut roots = RootCertStore::empty();
        if let Some(bytes) = bundle.and_then(|path| read(&path).ok()) {
            // What cannot be read vouches for nobody.
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).flatten());
        }
        Arc::new(roots)
    });
    match known.is_empty() {
        true => Err(Error::NoAuthorities),
        false => Ok(Arc::clone(known)),
    }
}

/// Seconds of 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
