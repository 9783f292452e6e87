use std::fmt;

use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use types::{Code, Fault};

use super::limits::{CONNECTION_WINDOW, HTTP2_FRAME, Limits, STREAM_WINDOW};
use crate::failure::deepest;

/// A connection of its own to `address`, with TLS where nodes speak it.
pub(super) async fn connect(
    address: &str,
    limits: &Limits,
    tls: Option<&tls::Dial>,
) -> Result<Channel, Fault> {
    let fault = |code, why: &dyn fmt::Display| Fault::new(code, format!("{address}: {why}"));
    // With TLS, too: who makes the connection does not look at the scheme.
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| fault(Code::InvalidArgument, &error))?
        .connect_timeout(limits.connect)
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(HTTP2_FRAME)
        .http2_keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        .keep_alive_while_idle(true);
    let connecting = async {
        match tls {
            None => endpoint.connect().await,
            Some(dial) => endpoint.connect_with_connector(dial.clone()).await,
        }
    };
    // The timeout of the endpoint covers the socket only, not the first bytes of HTTP/2.
    match timeout(limits.connect * 2, connecting).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => Err(fault(Code::Timeout, &deepest(&error))),
        Err(_) => Err(fault(Code::Timeout, &"connect timed out")),
    }
}
