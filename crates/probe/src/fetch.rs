//! A short text from a server that somebody named: over HTTP, with or without TLS.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::target::{Http, Target, host};
use crate::{Authorities, Networks, http};

/// What is asked for.
#[derive(Clone, Debug, Default)]
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
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Fetch, fetch};
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
        let told = Fetch { url, bearer, ..Fetch::default() }.check().unwrap_err();
        assert!(!told.contains("secret"), "{told}");
    }
}
