//! What a server tells Prometheus.

use tonic::Status;

use crate::{Client, Error};

impl Client {
    /// `/metrics` of the server at `address`, `host:port`, in Prometheus' text format, at most 16 MiB.
    ///
    /// # Errors
    /// No answer, or one of something else.
    pub async fn metrics(&self, address: &str) -> Result<String, Error> {
        let answer = self.http(address, "GET", "/metrics", Vec::new()).await?;
        if answer.status != 200 {
            let status = Status::unimplemented(format!("/metrics: {}", answer.status));
            return Err(Error::of_call(address, &status));
        }
        Ok(answer.text)
    }
}
