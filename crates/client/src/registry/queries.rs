//! Questions that are answered once.

use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::registry_client::RegistryClient;
use tonic::transport::Channel;

use super::instance::Instance;
use crate::call::{ANSWER_BYTES, Repeat};
use crate::{Client, Error};

/// A service and how many instances it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceCount {
    /// Its name.
    pub name: String,
    /// All tags of its instances.
    pub tags: Vec<String>,
    /// Its instances.
    pub instances: u32,
    /// Those of them that pass.
    pub passing: u32,
}

/// What is to be taken out of service, or put back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drain {
    /// The instance's namespace; `default` if empty.
    pub namespace: String,
    /// The node it is on.
    pub node: String,
    /// Its id; empty for everything on the node.
    pub id: String,
    /// Whether it is put back.
    pub back: bool,
    /// Why, for people.
    pub reason: String,
}

fn service(channel: Channel) -> RegistryClient<Channel> {
    RegistryClient::new(channel).max_decoding_message_size(ANSWER_BYTES)
}

impl Client {
    /// The instances of a service, at a version.
    ///
    /// # Errors
    /// No answer.
    pub async fn find_service(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<(i64, Vec<Instance>), Error> {
        let message = pb::FindRequest {
            namespace: namespace.to_owned(),
            service: name.to_owned(),
            ..pb::FindRequest::default()
        };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).find(request).await
        });
        let answer = answer.await?;
        Ok((answer.version, answer.instances.into_iter().map(Instance::from).collect()))
    }

    /// The services of a namespace, by name.
    ///
    /// # Errors
    /// No answer.
    pub async fn services(&self, namespace: &str) -> Result<Vec<ServiceCount>, Error> {
        let namespace = namespace.to_owned();
        let message = pb::ServicesRequest { namespace, stale: false };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).services(request).await
        });
        let counted = answer.await?.services.into_iter().map(|it| ServiceCount {
            name: it.name,
            tags: it.tags,
            instances: it.instances,
            passing: it.passing,
        });
        Ok(counted.collect())
    }

    /// Takes an instance out of service without forgetting it, or puts it back.
    ///
    /// # Errors
    /// It is not there; no answer.
    pub async fn drain(&self, drain: Drain) -> Result<(), Error> {
        let Drain { namespace, node, id, back, reason } = drain;
        let message = pb::DrainRequest { namespace, node, id, back, reason };
        let answer = self.call(Repeat::Always, message, |channel, request| async move {
            service(channel).drain(request).await
        });
        answer.await.map(drop)
    }

    /// Who is pushed what of a service, on the server at `address`.
    ///
    /// # Errors
    /// No answer.
    pub async fn audit(
        &self,
        address: &str,
        namespace: &str,
        name: &str,
    ) -> Result<pb::AuditResponse, Error> {
        let channel = self.channel_to(address)?;
        let mut service = service(channel);
        let message =
            pb::AuditRequest { namespace: namespace.to_owned(), service: name.to_owned() };
        self.once(address, service.audit(self.request(message))).await
    }
}
