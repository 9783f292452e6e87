//! Where a collector is.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tls::{Dial, Files, Set};
use tonic::transport::{Channel, Endpoint as Target};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// After how much silence, while something is asked, the collector is asked whether it is there.
const PROBE: Duration = Duration::from_secs(10);

/// A collector's address.
#[derive(Clone, Debug)]
pub struct Endpoint {
    target: Target,
    tls: Option<Arc<Set>>,
}

/// Why an address is none.
#[derive(Debug)]
pub struct WrongEndpoint(String);

impl std::fmt::Display for WrongEndpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for WrongEndpoint {}

impl Endpoint {
    /// From `http://host:port`, or `https://`, which goes by the authorities that the system trusts; nothing
    /// before the host is `http://`. A path is not looked at: gRPC has its own.
    ///
    /// # Errors
    /// It is none of these; or TLS, where the system trusts nobody.
    pub fn parse(url: &str) -> Result<Self, WrongEndpoint> {
        let wrong =
            || WrongEndpoint(format!("{url:?} is no http://host:port or https://host:port"));
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        // It would be in the log, and nobody is sent it.
        if authority.as_str().contains('@') {
            let why = "a collector's address with a name or a password in it is not taken";
            return Err(WrongEndpoint(why.to_owned()));
        }
        // OTLP's own port, where none is said.
        let authority = match authority.port() {
            Some(_) => authority.as_str().to_owned(),
            None => format!("{authority}:4317"),
        };
        let tls = match is_secure {
            false => None,
            true => {
                let set = Set::outgoing("otlp", Files::default(), None);
                Some(set.map_err(|error| WrongEndpoint(format!("{url:?}: {error}")))?)
            }
        };
        let at = |scheme| format!("{scheme}://{authority}");
        let mut target = Target::from_shared(at("http")).map_err(|_| wrong())?;
        if is_secure {
            target = target.origin(at("https").parse().map_err(|_| wrong())?);
        }
        let target = target
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PROBE)
            .user_agent(concat!("hiraeth/", env!("CARGO_PKG_VERSION")))
            .map_err(|_| wrong())?;
        Ok(Self { target, tls })
    }

    /// A connection that is made when it is wanted, and again when it breaks.
    pub(super) fn connect(&self) -> Channel {
        match &self.tls {
            None => self.target.connect_lazy(),
            Some(tls) => self.target.connect_with_connector_lazy(Dial::new(Arc::clone(tls))),
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.target.uri())
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn addresses_are_taken_as_others_write_them() {
        for (url, at) in [
            ("http://collector:4317", "http://collector:4317/"),
            ("http://collector", "http://collector:4317/"),
            ("collector:14317", "http://collector:14317/"),
            ("http://[::1]:4317/v1/traces", "http://[::1]:4317/"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().to_string(), at);
        }
        for wrong in ["", "ftp://collector", "http://", "http://a b", "http://me:secret@collector"]
        {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
