//! One look at whether something is well: over HTTP, TCP or gRPC, at an address it may be looked at.
//!
//! No redirects are followed, no scripts are run, no names of other machines' users are sent; what is read
//! is bounded, and so is the time.

mod grpc;
mod http;
mod networks;
mod outcome;
mod target;
mod tcp;

use std::time::Duration;

use tokio::time::timeout;

pub use networks::{Networks, NetworksError};
pub use outcome::{Outcome, Standing};
pub use target::{Target, TargetError};

/// Looks once, for at most `patience`.
pub async fn probe(target: &Target, patience: Duration, networks: &Networks) -> Outcome {
    let look = async {
        match target {
            Target::Http(http) => http::probe(http, networks).await,
            Target::Tcp(address) => tcp::probe(address, networks).await,
            Target::Grpc { address, service } => grpc::probe(address, service, networks).await,
        }
    };
    match timeout(patience, look).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::critical(format!("no answer in {} ms", patience.as_millis())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

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
