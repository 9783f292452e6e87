//! Backups, chunk by chunk as a server sends them.

use std::time::Duration;

use bytes::Bytes;
use proto::hiraeth::v1::node_client::NodeClient;
use proto::hiraeth::v1::{BackupRange, BackupRequest, BackupResponse, BackupSince};
use tokio::time::timeout;
use tonic::Streaming;

use crate::call::ANSWER_BYTES;
use crate::{Client, Error};

/// For how long a chunk may be awaited. A server may have to read tens of GiB before it has one together: of
/// values that an earlier backup has, only the keys are sent. One that vanished breaks the connection long
/// before that, since it answers no ping.
const PATIENCE: Duration = Duration::from_secs(600);

/// A backup on its way.
pub struct BackupChunks {
    chunks: Streaming<BackupResponse>,
    address: String,
}

impl Client {
    /// What the server at `address` has of a keyspace (empty for the cluster), or of `ranges` of sharded
    /// keyspaces, at one moment; all that was acknowledged before is in it. Of what an earlier backup has,
    /// only what came since.
    ///
    /// # Errors
    /// No answer in time; no such keyspace; an earlier backup of something else; only root may ask, where the
    /// cluster knows users.
    pub async fn backup(
        &self,
        address: &str,
        keyspace: &str,
        ranges: Vec<BackupRange>,
        since: Option<BackupSince>,
    ) -> Result<BackupChunks, Error> {
        let patience = self.shared.options.timeout;
        let channel = self.channel_to(address)?;
        let begun = async {
            let message = BackupRequest { keyspace: keyspace.to_owned(), ranges, since };
            let request = self.named(&channel, message).await?;
            let mut node = NodeClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES);
            node.backup(request).await
        };
        match timeout(patience, begun).await {
            Ok(Ok(answer)) => {
                let (chunks, address) = (answer.into_inner(), address.to_owned());
                Ok(BackupChunks { chunks, address })
            }
            Ok(Err(status)) => Err(Error::of_call(address, &status)),
            Err(_) => Err(Error::TimedOut { after: patience, outcome_unknown: false, last: None }),
        }
    }
}

impl BackupChunks {
    /// The next chunk; `None` after the last one.
    ///
    /// # Errors
    /// The server broke off or vanished, or nothing came for ten minutes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match timeout(PATIENCE, self.chunks.message()).await {
            Ok(Ok(message)) => Ok(message.map(|message| message.chunk)),
            Ok(Err(status)) => Err(Error::of_call(&self.address, &status)),
            Err(_) => Err(Error::TimedOut { after: PATIENCE, outcome_unknown: false, last: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::net::TcpListener;
    use tonic::codegen::http::{HeaderMap, Response};

    use crate::{Client, Options};

    /// A request that takes longer is given up.
    const TIMEOUT: Duration = Duration::from_millis(500);

    /// Answers one request at once, and has the first chunk together so much later.
    async fn serves_late(listener: TcpListener, late: Duration) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut body = respond.send_response(head, false).unwrap();
        let sends = async move {
            tokio::time::sleep(late).await;
            let message = Bytes::from_static(b"\0\0\0\0\x06\x0a\x04late");
            body.send_data(message, false).unwrap();
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            body.send_trailers(trailers).unwrap();
        };
        // Answers pings meanwhile.
        tokio::join!(sends, connection.accept());
    }

    #[tokio::test]
    async fn a_chunk_may_take_longer_than_a_request() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(serves_late(listener, TIMEOUT * 3));
        let client = Client::lazy([&address], Options { timeout: TIMEOUT, ..Options::default() });
        let client = client.unwrap();
        let mut chunks = client.backup(&address, "", Vec::new(), None).await.unwrap();
        assert_eq!(chunks.next().await.unwrap(), Some(Bytes::from_static(b"late")));
        assert_eq!(chunks.next().await.unwrap(), None);
        drop((chunks, client));
        server.await.unwrap();
    }
}
