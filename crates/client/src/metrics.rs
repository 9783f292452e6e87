//! What a server tells Prometheus.

use std::future::poll_fn;
use std::pin::pin;

use tonic::Status;
use tonic::codegen::{Body as _, Service as _, http};

use crate::{Client, Error};

/// Bytes of it at most: some twenty times what the largest server has to say.
const TEXT_BYTES: usize = 16 << 20;

impl Client {
    /// `/metrics` of the server at `address`, `host:port`, in Prometheus' text format, at most 16 MiB.
    ///
    /// # Errors
    /// No answer, or one of something else.
    pub async fn metrics(&self, address: &str) -> Result<String, Error> {
        let mut channel = self.channel_to(address)?;
        let asked = async {
            let request = http::Request::get("/metrics").version(http::Version::HTTP_2);
            let request = request.body(tonic::body::Body::empty());
            let request = request.map_err(|error| Status::internal(error.to_string()))?;
            let broken = |error: tonic::transport::Error| Status::from_error(Box::new(error));
            poll_fn(|context| channel.poll_ready(context)).await.map_err(broken)?;
            let answer = channel.call(request).await.map_err(broken)?;
            if !answer.status().is_success() {
                return Err(Status::unimplemented(format!("/metrics: {}", answer.status())));
            }
            let mut body = pin!(answer.into_body());
            let mut text = Vec::new();
            while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
                let Ok(data) = frame?.into_data() else { continue };
                text.extend_from_slice(&data);
                if text.len() > TEXT_BYTES {
                    return Err(Status::out_of_range("/metrics does not end"));
                }
            }
            let text = String::from_utf8(text);
            let text = text.map_err(|_| Status::internal("/metrics is no text"))?;
            Ok(tonic::Response::new(text))
        };
        self.once(address, asked).await
    }
}
