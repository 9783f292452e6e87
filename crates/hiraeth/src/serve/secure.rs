//! What the settings say of TLS.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use tls::{Acceptor, Clients, Files, Role, Set};

use super::settings::{HttpTls, Settings};

/// TLS as it is set up; `None` for what speaks plain text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secure {
    pub(crate) client: Option<Arc<Set>>,
    pub(crate) http: Option<Arc<Set>>,
    pub(crate) peer: Option<Arc<Set>>,
    /// Towards the members of a gateway.
    pub(crate) members: Option<Arc<Set>>,
    /// Whether a client's certificate says which user it is.
    pub(crate) names_users: bool,
}

const CLIENT: &str = "--cert-file, --key-file, --trusted-ca-file";
const PEER: &str = "--peer-cert-file, --peer-key-file, --peer-trusted-ca-file";
const MEMBERS: &str = "--endpoints-cert-file, --endpoints-key-file, --endpoints-trusted-ca-file";

impl Secure {
    /// What was given here, and beneath it in the file.
    pub(super) fn of(given: &Settings, file: &Settings) -> anyhow::Result<Self> {
        let or = |given: &Option<PathBuf>, file: &Option<PathBuf>| given.clone().or(file.clone());
        let client = Files {
            cert: or(&given.cert_file, &file.cert_file),
            key: or(&given.key_file, &file.key_file),
            trusted_ca: or(&given.trusted_ca_file, &file.trusted_ca_file),
        };
        let peer = Files {
            cert: or(&given.peer_cert_file, &file.peer_cert_file),
            key: or(&given.peer_key_file, &file.peer_key_file),
            trusted_ca: or(&given.peer_trusted_ca_file, &file.peer_trusted_ca_file),
        };
        let members = Files {
            cert: or(&given.endpoints_cert_file, &file.endpoints_cert_file),
            key: or(&given.endpoints_key_file, &file.endpoints_key_file),
            trusted_ca: or(&given.endpoints_trusted_ca_file, &file.endpoints_trusted_ca_file),
        };
        let names_users = given.client_cert_auth.or(file.client_cert_auth).unwrap_or(false);
        let http_tls = given.http_tls.or(file.http_tls);
        let has_tls = client != Files::default();
        if names_users && client.trusted_ca.is_none() {
            bail!("--client-cert-auth needs --trusted-ca-file: else anybody could name himself");
        }
        if http_tls.is_some_and(|it| it != HttpTls::Off) && !has_tls {
            bail!("--http-tls needs --cert-file and --key-file");
        }
        if http_tls == Some(HttpTls::Mutual) && client.trusted_ca.is_none() {
            bail!(
                "--http-tls mutual needs --trusted-ca-file: somebody has to vouch for the clients"
            );
        }
        // As with etcd: who names authorities wants to see certificates.
        let clients = match client.trusted_ca {
            Some(_) => Clients::Vouched,
            None => Clients::Anybody,
        };
        let http_clients = match http_tls {
            None => Some(clients),
            Some(HttpTls::Mutual) => Some(Clients::Vouched),
            Some(HttpTls::Server) => Some(Clients::Anybody),
            Some(HttpTls::Off) => None,
        };
        let mut secure = Self { names_users, ..Self::default() };
        if has_tls {
            let set = |name, clients, alpn| {
                Set::listener(name, client.clone(), clients, alpn).context(CLIENT)
            };
            secure.client = Some(set("client", clients, &[b"h2", b"http/1.1"])?);
            if let Some(clients) = http_clients {
                secure.http = Some(set("HTTP", clients, &[b"http/1.1"])?);
            }
        }
        if peer != Files::default() {
            secure.peer = Some(Set::peers(peer).context(PEER)?);
        }
        if members != Files::default() {
            let set = Set::outgoing("members", members, Some(Role::Gateway));
            secure.members = Some(set.context(MEMBERS)?);
        }
        Ok(secure)
    }

    /// Towards members whose addresses say `https://`: with the system's authorities, if no others are named.
    pub(super) fn towards_members(&mut self) -> anyhow::Result<Arc<Set>> {
        if let Some(set) = &self.members {
            return Ok(Arc::clone(set));
        }
        let set = Set::outgoing("members", Files::default(), Some(Role::Gateway));
        let set = set.context(MEMBERS)?;
        self.members = Some(Arc::clone(&set));
        Ok(set)
    }

    /// All that there is, to be kept fresh.
    pub(super) fn sets(&self) -> Vec<Arc<Set>> {
        let all = [&self.client, &self.http, &self.peer, &self.members];
        all.into_iter().flatten().cloned().collect()
    }

    /// For the log: what speaks TLS.
    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.sets().iter().map(|set| set.name()).collect();
        if names.is_empty() { "nowhere".to_owned() } else { names.join(", ") }
    }

    /// Says what is easily overlooked.
    pub(super) fn warn(&self) {
        if self.client.is_some() && self.peer.is_none() {
            tracing::warn!(
                "links between nodes are in plain text, though the client port speaks TLS: \
                give all nodes {PEER}"
            );
        }
        if self.client.is_some() && self.http.is_none() {
            tracing::warn!(
                "the HTTP port is in plain text, though the client port speaks TLS (--http-tls off)"
            );
        }
    }

    /// Keeps certificates fresh while the process serves. Without any, SIGHUP does nothing, where it would
    /// end the process: service managers send it to have settings read again.
    pub(super) fn keep_fresh(&self) -> anyhow::Result<tokio::task::JoinHandle<()>> {
        let keeping = tls::keep_fresh(self.sets()).context("SIGHUP cannot be listened for")?;
        Ok(tokio::spawn(keeping))
    }
}

/// What takes connections by a set.
pub(super) fn acceptor(set: Option<&Arc<Set>>) -> Option<Arc<Acceptor>> {
    set.map(|set| Acceptor::new(Arc::clone(set)))
}

#[cfg(test)]
mod tests {
    use super::{HttpTls, Settings};

    #[test]
    fn what_is_no_whole_is_refused_with_the_flags_that_are_missing() {
        let told = |set: &dyn Fn(&mut Settings)| {
            let mut given = Settings::default();
            set(&mut given);
            format!("{:#}", given.resolve().map(drop).unwrap_err())
        };
        assert!(told(&|it| it.client_cert_auth = Some(true)).contains("--trusted-ca-file"));
        assert!(told(&|it| it.http_tls = Some(HttpTls::Server)).contains("--cert-file"));
        let gone = || Some("/gone/file".into());
        let error = told(&|it| (it.cert_file, it.key_file) = (gone(), gone()));
        assert!(error.contains("--cert-file") && error.contains("/gone/file: No such"), "{error}");
        let error = told(&|it| it.peer_cert_file = gone());
        assert!(error.contains("--peer-trusted-ca-file") && error.contains("authority"), "{error}");
    }
}
