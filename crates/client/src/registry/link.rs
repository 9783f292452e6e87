//! One stream to one server.

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_request::Ask;
use proto::hiraeth::v1::registry_client::RegistryClient;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use crate::call::ANSWER_BYTES;
use crate::login::{Proof, token_of};
use crate::{Client, Error};

pub(super) struct Link {
    place: usize,
    endpoint: String,
    /// Bounded by what the program wants; a bound here could wait for a server that waits for us.
    out: mpsc::UnboundedSender<pb::OpenRequest>,
    responses: Streaming<pb::OpenResponse>,
}

impl Link {
    /// Opens a stream to the server whose turn it is.
    /// `token` becomes what it was opened with, in a user's name.
    pub(super) async fn open(
        client: &Client,
        label: Option<&str>,
        token: &mut Option<Proof>,
    ) -> Result<Self, Error> {
        let (place, endpoint, channel) = client.shared.endpoints.current();
        let (out, receiver) = mpsc::unbounded_channel();
        let failed = |status| Error::of_call(endpoint, &status);
        let opening = async {
            let orders = UnboundedReceiverStream::new(receiver);
            let mut request = client.named(&channel, orders).await.map_err(failed)?;
            *token = token_of(&request);
            if let Some(label) = label.and_then(|label| label.parse().ok()) {
                request.metadata_mut().insert("hiraeth-client", label);
            }
            let mut service =
                RegistryClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES);
            Ok(service.open(request).await.map_err(failed)?.into_inner())
        };
        let after = client.shared.options.timeout / 3;
        let opened = timeout(after, opening).await;
        let opened =
            opened.unwrap_or(Err(Error::TimedOut { after, outcome_unknown: false, last: None }));
        if opened.is_err() {
            client.shared.endpoints.leave(place);
        }
        Ok(Self { place, endpoint: endpoint.to_owned(), out, responses: opened? })
    }

    /// Says something.
    pub(super) fn say(&self, ask: Ask) -> Result<(), Error> {
        let message = pb::OpenRequest { ask: Some(ask) };
        self.out.send(message).map_err(|_| self.interrupted())
    }

    /// What the server says next.
    pub(super) async fn hear(&mut self) -> Result<pb::OpenResponse, Error> {
        match self.responses.message().await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(self.interrupted()),
            Err(status) => Err(Error::of_call(&self.endpoint, &status)),
        }
    }

    /// Leaves the server for the next one.
    pub(super) fn leave(self, client: &Client) {
        client.shared.endpoints.leave(self.place);
    }

    fn interrupted(&self) -> Error {
        let reason = "the server ended the stream".to_owned();
        Error::Interrupted { endpoint: self.endpoint.clone(), reason }
    }
}
