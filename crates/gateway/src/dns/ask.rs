use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use tokio::time::timeout;

use super::DnsZone;
use super::failed::{REFUSED, SERVER_FAILURE, failed};
use crate::gateway::Shared;
use crate::passing::{self, Failure, Kind, Order, Outgoing};

/// How long a client waits: resolvers ask again after some seconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// A query changes nothing: when a member goes with the answer, another is asked.
const TRIES: usize = 2;
/// Bytes of an answer.
const ANSWER_BYTES: usize = 65_535;

/// By what a query came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Over {
    Udp,
    Tcp,
}

/// Asks members.
pub(super) struct Asker {
    shared: Arc<Shared>,
    target: String,
}

impl Asker {
    pub(super) fn new(shared: Arc<Shared>, zone: &DnsZone) -> Self {
        let DnsZone { domain, ttl_seconds } = zone;
        Self { shared, target: format!("/dns-query?domain={domain}&ttl={ttl_seconds}") }
    }

    /// The answer to a packet; `None` for what gets none.
    pub(super) async fn answer(&self, packet: &[u8], over: Over) -> Option<Vec<u8>> {
        self.shared.meters.dns.fetch_add(1, Ordering::Relaxed);
        let packet = Bytes::copy_from_slice(packet);
        let asked = timeout(PATIENCE, self.ask(&packet, over)).await;
        match asked.unwrap_or(Err(SERVER_FAILURE)) {
            Ok(answer) => answer,
            Err(code) => failed(&packet, code),
        }
    }

    async fn ask(&self, packet: &Bytes, over: Over) -> Result<Option<Vec<u8>>, u8> {
        let target = match over {
            Over::Udp => format!("{}&udp", self.target),
            Over::Tcp => self.target.clone(),
        };
        let request = Request::post(target).header(CONTENT_TYPE, "application/dns-message");
        let (head, ()) = request.body(()).map_err(|_| SERVER_FAILURE)?.into_parts();
        let order =
            Order { kind: Kind::Unary, is_grpc: false, is_read: true, client: self.shared.house };
        for _ in 0..TRIES {
            let body = Outgoing::whole(packet.clone());
            let asked = passing::forward(&self.shared.members, &order, head.clone(), body).await;
            let answer = match asked {
                Ok(answer) => answer,
                Err(Failure::Lost(_)) => continue,
                Err(Failure::Unreached(_)) => return Err(SERVER_FAILURE),
            };
            match answer.status() {
                StatusCode::OK => {}
                // It is no query.
                StatusCode::BAD_REQUEST => return Ok(None),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(REFUSED),
                _ => return Err(SERVER_FAILURE),
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
            if let Ok(body) = body {
                return Ok(Some(body.to_bytes().to_vec()));
            }
        }
        Err(SERVER_FAILURE)
    }
}
