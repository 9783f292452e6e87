//! What is served, as it is set.

use core::fmt;

use super::wire::Name;

/// Seconds a TTL may have: a week. Longer than that an answer about a service helps nobody.
const TTL_SECONDS: u32 = 7 * 86_400;

/// The domain, and how answers in it look.
#[derive(Clone, Debug)]
pub struct Zone {
    pub(super) domain: Name,
    pub(super) datacenter: String,
    pub(super) ttl: u32,
}

/// Why a zone cannot be served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneError(String);

impl Zone {
    /// The zone `domain`, in the datacentre `datacenter`, whose answers may be kept for `ttl_seconds`.
    ///
    /// # Errors
    /// A name that is none; a datacentre of more than one label; a TTL of more than a week.
    pub fn new(domain: &str, datacenter: &str, ttl_seconds: u32) -> Result<Self, ZoneError> {
        let Some(domain) = Name::parse(domain) else {
            return Err(ZoneError(format!("{domain:?} is no domain name")));
        };
        let longest = format!("{}.addr.{datacenter}", "0".repeat(32));
        let fits = Name::parse(&longest).and_then(|name| name.below(&domain)).is_some();
        if !fits || datacenter.contains('.') {
            return Err(ZoneError(format!("the datacentre {datacenter:?} is no label of a name")));
        }
        if ttl_seconds > TTL_SECONDS {
            let text = format!("a TTL of {ttl_seconds} s is more than {TTL_SECONDS} s");
            return Err(ZoneError(text));
        }
        Ok(Self { domain, datacenter: datacenter.to_owned(), ttl: ttl_seconds })
    }

    /// `labels` below the domain; `None` if that is no name.
    pub(super) fn name(&self, labels: &str) -> Option<Name> {
        Name::parse(labels)?.below(&self.domain)
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DNS: {}", self.0)
    }
}

impl std::error::Error for ZoneError {}
