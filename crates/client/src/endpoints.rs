use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::{Error, Tls};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// A connection is probed this often while requests are under way, and given up when a probe has no
/// answer for [`PROBE_ANSWER`]: a server that vanished without a word is noticed.
const PROBE: Duration = Duration::from_secs(5);
const PROBE_ANSWER: Duration = Duration::from_secs(3);

const HTTPS: &str = "https://";

/// The servers a client may ask, and the one it asks now. Connections are made when first needed and
/// made anew when they break.
pub(crate) struct Endpoints {
    all: Vec<(String, Channel)>,
    current: AtomicUsize,
}

impl Endpoints {
    /// With TLS where an address says so; without a scheme, where there is `tls`.
    pub(crate) fn new(addresses: Vec<String>, tls: Option<&Tls>) -> Result<Self, Error> {
        if addresses.is_empty() {
            return Err(Error::Setting("no endpoint is given; say host:port".into()));
        }
        let all = addresses.into_iter().map(|address| {
            let channel = lazy(&address, tls)?;
            Ok((address, channel))
        });
        Ok(Self { all: all.collect::<Result<_, Error>>()?, current: AtomicUsize::new(0) })
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|(address, _)| address.as_str())
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The endpoint to ask now, by its place.
    pub(crate) fn current(&self) -> (usize, &str, Channel) {
        let place = self.current.load(Ordering::Relaxed) % self.all.len();
        let (address, channel) = &self.all[place];
        (place, address, channel.clone())
    }

    /// Turns to the endpoint after `place`, unless another call did so already.
    pub(crate) fn leave(&self, place: usize) {
        let next = (place + 1) % self.all.len();
        let _ = self.current.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// What TLS is to be spoken by with these endpoints, and with the servers that they name.
///
/// # Errors
/// One wants TLS, and there is no authority whose word would count.
pub(crate) fn tls_for(addresses: &[String], given: Option<Tls>) -> Result<Option<Tls>, Error> {
    match given {
        None if addresses.iter().any(|it| it.starts_with(HTTPS)) => Tls::of_system().map(Some),
        given => Ok(given),
    }
}

/// A connection to `address` (`host:port`, or an `http://` or `https://` URL) that is made at the first
/// request.
pub(crate) fn lazy(address: &str, tls: Option<&Tls>) -> Result<Channel, Error> {
    let wrong =
        |why: &str| Error::Setting(format!("{address:?} is no endpoint ({why}); say host:port"));
    let (rest, tls) = match (address.strip_prefix("http://"), address.strip_prefix(HTTPS)) {
        (Some(rest), _) => (rest, None),
        (_, Some(rest)) => {
            (rest, Some(tls.ok_or_else(|| wrong("how TLS is spoken is not known"))?))
        }
        _ => (address, tls),
    };
    let rest = rest.trim_end_matches('/');
    if rest.contains("://") {
        return Err(wrong("only http and https are spoken"));
    }
    let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(wrong("host or port is wrong"));
    }
    let endpoint = Endpoint::from_shared(format!("http://{rest}"));
    let endpoint = endpoint.map_err(|error| wrong(&error.to_string()))?;
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PROBE)
        .keep_alive_timeout(PROBE_ANSWER);
    Ok(match tls {
        None => endpoint.connect_lazy(),
        Some(tls) => {
            // What etcd's own server looks at.
            let origin = format!("{HTTPS}{rest}").parse();
            let origin = origin.map_err(|_| wrong("host or port is wrong"))?;
            endpoint.origin(origin).connect_with_connector_lazy(tls.dial())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Endpoints, lazy};

    #[tokio::test]
    async fn endpoints_are_host_and_port() {
        for good in ["127.0.0.1:2379", "http://localhost:1", "[::1]:2379"] {
            assert!(lazy(good, None).is_ok(), "{good}");
        }
        for bad in ["", "host", ":2379", "host:port", "host:70000", "ftp://host:1", "a b:1"] {
            let error = lazy(bad, None).map(drop).unwrap_err().to_string();
            assert!(error.contains("say host:port"), "{bad}: {error}");
        }
    }

    #[tokio::test]
    async fn only_the_first_to_leave_moves_on() {
        let endpoints =
            Endpoints::new(vec!["a:1".into(), "b:1".into(), "c:1".into()], None).unwrap();
        endpoints.leave(0);
        endpoints.leave(0);
        assert_eq!(endpoints.current().1, "b:1");
        endpoints.leave(1);
        endpoints.leave(2);
        assert_eq!(endpoints.current().1, "a:1");
    }
}
