//! Certificates to begin with: an authority of one's own, and what it vouches for.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose as Purpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::certificate::Certificate;
use crate::error::Error;
use crate::role::Role;

/// Clocks of those who verify may be behind by so much.
const BEHIND: Duration = Duration::from_secs(3600);

/// Vouches for others.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// The end of its own certificate: what it vouches for ends with it.
    until: SystemTime,
}

/// A certificate and its key, in PEM form.
pub struct Issued {
    /// For everybody to see.
    pub certificate: String,
    /// For its holder alone.
    pub key: String,
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What for.
    pub role: Role,
    /// Whose: a node's name, or a user's.
    pub name: &'a str,
    /// Hosts and IP addresses that its holder is reached by.
    pub hosts: &'a [String],
    /// From when on.
    pub from: SystemTime,
    /// For how long.
    pub life: Duration,
}

impl Issued {
    fn new(certificate: &[u8], key: &KeyPair) -> Self {
        Self {
            certificate: pem("CERTIFICATE", certificate),
            key: pem("PRIVATE KEY", &key.serialize_der()),
        }
    }
}

/// The textual form (RFC 7468).
fn pem(what: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = STANDARD.encode(der);
    let mut lines = format!("-----BEGIN {what}-----\n");
    for line in text.as_bytes().chunks(LINE) {
        lines.extend(line.iter().map(|byte| char::from(*byte)));
        lines.push('\n');
    }
    lines + "-----END " + what + "-----\n"
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Issue(error.to_string())
}

fn params(name: &str, from: SystemTime, life: Duration) -> CertificateParams {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(1970, 1, 1) + since(from).saturating_sub(BEHIND);
    params.not_after = date_time_ymd(1970, 1, 1) + since(from + life);
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(name: &str, from: SystemTime, life: Duration) -> CertificateParams {
    let mut params = params(name, from, life);
    // It vouches for nobody who vouches for others.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    /// A new one; what is issued is its own certificate, for the others to trust, and its key, for nobody.
    ///
    /// # Errors
    /// The name cannot be one.
    pub fn create(name: &str, from: SystemTime, life: Duration) -> Result<(Self, Issued), Error> {
        let key = KeyPair::generate().map_err(failed)?;
        let params = authority(name, from, life);
        let issued = Issued::new(params.self_signed(&key).map_err(failed)?.der(), &key);
        Ok((Self { issuer: Issuer::new(params, key), until: from + life }, issued))
    }

    /// One that [`Self::create`] made.
    ///
    /// # Errors
    /// A file is missing or wrong, the two do not belong together, or another tool made them: then that has
    /// to go on with them.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let read = |path: &Path| {
            let text = std::fs::read_to_string(path);
            text.map_err(|source| Error::Read { path: path.to_owned(), source })
        };
        let (text, secret) = (read(certificate)?, read(key)?);
        let wanted = "certificate";
        let missing = || Error::Missing { path: certificate.to_owned(), wanted };
        let der = CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| missing())?;
        let broken =
            |why: &str| Error::Broken { path: certificate.to_owned(), wanted, why: why.to_owned() };
        let said = Certificate::parse(&der).ok_or_else(|| broken("it is no X.509 certificate"))?;
        let of_key = |why: String| {
            let (path, wanted) = (key.to_owned(), "private key");
            Error::Broken { path, wanted, why }
        };
        let secret = PrivatePkcs8KeyDer::from_pem_slice(secret.as_bytes());
        let secret = secret.map_err(|_| of_key("it is not one of PKCS#8".to_owned()))?;
        let key_pair = KeyPair::try_from(&secret).map_err(|error| of_key(error.to_string()))?;
        let name = said.common_name.ok_or_else(|| broken("it has no name"))?;
        let made_here = authority(&name, UNIX_EPOCH, Duration::ZERO);
        // What it signs names it by its whole name and by its key: both are found in a certificate that
        // was made here, and the key's proof is in the bytes.
        let names = own_name(&made_here, &key_pair)?;
        if !der.windows(names.len()).any(|part| part == names) {
            return Err(broken(
                "its name has more parts than one of `hiraeth cert ca`: use the tool that made it",
            ));
        }
        let public = key_pair.public_key_raw();
        if !der.windows(public.len()).any(|part| part == public) {
            return Err(Error::Mismatch { cert: certificate.to_owned(), key: key.to_owned() });
        }
        let until = UNIX_EPOCH + Duration::from_secs(said.not_after);
        Ok(Self { issuer: Issuer::new(made_here, key_pair), until })
    }

    /// Vouches for somebody.
    ///
    /// # Errors
    /// A name or a host cannot be one.
    pub fn issue(&self, wanted: &Wanted<'_>) -> Result<Issued, Error> {
        let left = self
            .until
            .duration_since(wanted.from)
            .map_err(|_| Error::Issue("its authority has expired: make another one".to_owned()))?;
        let mut params = params(wanted.name, wanted.from, wanted.life.min(left));
        for host in wanted.hosts {
            params.subject_alt_names.push(match host.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into().map_err(failed)?),
            });
        }
        let uri = wanted.role.uri();
        params.subject_alt_names.push(SanType::URI(uri.as_str().try_into().map_err(failed)?));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match wanted.role {
            Role::Client => vec![Purpose::ClientAuth],
            Role::Peer | Role::Gateway => vec![Purpose::ServerAuth, Purpose::ClientAuth],
        };
        let key = KeyPair::generate().map_err(failed)?;
        Ok(Issued::new(params.signed_by(&key, &self.issuer).map_err(failed)?.der(), &key))
    }
}

/// How an authority of this name would name itself, in DER.
fn own_name(params: &CertificateParams, key: &KeyPair) -> Result<Vec<u8>, Error> {
    let own = params.clone().self_signed(key).map_err(failed)?;
    let der: &[u8] = own.der();
    crate::certificate::subject(der)
        .map(<[u8]>::to_vec)
        .ok_or_else(|| failed("its name cannot be read"))
}
