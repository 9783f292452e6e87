use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::keyspaces_client::KeyspacesClient;

use crate::call::Repeat;
use crate::{Client, Error};

impl Client {
    /// Makes an ordered keyspace.
    ///
    /// # Errors
    /// The name is taken, empty or too long; no answer, and then perhaps
    /// [`Error::outcome_unknown`].
    pub async fn create_keyspace(&self, name: impl Into<String>) -> Result<pb::Keyspace, Error> {
        let message = pb::CreateKeyspaceRequest { name: name.into() };
        let answer = self.call(Repeat::IfNotDone, message, |channel, request| async move {
            KeyspacesClient::new(channel).create(request).await
        });
        answer.await?.keyspace.ok_or(Error::Malformed("a keyspace was made, but which is missing"))
    }

    /// The keyspaces, by id, as the asked server knows them.
    ///
    /// # Errors
    /// No answer.
    pub async fn keyspaces(&self) -> Result<Vec<pb::Keyspace>, Error> {
        let message = pb::ListKeyspacesRequest {};
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            KeyspacesClient::new(channel).list(request).await
        });
        Ok(answer.await?.keyspaces)
    }
}
