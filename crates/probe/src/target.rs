//! What is looked at, from the words Consul's clients describe it with.

use std::net::IpAddr;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde_json::{Map, Value};

use crate::{Networks, Tls};

/// Headers of one request.
const HEADERS: usize = 64;

/// What is wrong with a description.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

/// What is looked at.
#[derive(Clone, Debug)]
pub enum Target {
    /// An answer over HTTP.
    Http(Box<Http>),
    /// A connection.
    Tcp {
        /// `host:port`.
        address: String,
        /// Not only a connection, but TLS over it.
        tls: Option<Tls>,
    },
    /// The health of a service, by gRPC's protocol for that.
    Grpc {
        /// `host:port`.
        address: String,
        /// The service; empty for the server as a whole.
        service: String,
        /// Over TLS, if it is named.
        tls: Option<Tls>,
    },
    /// Nothing of its own: how another instance stands, or a node.
    Alias {
        /// The node; empty for that of the check, or the only one that has the instance.
        node: String,
        /// The instance's id; empty for the node.
        service: String,
    },
}

/// A request over HTTP.
#[derive(Clone, Debug)]
pub struct Http {
    pub(crate) method: Method,
    /// As it was given, for people.
    pub(crate) url: String,
    pub(crate) address: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: String,
    pub(crate) tls: Option<Tls>,
}

fn wrong<T>(text: impl Into<String>) -> Result<T, TargetError> {
    Err(TargetError(text.into()))
}

impl Target {
    /// Reads a description: a JSON object with `HTTP` (and `Method`, `Header`, `Body`), `TCP` (and
    /// `TCPUseTLS`) or `GRPC` (and `GRPCUseTLS`), with `TLSServerName` and `TLSSkipVerify`; or with
    /// `AliasService` and `AliasNode`.
    ///
    /// # Errors
    /// What is wrong with it, or is not done here.
    pub fn parse(description: &[u8]) -> Result<Self, TargetError> {
        let object: Map<String, Value> = match serde_json::from_slice(description) {
            Ok(object) => object,
            Err(_) => return wrong("there is nothing to be looked at"),
        };
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let tls = |name: &str| truth(&object, name).then(|| tls(&object));
        if !text("HTTP").is_empty() {
            return Http::parse(&object).map(|http| Self::Http(Box::new(http)));
        }
        if !text("TCP").is_empty() {
            let tls = tls("TCPUseTLS");
            return Ok(Self::Tcp { address: address(text("TCP"))?, tls });
        }
        if !text("GRPC").is_empty() {
            let (place, service) = text("GRPC").split_once('/').unwrap_or((text("GRPC"), ""));
            let (service, tls) = (service.to_owned(), tls("GRPCUseTLS"));
            return Ok(Self::Grpc { address: address(place)?, service, tls });
        }
        let (node, service) = (text("AliasNode").to_owned(), text("AliasService").to_owned());
        if !node.is_empty() || !service.is_empty() {
            return Ok(Self::Alias { node, service });
        }
        wrong("there is nothing to be looked at: HTTP, TCP, GRPC or an alias")
    }

    /// Whether it may be looked at, as far as that can be told without looking up names.
    ///
    /// # Errors
    /// Its address is in none of the networks.
    pub fn is_allowed(&self, networks: &Networks) -> Result<(), TargetError> {
        let address = match self {
            Self::Tcp { address, .. } | Self::Grpc { address, .. } => address,
            Self::Http(http) => &http.address,
            Self::Alias { .. } => return Ok(()),
        };
        match host(address).parse::<IpAddr>() {
            Ok(ip) if !networks.allow(ip) => wrong(format!(
                "{ip} is in no network that checks may go to; who runs the server says which those are \
                 (--check-networks)"
            )),
            _ => Ok(()),
        }
    }
}

fn truth(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// How TLS is to be spoken, where it is.
fn tls(object: &Map<String, Value>) -> Tls {
    let name = object.get("TLSServerName").and_then(Value::as_str).unwrap_or_default();
    Tls { server_name: name.to_owned(), skip_verify: truth(object, "TLSSkipVerify") }
}

/// The host of `host:port`.
pub(crate) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// `host:port`, made of itself.
fn address(text: &str) -> Result<String, TargetError> {
    let parts = text
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    match parts {
        Some(_) => Ok(text.to_owned()),
        None => wrong(format!("{text:?} is no address; say host:port")),
    }
}

impl Http {
    fn parse(object: &Map<String, Value>) -> Result<Self, TargetError> {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let url = text("HTTP");
        let uri: Uri = match url.parse() {
            Ok(uri) => uri,
            Err(error) => return wrong(format!("{url:?} is no URL: {error}")),
        };
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some(tls(object)),
            _ => return wrong(format!("{url:?} is no URL; say http://host:port/path")),
        };
        let Some(authority) = uri.authority().filter(|it| !it.host().is_empty()) else {
            return wrong(format!("{url:?} has no host"));
        };
        let port = authority.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let method = match text("Method") {
            "" => Method::GET,
            named => match Method::from_bytes(named.as_bytes()) {
                Ok(method) => method,
                Err(_) => return wrong(format!("{named:?} is no method")),
            },
        };
        let path = uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        let mut http = Self {
            method,
            url: url.to_owned(),
            address: format!("{}:{port}", authority.host()),
            host: authority.as_str().rsplit('@').next().unwrap_or_default().to_owned(),
            path,
            headers: Vec::new(),
            body: text("Body").to_owned(),
            tls,
        };
        let headers = object.get("Header").and_then(Value::as_object);
        for (name, values) in headers.into_iter().flatten() {
            let values = match values {
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                Value::String(text) => vec![text.as_str()],
                _ => Vec::new(),
            };
            for value in values {
                http.add_header(name, value)?;
            }
        }
        Ok(http)
    }

    fn add_header(&mut self, name: &str, value: &str) -> Result<(), TargetError> {
        if self.headers.len() == HEADERS {
            return wrong(format!("more than {HEADERS} headers"));
        }
        let parsed = (name.parse::<HeaderName>(), value.parse::<HeaderValue>());
        let (Ok(name), Ok(value)) = parsed else {
            return wrong(format!("{name}: {value} is no header"));
        };
        if name == hyper::header::HOST {
            value.to_str().unwrap_or_default().clone_into(&mut self.host);
        } else if name != hyper::header::CONTENT_LENGTH {
            self.headers.push((name, value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Target;
    use crate::Networks;

    #[test]
    fn what_is_asked_for_is_understood_or_refused_with_a_reason() {
        let good = |text: &str| Target::parse(text.as_bytes()).unwrap();
        let Target::Http(http) = good(
            r#"{"HTTP":"http://10.0.0.1/a?b=c","Method":"HEAD","Header":{"X-A":["1","2"],"host":["h"]}}"#,
        ) else {
            panic!("HTTP")
        };
        assert_eq!((http.address.as_str(), http.path.as_str()), ("10.0.0.1:80", "/a?b=c"));
        assert_eq!((http.host.as_str(), http.headers.len()), ("h", 2));
        assert!(matches!(good(r#"{"TCP":"[::1]:80"}"#), Target::Tcp { tls: None, .. }));
        let Target::Grpc { address, service, .. } = good(r#"{"GRPC":"h:1/svc"}"#) else {
            panic!("gRPC")
        };
        assert_eq!((address.as_str(), service.as_str()), ("h:1", "svc"));
        let named = r#"{"TCP":"h:1","TCPUseTLS":true,"TLSServerName":"n","TLSSkipVerify":true}"#;
        let Target::Tcp { tls: Some(tls), .. } = good(named) else { panic!("TCP over TLS") };
        assert_eq!((tls.server_name.as_str(), tls.skip_verify), ("n", true));
        let Target::Http(http) = good(r#"{"HTTP":"https://h/"}"#) else { panic!("HTTPS") };
        assert_eq!((http.address.as_str(), http.tls.unwrap().skip_verify), ("h:443", false));
        let alias = good(r#"{"AliasNode":"n","AliasService":"s"}"#);
        assert!(matches!(alias, Target::Alias { node, service } if node == "n" && service == "s"));
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"HTTP":"ftp://h/"}"#,
            r#"{"HTTP":"h/x"}"#,
            r#"{"HTTP":"http://h/","Method":"A B"}"#,
            r#"{"HTTP":"http://h/","Header":{"a b":["c"]}}"#,
            r#"{"TCP":"h"}"#,
            r#"{"TCP":"h:0"}"#,
            r#"{"GRPC":"/svc"}"#,
        ] {
            assert!(Target::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_forbidden_address_is_refused_before_anybody_goes_there() {
        let networks = Networks::default();
        let allowed = |text: &str| Target::parse(text.as_bytes()).unwrap().is_allowed(&networks);
        assert!(allowed(r#"{"HTTP":"http://127.0.0.1:8500/"}"#).is_ok());
        assert!(allowed(r#"{"HTTP":"http://name/"}"#).is_ok(), "names are looked up later");
        assert!(allowed(r#"{"HTTP":"http://169.254.169.254/latest"}"#).is_err());
        assert!(allowed(r#"{"TCP":"[fe80::1]:80"}"#).is_err());
        assert!(allowed(r#"{"GRPC":"8.8.8.8:53"}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_description_makes_it_panic(url in ".{0,40}", key in "HTTP|TCP|GRPC") {
            let description = serde_json::json!({ key: url }).to_string();
            if let Ok(target) = Target::parse(description.as_bytes()) {
                let _ = target.is_allowed(&Networks::default());
            }
        }
    }
}
