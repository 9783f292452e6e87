//! A short text from a server that somebody named: over HTTP, with or without TLS.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::target::{Http, Target, host};
use crate::{Authorities, Networks, http};

/// What is asked for.
#[derive(Clone, Default)]
pub struct Fetch {
    /// Where, `http://` or `https://`.
    pub url: String,
    /// What is sent along, by POST; empty for nothing, by GET.
    pub body: String,
    /// Who asks, as a bearer token; empty for nobody.
    pub bearer: String,
    /// Whose word for the server's certificate counts; without them, those whom the system trusts.
    pub authorities: Option<Authorities>,
    /// Bytes of the answer, at most.
    pub most: usize,
}

/// Without what is sent along: there are secrets in it.
impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Fetch {
    fn target(&self) -> Result<Box<Http>, String> {
        if !self.bearer.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the bearer token has what no header may have".to_owned());
        }
        let mut headers = Map::new();
        headers.insert("Accept".to_owned(), "application/json".into());
        headers.insert("User-Agent".to_owned(), "hiraeth".into());
        if !self.bearer.is_empty() {
            headers.insert("Authorization".to_owned(), format!("Bearer {}", self.bearer).into());
        }
        if !self.body.is_empty() {
            headers.insert("Content-Type".to_owned(), "application/json".into());
        }
        let method = if self.body.is_empty() { "GET" } else { "POST" };
        let described: Value = json!({
            "HTTP": self.url, "Method": method, "Header": headers, "Body": self.body,
        });
        match Target::parse(described.to_string().as_bytes()) {
            Ok(Target::Http(http)) => Ok(http),
            Ok(_) => Err(format!("{:?} is no URL", self.url)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether it can be asked for at all, as far as that can be told without asking.
    ///
    /// # Errors
    /// It is no URL of HTTP, or what is sent along cannot be sent.
    pub fn check(&self) -> Result<(), String> {
        self.target().map(drop)
    }

    /// Whether nobody on the way can read what is asked, or answer it.
    #[must_use]
    pub fn is_over_tls(&self) -> bool {
        self.target().is_ok_and(|http| http.tls.is_some())
    }

    /// Whether it never leaves this machine. A name may stand for anything, `localhost` too.
    #[must_use]
    pub fn is_to_loopback(&self) -> bool {
        let target = self.target();
        let address = target.ok().and_then(|http| host(&http.address).parse::<IpAddr>().ok());
        address.is_some_and(|address| address.to_canonical().is_loopback())
    }
}

/// Fetches it within `patience`: the status and all of the answer. No redirects are followed.
///
/// # Errors
/// Why there is none, without anything of what was sent.
pub async fn fetch(
    fetch: &Fetch,
    patience: Duration,
    networks: &Networks,
) -> Result<(u16, Bytes), String> {
    let http = fetch.target()?;
    let asking = async {
        let stream = networks.connect(&http.address).await?;
        let host = host(&http.address);
        let asked = match (&http.tls, &fetch.authorities) {
            (None, _) => http::ask(&http, stream, fetch.most + 1).await,
            (Some(tls), authorities) => {
                let alpn: Option<&[u8]> = Some(b"http/1.1");
                let stream = match authorities {
                    Some(known) => tls.connect_trusting(known, host, alpn, stream).await?,
                    None => tls.connect(host, alpn, stream).await?,
                };
                http::ask(&http, stream, fetch.most + 1).await
            }
        };
        let (status, body) = asked.map_err(|error| error.to_string())?;
        if body.len() > fetch.most {
            return Err(format!("it answers with more than {} bytes", fetch.most));
        }
        Ok((status.as_u16(), body))
    };
    let answered = timeout(patience, asking).await;
    let answered =
        answered.unwrap_or_else(|_| Err(format!("no answer in {} ms", patience.as_millis())));
    answered.map_err(|why: String| format!("{}: {why}", fetch.url))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use tls::{Authority, Role, Wanted};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Fetch, fetch};
    use crate::tls::tests::Server;
    use crate::{Authorities, Networks};

    #[tokio::test]
    async fn a_short_answer_is_fetched_and_a_long_one_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 2_048];
                let read = stream.read(&mut request).await.unwrap();
                asked.push(String::from_utf8_lossy(&request[..read]).to_lowercase());
                let answer = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        let ask = |body: &str, most| Fetch {
            url: format!("http://{address}/a"),
            body: body.to_owned(),
            bearer: "b".to_owned(),
            authorities: None,
            most,
        };
        let (patience, all) = (Duration::from_secs(5), Networks::wide());
        let came = fetch(&ask("{}", 5), patience, &all).await.unwrap();
        assert_eq!((came.0, &*came.1), (201, &b"hello"[..]));
        let long = fetch(&ask("", 4), patience, &all).await.unwrap_err();
        assert!(long.ends_with("it answers with more than 4 bytes"), "{long}");
        let asked = serving.await.unwrap();
        assert!(asked[0].starts_with("post /a http/1.1"), "{asked:?}");
        assert!(asked[0].contains("authorization: bearer b"), "{asked:?}");
        assert!(asked[0].contains("user-agent: hiraeth") && !asked[0].contains("consul"));
        assert!(asked[1].starts_with("get /a http/1.1"), "{asked:?}");
        let nowhere = Networks::parse([]).unwrap();
        let refused = fetch(&ask("", 4), patience, &nowhere).await.unwrap_err();
        assert!(refused.contains("is in no network"), "{refused}");
    }

    #[tokio::test]
    async fn what_cannot_be_asked_for_is_told_before() {
        let file = |name: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
            std::fs::read_to_string(path).unwrap()
        };
        assert!(Authorities::in_pem(&file("server.pem")).is_ok());
        for bad in ["", "x", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"] {
            assert!(Authorities::in_pem(bad).is_err(), "{bad}");
        }
        for url in ["", "ftp://a/", "a", "http://"] {
            let ask = Fetch { url: url.to_owned(), ..Fetch::default() };
            assert!(ask.check().is_err(), "{url}");
        }
        let (url, bearer) = ("http://a/".to_owned(), "secret\n".to_owned());
        let asked = Fetch { url, bearer, body: "secret".to_owned(), ..Fetch::default() };
        let told = format!("{} {asked:?}", asked.check().unwrap_err());
        assert!(told.contains("http://a/") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn who_could_listen_is_told_before() {
        for (url, is_over_tls, is_to_loopback) in [
            ("https://a/", true, false),
            ("HTTPS://127.0.0.1/", true, true),
            ("http://127.0.0.1:1", false, true),
            ("http://127.1.2.3/a", false, true),
            ("http://[::1]:80/", false, true),
            ("http://[::ffff:127.0.0.1]/", false, true),
            ("http://10.0.0.1/", false, false),
            ("http://localhost/", false, false),
            ("http://127.0.0.1@10.0.0.1/", false, false),
            ("http://127.0.0.1.a.test/", false, false),
            ("127.0.0.1", false, false),
        ] {
            let ask = Fetch { url: url.to_owned(), ..Fetch::default() };
            let told = (ask.is_over_tls(), ask.is_to_loopback());
            assert_eq!(told, (is_over_tls, is_to_loopback), "{url}");
        }
    }

    #[tokio::test]
    async fn who_answers_is_vouched_for_or_is_sent_nothing() {
        let (from, life) = (SystemTime::now(), Duration::from_secs(3_600));
        let (authority, own) = Authority::create("own", from, life).unwrap();
        let (_, other) = Authority::create("other", from, life).unwrap();
        let hosts = ["127.0.0.1".to_owned()];
        let wanted = Wanted { role: Role::Peer, name: "a", hosts: &hosts, from, life };
        let issued = authority.issue(&wanted).unwrap();
        let server = Server::start_as((&issued.certificate, &issued.key), b"http/1.1").await;
        let port = server.address.rsplit_once(':').unwrap().1.to_owned();
        let mut serving = tokio::spawn(async move {
            loop {
                let mut stream = server.accept().await;
                let mut request = [0; 2_048];
                let read = stream.read(&mut request).await.unwrap_or(0);
                if read > 0 {
                    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
                    drop(stream.write_all(answer.as_bytes()).await);
                    break String::from_utf8_lossy(&request[..read]).into_owned();
                }
            }
        });
        let ask = async |host: &str, authorities: Option<&str>| {
            let authorities = authorities.map(|text| Authorities::in_pem(text).unwrap());
            let (url, bearer) = (format!("https://{host}:{port}/a"), "b".to_owned());
            let ask = Fetch { url, bearer, authorities, most: 5, ..Fetch::default() };
            fetch(&ask, Duration::from_secs(5), &Networks::wide()).await
        };
        let words = async |host, authorities| ask(host, authorities).await.unwrap_err();
        let told = words("127.0.0.1", Some(&*other.certificate)).await;
        assert!(told.contains("tls: ") && told.contains("UnknownIssuer"), "{told}");
        let told = words("127.0.0.1", None).await;
        assert!(told.contains("UnknownIssuer") || told.contains("knows nobody"), "{told}");
        let told = words("localhost", Some(&*own.certificate)).await;
        assert!(told.contains("not valid for name"), "{told}");
        let early = tokio::time::timeout(Duration::from_millis(50), &mut serving).await;
        assert!(early.is_err(), "it was asked: {early:?}");
        let (status, body) = ask("127.0.0.1", Some(&own.certificate)).await.unwrap();
        assert_eq!((status, &*body), (200, &b"hello"[..]));
        assert!(serving.await.unwrap().contains("authorization: Bearer b"));
    }
}
