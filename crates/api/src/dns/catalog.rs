//! Where answers come from.

use std::future::Future;
use std::sync::Arc;

use node::{Consistency, Handle};
use state::registry::query::{InstanceFilter, Member};
use state::registry::{MACHINE, Name, Node, ServiceName};
use types::{Code, KeyspaceId};

use super::servers::{Server, servers};

/// What can be asked. Names are compared byte for byte there, and without case in DNS: so each question
/// comes with the spellings to try, and the first that is there counts.
pub(super) trait Catalog: Sync {
    /// The instances of a service.
    fn service(
        &self,
        spellings: Vec<ServiceName>,
    ) -> impl Future<Output = Result<Vec<Member>, Unavailable>> + Send;

    /// A node.
    fn node(
        &self,
        spellings: Vec<Name>,
    ) -> impl Future<Output = Result<Option<Arc<Node>>, Unavailable>> + Send;

    /// The cluster's own nodes.
    fn servers(&self) -> Vec<Server>;
}

/// Nothing can be said, not even that something is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unavailable;

/// A node's own copy of the registry, however old: names are to be found while there is no leader, too.
pub(super) struct OwnCopy(pub(super) Handle);

impl OwnCopy {
    /// `None` if nobody ever registered anything.
    fn keyspace(&self) -> Result<Option<KeyspaceId>, Unavailable> {
        if self.0.directory().cluster.is_none() {
            return Err(Unavailable);
        }
        match self.0.keyspace(Some(MACHINE)) {
            Ok(keyspace) => Ok(Some(keyspace)),
            Err(fault) if fault.code == Code::KeyspaceNotFound => Ok(None),
            Err(_) => Err(Unavailable),
        }
    }

    async fn ask<T: Default>(
        &self,
        ask: impl FnOnce(&state::registry::Registry) -> T + Send,
    ) -> Result<T, Unavailable> {
        let Some(keyspace) = self.keyspace()? else { return Ok(T::default()) };
        match self.0.registry(keyspace, Consistency::Stale, ask).await {
            Ok(answer) => Ok(answer.body),
            Err(fault) => {
                tracing::debug!(%fault, "DNS: the registry cannot be read");
                Err(Unavailable)
            }
        }
    }
}

impl Catalog for OwnCopy {
    async fn service(&self, spellings: Vec<ServiceName>) -> Result<Vec<Member>, Unavailable> {
        self.ask(move |registry| {
            let every = InstanceFilter::default();
            let mut found = spellings.iter().map(|name| registry.service(name, &every).value);
            found.find(|members| !members.is_empty()).unwrap_or_default()
        })
        .await
    }

    async fn node(&self, spellings: Vec<Name>) -> Result<Option<Arc<Node>>, Unavailable> {
        self.ask(move |registry| {
            let mut found = spellings.iter().filter_map(|name| registry.node(name).value);
            found.next().map(|found| found.node)
        })
        .await
    }

    fn servers(&self) -> Vec<Server> {
        servers(&self.0.directory())
    }
}
