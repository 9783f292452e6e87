use std::sync::Arc;

use hyper::http::uri::Authority;

/// Members of a cluster at most.
const MEMBERS: usize = 64;

/// What a gateway is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it is called where members tell of their clients.
    pub name: String,
    /// Where the members' client ports are.
    pub(crate) members: Vec<Authority>,
    /// What TLS is spoken by with them; `None` for plain text.
    pub(crate) tls: Option<Arc<tls::Set>>,
    /// Whether one of them was given as an `https://` URL.
    is_https: bool,
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nobody to pass requests on to.
    #[error("a gateway needs the members' client addresses: --endpoints host:port,...")]
    NoEndpoint,
    /// More than there can be.
    #[error("{0} endpoints are too many; at most 64 are taken")]
    TooMany(usize),
    /// One is not an address.
    #[error("{endpoint:?} is no endpoint ({why}); say host:port")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Config {
    /// A gateway called `name` to the members at `endpoints`, each `host:port`, or an `http://` URL, or an
    /// `https://` one: then it is to be [`Self::with_tls`].
    ///
    /// # Errors
    /// No endpoint, too many, or one that is none.
    pub fn new<S: AsRef<str>>(
        name: &str,
        endpoints: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let mut members: Vec<Authority> = Vec::new();
        let (mut is_https, mut plain) = (false, None);
        for endpoint in endpoints {
            let endpoint = endpoint.as_ref();
            is_https |= endpoint.trim().starts_with("https://");
            if endpoint.trim().starts_with("http://") {
                plain = Some(endpoint.to_owned());
            }
            let member = authority(endpoint)?;
            if !members.contains(&member) {
                members.push(member);
            }
        }
        if let Some(endpoint) = plain.filter(|_| is_https) {
            let why = "others of them are https, and all members are spoken to alike";
            return Err(ConfigError::Endpoint { endpoint, why });
        }
        match members.len() {
            0 => Err(ConfigError::NoEndpoint),
            1..=MEMBERS => Ok(Self { name: name.to_owned(), members, tls: None, is_https }),
            more => Err(ConfigError::TooMany(more)),
        }
    }

    /// Whether the endpoints say that TLS is to be spoken.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The same, speaking TLS with the members by `tls`, a [`tls::Set::outgoing`].
    #[must_use]
    pub fn with_tls(self, tls: Arc<tls::Set>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The members' addresses, by comma.
    #[must_use]
    pub fn endpoints(&self) -> String {
        let all: Vec<_> = self.members.iter().map(Authority::as_str).collect();
        all.join(",")
    }
}

fn authority(endpoint: &str) -> Result<Authority, ConfigError> {
    let wrong = |why| ConfigError::Endpoint { endpoint: endpoint.to_owned(), why };
    let rest = endpoint.trim();
    let bare = rest.strip_prefix("http://").or_else(|| rest.strip_prefix("https://"));
    let rest = bare.unwrap_or(rest).trim_end_matches('/');
    if rest.contains("://") {
        return Err(wrong("only http and https are spoken"));
    }
    let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
    if host.is_empty() || host.contains('@') || port.parse::<u16>().is_err() {
        return Err(wrong("host or port is wrong"));
    }
    rest.parse().map_err(|_| wrong("host or port is wrong"))
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn endpoints_are_host_and_port_and_each_counts_once() {
        let config = Config::new("g", ["127.0.0.1:2379", "http://[::1]:2379/", "127.0.0.1:2379"]);
        assert_eq!(config.unwrap().members, ["127.0.0.1:2379", "[::1]:2379"]);
        assert!(Config::new("g", ["https://a:1", "b:1"]).is_ok_and(|config| config.is_https()));
        assert!(Config::new("g", ["https://a:1", "http://b:1"]).is_err());
        assert!(Config::new("g", Vec::<String>::new()).is_err());
        for bad in
            ["", "host", ":2379", "host:port", "host:70000", "ftp://host:1", "a b:1", "u@h:1"]
        {
            let error = Config::new("g", [bad]).unwrap_err().to_string();
            assert!(error.contains("say host:port"), "{bad}: {error}");
        }
    }
}
