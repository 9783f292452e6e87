use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use proto::grpc::health::v1::HealthCheckRequest;
use proto::grpc::health::v1::health_check_response::ServingStatus;
use proto::grpc::health::v1::health_client::HealthClient;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::codegen::Service;
use tonic::transport::{Endpoint, Uri};

use crate::target::host;
use crate::{Networks, Outcome, Tls};

pub(crate) async fn probe(
    (address, service): (&str, &str),
    tls: Option<&Tls>,
    networks: &Networks,
) -> Outcome {
    let stream = match networks.connect(address).await {
        Ok(stream) => stream,
        Err(why) => return Outcome::critical(why),
    };
    match tls {
        None => ask((address, service), "http", stream).await,
        Some(tls) => match tls.connect(host(address), Some(b"h2"), stream).await {
            Ok(stream) => ask((address, service), "https", stream).await,
            Err(why) => Outcome::critical(format!("{address}: {why}")),
        },
    }
}

async fn ask(
    (address, service): (&str, &str),
    scheme: &str,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Outcome {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let origin = format!("{scheme}://{address}").parse::<Uri>();
    let endpoint = match (endpoint, origin) {
        // What is said over it; TLS, if any, is there already.
        (Ok(endpoint), Ok(origin)) => endpoint.origin(origin),
        (Err(error), _) => return Outcome::critical(format!("{address}: {error}")),
        (_, Err(error)) => return Outcome::critical(format!("{address}: {error}")),
    };
    // Connected already, to an address that was looked at: it is not looked up again.
    let connector = Connected(Some(TokioIo::new(stream)));
    let channel = match endpoint.connect_with_connector(connector).await {
        Ok(channel) => channel,
        Err(error) => return Outcome::critical(format!("{address}: {error}")),
    };
    let request = HealthCheckRequest { service: service.to_owned() };
    match HealthClient::new(channel).check(request).await {
        Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => {
            Outcome::passing(format!("gRPC check {address}: success"))
        }
        Ok(answer) => {
            let status = answer.get_ref().status().as_str_name();
            Outcome::critical(format!("gRPC check {address}: {status}"))
        }
        Err(status) => Outcome::critical(format!("gRPC check {address}: {}", status.message())),
    }
}

/// A connection that is there, for the first who asks.
struct Connected<S>(Option<TokioIo<S>>);

impl<S> Service<Uri> for Connected<S> {
    type Response = TokioIo<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let closed = || io::Error::other("the connection was closed");
        ready(self.0.take().ok_or_else(closed))
    }
}
