//! Backups, chunk by chunk as a server sends them.

use bytes::Bytes;
use proto::hiraeth::v1::node_client::NodeClient;
use proto::hiraeth::v1::{BackupRange, BackupRequest, BackupResponse, BackupSince};
use tokio::time::timeout;
use tonic::Streaming;

use crate::call::ANSWER_BYTES;
use crate::{Client, Error};

/// A backup on its way.
pub struct BackupChunks {
    chunks: Streaming<BackupResponse>,
    address: String,
    patience: std::time::Duration,
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
                Ok(BackupChunks { chunks, address, patience })
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
    /// The server broke off, or nothing came for as long as a request may take.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match timeout(self.patience, self.chunks.message()).await {
            Ok(Ok(message)) => Ok(message.map(|message| message.chunk)),
            Ok(Err(status)) => Err(Error::of_call(&self.address, &status)),
            Err(_) => {
                let after = self.patience;
                Err(Error::TimedOut { after, outcome_unknown: false, last: None })
            }
        }
    }
}
