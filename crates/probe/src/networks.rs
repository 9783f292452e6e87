//! Where probes may go. Whoever may register a check has this process connect to an address of its choice
//! and is shown what it answers, so not every address will do.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;

/// The networks probes may go to: private ones and this machine itself, if nothing else is said. Neither
/// the services of cloud machines about themselves (169.254.169.254) nor the Internet are among these.
const DEFAULT: [&str; 7] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
];

/// Where cloud machines are told about themselves, their keys among it, within networks that are named
/// above. Who names networks by himself says for himself which.
const DENIED: [&str; 4] =
    ["100.100.100.200/32", "169.254.0.0/16", "fd00:ec2::254/128", "fd20:ce::254/128"];
/// Names looked up at once. A look-up that nobody waits for any more goes on in a thread of its own, and
/// counts until it ends.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// A text that is no network.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no network; say ADDRESS/BITS, such as 10.0.0.0/8")]
pub struct NetworksError(String);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Network {
    address: u128,
    /// Bits that must be the same, of 128.
    bits: u32,
}

/// Where probes may go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Networks {
    allowed: Vec<Network>,
    denied: Vec<Network>,
}

/// Of both kinds one number: those of the old kind are within the new one.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Network {
    type Err = NetworksError;

    fn from_str(text: &str) -> Result<Self, NetworksError> {
        let wrong = || NetworksError(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u32 = bits.parse().map_err(|_| wrong())?;
        let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { address: number(address), bits: bits + before })
    }
}

impl Default for Networks {
    fn default() -> Self {
        let all = |texts: &[&str]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        Self { allowed: all(&DEFAULT), denied: all(&DENIED) }
    }
}

impl Networks {
    /// Exactly these, each `ADDRESS/BITS`.
    ///
    /// # Errors
    /// The first that is no network.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NetworksError> {
        let allowed = texts.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { allowed, denied: Vec::new() })
    }

    /// All there are but those where cloud machines are told about themselves.
    #[must_use]
    pub fn wide() -> Self {
        let all = |texts: &[&str]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        Self { allowed: all(&["0.0.0.0/0", "::/0"]), denied: all(&DENIED) }
    }

    /// Whether probes may go there.
    #[must_use]
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = number(address);
        let within = |network: &Network| {
            let rest = 128 - network.bits;
            network.bits == 0 || address >> rest == network.address >> rest
        };
        self.allowed.iter().any(within) && !self.denied.iter().any(within)
    }

    /// Connects to the first address of `host:port` that may be gone to and answers.
    pub(crate) async fn connect(&self, address: &str) -> Result<TcpStream, String> {
        let permit = LOOKUPS.acquire().await.map_err(|error| error.to_string())?;
        let name = address.to_owned();
        let looking = tokio::spawn(async move {
            let _permit = permit;
            lookup_host(name).await.map(|found| found.take(16).collect::<Vec<SocketAddr>>())
        });
        let found = match looking.await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(format!("{address}: {error}")),
            Err(error) => return Err(format!("{address}: {error}")),
        };
        let mut last = format!("{address}: no such address");
        for candidate in found {
            if !self.allow(candidate.ip()) {
                last = format!("{} is in no network that this server may go to", candidate.ip());
                continue;
            }
            match TcpStream::connect(candidate).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = format!("dial tcp {candidate}: {error}"),
            }
        }
        Err(last)
    }
}

#[cfg(test)]
mod tests {
    use super::Networks;

    #[test]
    fn only_what_is_named_is_allowed() {
        let allows = |networks: &Networks, text: &str| networks.allow(text.parse().unwrap());
        let default = Networks::default();
        for good in ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "::1", "fd00::1"] {
            assert!(allows(&default, good), "{good}");
        }
        for metadata in ["100.100.100.200", "fd00:ec2::254", "fd20:ce::254"] {
            assert!(!allows(&default, metadata), "{metadata}");
        }
        for bad in ["169.254.169.254", "8.8.8.8", "172.32.0.1", "0.0.0.0", "::", "fe80::1"] {
            assert!(!allows(&default, bad), "{bad}");
        }
        // An address of the old kind in the dress of the new one is the same.
        assert!(allows(&default, "::ffff:10.0.0.1") && !allows(&default, "::ffff:8.8.8.8"));
        let all = Networks::parse(["0.0.0.0/0", "::/0"]).unwrap();
        assert!(allows(&all, "8.8.8.8") && allows(&all, "fe80::1"));
        let wide = Networks::wide();
        assert!(allows(&wide, "8.8.8.8") && allows(&wide, "::1") && allows(&wide, "10.0.0.1"));
        assert!(!allows(&wide, "169.254.169.254") && !allows(&wide, "::ffff:169.254.169.254"));
        assert!(!allows(&Networks::parse([]).unwrap(), "127.0.0.1"));
        for wrong in ["", "10.0.0.0", "10.0.0.0/33", "a/8", "::1/129", "10.0.0.0/-1"] {
            assert!(Networks::parse([wrong]).is_err(), "{wrong}");
        }
    }
}
