use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::admit;
use crate::error::Error;
use crate::files::{Files, Identity, system_authorities};
use crate::role::Role;
use crate::verify::WithRole;

/// Who may connect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clients {
    /// Whoever; nobody is asked for a certificate.
    Anybody,
    /// Who has a certificate that a trusted authority vouches for.
    Vouched,
    /// Who has one that also says that it is for this.
    Of(Role),
}

/// What a set is for.
#[derive(Clone, Debug)]
struct Rules {
    /// As the log and the metrics call it.
    name: &'static str,
    /// Whether connections are taken by it, and whose.
    takes: Option<Clients>,
    /// Whether connections are made by it.
    dials: bool,
    /// What the other side's certificate has to be for.
    reaches: Option<Role>,
    /// What the own certificate has to be for.
    own: Option<Role>,
    alpn: &'static [&'static [u8]],
}

/// Certificate, key and authorities of one use, from files; what is in force changes with these.
pub struct Set {
    rules: Rules,
    files: Files,
    current: RwLock<Arc<Current>>,
    pub(crate) taken: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// What is in force.
struct Current {
    server: Option<Arc<ServerConfig>>,
    client: Option<Arc<ClientConfig>>,
    not_after: Option<u64>,
    fingerprint: u64,
}

/// What came of looking at the files again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refreshed {
    /// They are as they were.
    Same,
    /// New connections go by what they say now.
    New,
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set").field("name", &self.rules.name).field("files", &self.files).finish()
    }
}

impl Set {
    /// For a port where clients of `clients` connect, and speak one of the protocols that `alpn` names.
    ///
    /// # Errors
    /// A file is missing or wrong, or the certificate has expired.
    pub fn listener(
        name: &'static str,
        files: Files,
        clients: Clients,
        alpn: &'static [&'static [u8]],
    ) -> Result<Arc<Self>, Error> {
        let rules =
            Rules { name, takes: Some(clients), dials: false, reaches: None, own: None, alpn };
        Self::new(rules, files)
    }

    /// For links between nodes: both sides have certificates, and these are peers'.
    ///
    /// # Errors
    /// As for [`Self::listener`]; the own certificate is not a peer's.
    pub fn peers(files: Files) -> Result<Arc<Self>, Error> {
        if files.trusted_ca.is_none() {
            let text = "links between nodes need an authority that vouches for all of them, to tell peers \
                        from strangers";
            return Err(Error::Setting(text.to_owned()));
        }
        let role = Some(Role::Peer);
        let rules = Rules {
            name: "peer",
            takes: Some(Clients::Of(Role::Peer)),
            dials: true,
            reaches: role,
            own: role,
            alpn: &[b"h2"],
        };
        Self::new(rules, files)
    }

    /// For connections that are made to servers; with a certificate if there is one, which then is for
    /// `own`. Without authorities, those of the system count.
    ///
    /// # Errors
    /// As for [`Self::listener`].
    pub fn outgoing(
        name: &'static str,
        files: Files,
        own: Option<Role>,
    ) -> Result<Arc<Self>, Error> {
        Self::speaking(&[b"h2"], name, files, own)
    }

    /// The same, to speak HTTP/1.1.
    ///
    /// # Errors
    /// As for [`Self::listener`].
    pub fn outgoing_http1(name: &'static str, files: Files) -> Result<Arc<Self>, Error> {
        Self::speaking(&[b"http/1.1"], name, files, None)
    }

    fn speaking(
        alpn: &'static [&'static [u8]],
        name: &'static str,
        files: Files,
        own: Option<Role>,
    ) -> Result<Arc<Self>, Error> {
        Self::new(Rules { name, takes: None, dials: true, reaches: None, own, alpn }, files)
    }

    fn new(rules: Rules, files: Files) -> Result<Arc<Self>, Error> {
        let current = RwLock::new(Arc::new(Current::load(&rules, &files)?));
        let (taken, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let set = Arc::new(Self { rules, files, current, taken, refused });
        let mut all = ALL.lock();
        all.retain(|it| it.strong_count() > 0);
        all.push(Arc::downgrade(&set));
        Ok(set)
    }

    /// As the log and the metrics call what it is for.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.rules.name
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Until when the own certificate counts, in seconds of 1970, if there is one.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        self.current.read().not_after
    }

    /// Looks at the files, and goes by what they say now. Reads files: not for threads that serve.
    ///
    /// # Errors
    /// What is wrong with them; what was in force stays so.
    pub fn refresh(&self) -> Result<Refreshed, Error> {
        let fingerprint = self.files.fingerprint()?;
        if self.current.read().fingerprint == fingerprint {
            return Ok(Refreshed::Same);
        }
        let new = Arc::new(Current::load(&self.rules, &self.files)?);
        *self.current.write() = new;
        Ok(Refreshed::New)
    }

    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.current.read().server.clone()
    }

    pub(crate) fn client(&self) -> Option<Arc<ClientConfig>> {
        self.current.read().client.clone()
    }
}

impl Current {
    fn load(rules: &Rules, files: &Files) -> Result<Self, Error> {
        // Before the files are read for good: what is written meanwhile is another print next time.
        let fingerprint = files.fingerprint()?;
        let provider = Arc::new(ring::default_provider());
        let identity = files.identity(&provider)?;
        if let (Some(identity), Some(role)) = (&identity, rules.own)
            && !identity.said.roles.has(role)
            // A certificate that names nobody harms nobody there.
            && !(role == Role::Gateway && identity.said.user().is_none())
        {
            let (path, roles) = (identity.path.clone(), identity.said.roles);
            return Err(Error::Role { path, role, roles, uri: role.uri() });
        }
        let roots = files.authorities()?;
        let server = match rules.takes {
            None => None,
            Some(clients) => {
                Some(server(rules, &provider, identity.as_ref(), clients, roots.as_ref())?)
            }
        };
        let client = match rules.dials {
            false => None,
            true => Some(client(rules, &provider, identity.as_ref(), roots)?),
        };
        let not_after = identity.map(|identity| identity.said.not_after);
        Ok(Self { server, client, not_after, fingerprint })
    }
}

fn library(error: impl fmt::Display) -> Error {
    Error::Library(error.to_string())
}

fn server(
    rules: &Rules,
    provider: &Arc<CryptoProvider>,
    identity: Option<&Identity>,
    clients: Clients,
    roots: Option<&Arc<RootCertStore>>,
) -> Result<Arc<ServerConfig>, Error> {
    let name = rules.name;
    let identity = identity.ok_or_else(|| {
        Error::Setting(format!(
            "the {name} port cannot speak TLS without a certificate and its key"
        ))
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(library)?;
    let vouched = || -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let roots = roots.ok_or_else(|| {
            Error::Setting(format!(
                "the {name} port is to ask for certificates, and no authority is named whose word counts"
            ))
        })?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
        verifier.build().map_err(library)
    };
    let builder = match clients {
        Clients::Anybody => builder.with_no_client_auth(),
        Clients::Vouched => builder.with_client_cert_verifier(vouched()?),
        Clients::Of(role) => {
            let inner = vouched()?;
            builder.with_client_cert_verifier(Arc::new(WithRole { role, inner }))
        }
    };
    let own = SingleCertAndKey::from(Arc::clone(&identity.certified));
    let mut config = builder.with_cert_resolver(Arc::new(own));
    config.alpn_protocols = rules.alpn.iter().map(|it| it.to_vec()).collect();
    // Whoever comes again is looked at again: a session that goes on was let in by other certificates,
    // perhaps. Connections last long here, so nothing is lost by it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    if clients != Clients::Anybody {
        admit::tell(&mut config);
    }
    Ok(Arc::new(config))
}

fn client(
    rules: &Rules,
    provider: &Arc<CryptoProvider>,
    identity: Option<&Identity>,
    roots: Option<Arc<RootCertStore>>,
) -> Result<Arc<ClientConfig>, Error> {
    let roots = match roots {
        Some(roots) => roots,
        None => system_authorities()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(library)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider));
    let inner: Arc<dyn ServerCertVerifier> = verifier.build().map_err(library)?;
    let verifier: Arc<dyn ServerCertVerifier> = match rules.reaches {
        None => inner,
        Some(role) => Arc::new(WithRole { role, inner }),
    };
    // Not dangerous: it asks more than the library would.
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let own = SingleCertAndKey::from(Arc::clone(&identity.certified));
            builder.with_client_cert_resolver(Arc::new(own))
        }
    };
    config.alpn_protocols = rules.alpn.iter().map(|it| it.to_vec()).collect();
    Ok(Arc::new(config))
}

/// All sets of this process, for its metrics.
static ALL: Mutex<Vec<Weak<Set>>> = Mutex::new(Vec::new());

/// What the sets of one use have done, and until when they are good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct InForce {
    not_after: Option<u64>,
    taken: u64,
    refused: u64,
}

/// What the sets of this process tell Prometheus, in its text format; nothing where there are none.
#[must_use]
pub fn exposition() -> String {
    let mut uses: BTreeMap<&str, InForce> = BTreeMap::new();
    for set in ALL.lock().iter().filter_map(Weak::upgrade) {
        let known = uses.entry(set.rules.name).or_default();
        let ends = known.not_after.into_iter().chain(set.not_after());
        known.not_after = ends.min();
        known.taken += set.taken.load(Ordering::Relaxed);
        known.refused += set.refused.load(Ordering::Relaxed);
    }
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, value: fn(&InForce) -> Option<u64>| {
        let told = uses.iter().filter_map(|(name, it)| Some((name, value(it)?)));
        for (at, (used, value)) in told.enumerate() {
            // A text that grows takes everything.
            if at == 0 {
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            }
            let _ = writeln!(text, "{name}{{use=\"{used}\"}} {value}");
        }
    };
    let help = "When the certificate ends, in seconds of 1970.";
    family("hiraeth_tls_certificate_not_after_seconds", "gauge", help, |it| it.not_after);
    let help = "Connections with TLS that were taken or made.";
    family("hiraeth_tls_connections_total", "counter", help, |it| Some(it.taken));
    let help = "Connections that came to nothing because of TLS.";
    family("hiraeth_tls_refused_total", "counter", help, |it| Some(it.refused));
    text
}
