//! One look at whether something is well: over HTTP, TCP or gRPC, at an address it may be looked at. And a
//! short text that is fetched from such a one.
//!
//! No redirects are followed, no scripts are run, no names of other machines' users are sent; what is read
//! is bounded, and so is the time.

mod fetch;
mod grpc;
mod http;
mod networks;
mod outcome;
mod target;
mod tcp;
mod tls;

use std::time::Duration;

use tokio::time::timeout;

pub use fetch::{Fetch, fetch};
pub use networks::{Networks, NetworksError};
pub use outcome::{Outcome, Standing};
pub use target::{Target, TargetError};
pub use tls::{Authorities, Tls};

/// Looks once, for at most `patience`.
pub async fn probe(target: &Target, patience: Duration, networks: &Networks) -> Outcome {
    let look = async {
        match target {
            Target::Http(http) => http::probe(http, networks).await,
            Target::Tcp { address, tls } => tcp::probe(address, tls.as_ref(), networks).await,
            Target::Grpc { address, service, tls } => {
                grpc::probe((address, service), tls.as_ref(), networks).await
            }
            // What it stands for is known elsewhere, and was not looked up there.
            Target::Alias { .. } => Outcome::critical("an alias is no place to go to"),
        }
    };
    match timeout(patience, look).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::critical(format!("no answer in {} ms", patience.as_millis())),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::StreamBody;
    use hyper::body::{Frame, Incoming};
    use hyper::header::{HeaderMap, HeaderName, HeaderValue};
    use hyper::server::conn::http2;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::tls::tests::Server;
    use super::{Networks, Standing, Target, probe};

    /// Whatever is answered, as it is.
    async fn outcome_of(answer: &'static str) -> (Standing, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 2_048];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            assert!(request.starts_with("GET /a HTTP/1.1\r\n"), "{request}");
            drop(stream.write_all(answer.as_bytes()).await);
        });
        let target = format!(r#"{{"HTTP":"http://{address}/a"}}"#);
        let target = Target::parse(target.as_bytes()).unwrap();
        let patience = Duration::from_millis(500);
        let outcome = probe(&target, patience, &Networks::default()).await;
        (outcome.standing, outcome.output.replace(&address.to_string(), "ADDRESS"))
    }

    #[tokio::test]
    async fn answers_are_judged_by_their_status() {
        let (standing, output) =
            outcome_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more").await;
        assert_eq!(output, "HTTP GET http://ADDRESS/a: 200 OK Output: hi");
        assert_eq!(standing, Standing::Passing);
        let (standing, output) = outcome_of("HTTP/1.1 200 OK\r\n\r\nto the end").await;
        assert_eq!((standing, output.ends_with("Output: to the end")), (Standing::Passing, true));
        let (standing, _) = outcome_of("HTTP/1.1 429 Too Many Requests\r\n\r\n").await;
        assert_eq!(standing, Standing::Warning);
        for bad in ["HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "HTTP/1.1 500 x\r\n\r\n", "", "xx"]
        {
            assert_eq!(outcome_of(bad).await.0, Standing::Critical, "{bad}");
        }
    }

    #[tokio::test]
    async fn who_does_not_answer_is_critical_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (target, wanted) in [
            (format!(r#"{{"HTTP":"http://{address}/"}}"#), Standing::Critical),
            (format!(r#"{{"GRPC":"{address}"}}"#), Standing::Critical),
            (format!(r#"{{"TCP":"{address}"}}"#), Standing::Passing),
            (r#"{"TCP":"127.0.0.1:1"}"#.to_owned(), Standing::Critical),
            (r#"{"TCP":"no.such.host.invalid:1"}"#.to_owned(), Standing::Critical),
            (r#"{"TCP":"169.254.169.254:80"}"#.to_owned(), Standing::Critical),
        ] {
            let target = Target::parse(target.as_bytes()).unwrap();
            let patience = Duration::from_millis(300);
            let outcome = probe(&target, patience, &Networks::default()).await;
            assert_eq!(outcome.standing, wanted, "{}", outcome.output);
            assert!(!outcome.output.is_empty());
        }
    }

    #[tokio::test]
    async fn answers_over_tls_are_judged_as_others_are() {
        let look = async |text: String| {
            let target = Target::parse(text.as_bytes()).unwrap();
            probe(&target, Duration::from_secs(5), &Networks::default()).await
        };
        let server = Server::start(b"http/1.1").await;
        let address = server.address.clone();
        let serving = tokio::spawn(async move {
            for _ in 0..2 {
                let mut stream = server.accept().await;
                let mut request = [0; 2_048];
                // Who only connects says nothing.
                if stream.read(&mut request).await.unwrap_or(0) > 0 {
                    drop(stream.write_all(b"HTTP/1.1 429 Too Many Requests\r\n\r\n").await);
                }
            }
        });
        let tcp = format!(r#"{{"TCP":"{address}","TCPUseTLS":true,"TLSSkipVerify":true}}"#);
        assert_eq!(look(tcp).await.standing, Standing::Passing);
        let http = format!(r#"{{"HTTP":"https://{address}/","TLSSkipVerify":true}}"#);
        assert_eq!(look(http).await.standing, Standing::Warning);
        serving.await.unwrap();

        let server = Server::start(b"h2").await;
        let address = server.address.clone();
        let serving = tokio::spawn(async move {
            let stream = TokioIo::new(server.accept().await);
            let answer = |request: Request<Incoming>| async move {
                assert_eq!(request.uri().scheme_str(), Some("https"));
                // The message of one byte's worth: it serves.
                let message = Frame::data(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]));
                let trailers = HeaderMap::from_iter([("grpc-status", "0")].map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                }));
                let frames = [message, Frame::trailers(trailers)].map(Ok::<_, Infallible>);
                let body = StreamBody::new(tokio_stream::iter(frames));
                let answer = Response::builder().header("content-type", "application/grpc");
                answer.body(body)
            };
            let connection = http2::Builder::new(TokioExecutor::new());
            drop(connection.serve_connection(stream, service_fn(answer)).await);
        });
        let grpc = format!(r#"{{"GRPC":"{address}/svc","GRPCUseTLS":true,"TLSSkipVerify":true}}"#);
        let outcome = look(grpc).await;
        assert_eq!(outcome.standing, Standing::Passing, "{}", outcome.output);
        serving.await.unwrap();

        // Who does not speak TLS, or has a certificate that nobody vouches for.
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = plain.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = plain.accept().await.unwrap();
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await);
        });
        let outcome =
            look(format!(r#"{{"HTTP":"https://{address}/","TLSSkipVerify":true}}"#)).await;
        assert_eq!(outcome.standing, Standing::Critical);
        assert!(outcome.output.contains("tls: "), "{}", outcome.output);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_is_connected_to_where_it_is_not_allowed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let nowhere = Networks::parse([]).unwrap();
        for host in ["127.0.0.1", "localhost"] {
            for target in [
                format!(r#"{{"HTTP":"http://{host}:{port}/"}}"#),
                format!(r#"{{"TCP":"{host}:{port}"}}"#),
                format!(r#"{{"GRPC":"{host}:{port}"}}"#),
            ] {
                let target = Target::parse(target.as_bytes()).unwrap();
                let outcome = probe(&target, Duration::from_secs(5), &nowhere).await;
                assert_eq!(outcome.standing, Standing::Critical);
                assert!(outcome.output.contains("is in no network"), "{}", outcome.output);
            }
        }
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(nobody.is_err(), "somebody came");
    }
}
