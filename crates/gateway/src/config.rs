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
    /// A gateway called `name` to the members at `endpoints`, each `host:port` or an `http://` URL.
    ///
    /// # Errors
    /// No endpoint, too many, or one that is none.
    pub fn new<S: AsRef<str>>(
        name: &str,
        endpoints: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let mut members: Vec<Authority> = Vec::new();
        for endpoint in endpoints {
            let member = authority(endpoint.as_ref())?;
            if !members.contains(&member) {
                members.push(member);
            }
        }
        match members.len() {
            0 => Err(ConfigError::NoEndpoint),
            1..=MEMBERS => Ok(Self { name: name.to_owned(), members }),
            more => Err(ConfigError::TooMany(more)),
        }
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
    let rest = rest.strip_prefix("http://").unwrap_or(rest).trim_end_matches('/');
    if rest.contains("://") {
        return Err(wrong("only http is spoken"));
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
        assert!(Config::new("g", Vec::<String>::new()).is_err());
        for bad in
            ["", "host", ":2379", "host:port", "host:70000", "https://host:1", "a b:1", "u@h:1"]
        {
            let error = Config::new("g", [bad]).unwrap_err().to_string();
            assert!(error.contains("say host:port"), "{bad}: {error}");
        }
    }
}
