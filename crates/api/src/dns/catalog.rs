//! Where answers come from.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use node::{Consistency, Handle, Scope};
use state::auth::Demand;
use state::auth::acl::{Access, Resource, View};
use state::registry::query::Member;
use state::registry::{Instance, MACHINE, Name, Node, Registries, ServiceName, Status};
use tokio::time::timeout;
use types::{Code, KeyspaceId};

use super::place;
use super::servers::{Server, servers};
use crate::audit::Bearer;

/// What can be asked. Names are compared byte for byte there, and without case in DNS: so each question
/// comes with the spellings to try, and the first that is there counts.
pub(super) trait Catalog: Sync {
    /// Instances of a service that can be used, some of them if there are many.
    fn service(
        &self,
        spellings: Vec<ServiceName>,
        wanted: Wanted,
    ) -> impl Future<Output = Result<Vec<Member>, Unavailable>> + Send;

    /// A node.
    fn node(
        &self,
        spellings: Vec<Name>,
    ) -> impl Future<Output = Result<Option<Arc<Node>>, Unavailable>> + Send;

    /// The cluster's own nodes.
    fn servers(&self) -> Vec<Server>;
}

/// Which instances, and how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// With this tag, in whatever letters.
    pub(super) tag: Option<String>,
    /// With an address of this type of record, or a name that may lead to one.
    pub(super) kind: Option<u16>,
    /// Where among all of them to begin, any number.
    pub(super) from: u64,
    /// At most so many.
    pub(super) most: usize,
}

/// A copy that is there answers at once; whoever asks over UDP next waits as long.
const PATIENCE: Duration = Duration::from_millis(500);
/// Names of instances that are looked at; one is answered.
const NAMES: usize = 8;

impl Wanted {
    /// Takes what is wanted, and of those that would be answered alike the first, so that a machine with
    /// many instances does not stand for all.
    pub(super) fn sieve(&self) -> impl FnMut(&Node, &Instance, Status) -> bool {
        let (mut addresses, mut names, mut targets) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        move |node, instance, status| {
            let has = |tag: &String| instance.tags.iter().any(|it| it.eq_ignore_ascii_case(tag));
            if status == Status::Critical || !self.tag.as_ref().is_none_or(has) {
                return false;
            }
            let Some(kind) = self.kind else {
                let address = Name::clone(&instance.address);
                return targets.insert((Name::clone(&node.name), address, instance.port));
            };
            match place::address(node, instance, kind) {
                Some(address) => addresses.insert(address),
                None => {
                    let name = place::name(node, instance);
                    name.is_some_and(|name| names.len() < NAMES && names.insert(name))
                }
            }
        }
    }
}

/// Nothing can be said, not even that something is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unavailable;

/// A node's own copy of the registry, however old: names are to be found while there is no leader, too. Of it
/// is told what the token shows that is asked with; where the ACL is off, everything.
pub(super) struct OwnCopy {
    handle: Handle,
    sender: Bearer,
}

impl OwnCopy {
    pub(super) fn new(handle: Handle, sender: Bearer) -> Self {
        Self { handle, sender }
    }

    /// Who brings no token asks in the name of the node's own.
    fn sender(&self) -> Bearer {
        let Bearer { token, origin } = self.sender.clone();
        Bearer { token: token.or_else(|| self.handle.default_token()), origin }
    }

    /// `None` if nobody ever registered anything.
    fn keyspace(&self) -> Result<Option<KeyspaceId>, Unavailable> {
        if self.handle.directory().cluster.is_none() {
            return Err(Unavailable);
        }
        match self.handle.keyspace(Some(MACHINE)) {
            Ok(keyspace) => Ok(Some(keyspace)),
            Err(fault) if fault.code == Code::KeyspaceNotFound => Ok(None),
            Err(_) => Err(Unavailable),
        }
    }

    async fn ask<T: Default>(
        &self,
        scope: Scope,
        ask: impl FnOnce(&View<'_>) -> T + Send,
    ) -> Result<T, Unavailable> {
        let Some(keyspace) = self.keyspace()? else { return Ok(T::default()) };
        let asking = async {
            if self.handle.acl_switch().0 {
                let caller = self.handle.caller(keyspace, self.sender());
                return caller.registry(&scope, Consistency::Stale, ask).await;
            }
            let ask = |registry: Registries<'_>| ask(&View::whole(registry));
            self.handle.registry(keyspace, &scope, Consistency::Stale, ask).await
        };
        match timeout(PATIENCE, asking).await {
            Ok(Ok(answer)) => Ok(answer.body),
            Ok(Err(fault)) => {
                tracing::debug!(%fault, "DNS: the registry cannot be read");
                Err(Unavailable)
            }
            Err(_) => Err(Unavailable),
        }
    }
}

impl Catalog for OwnCopy {
    async fn service(
        &self,
        spellings: Vec<ServiceName>,
        wanted: Wanted,
    ) -> Result<Vec<Member>, Unavailable> {
        let scope = match spellings.as_slice() {
            [one] => Scope::Service(one.clone()),
            _ => Scope::Whole,
        };
        self.ask(scope, move |registry| {
            let mut found = spellings
                .iter()
                .map(|name| registry.sample(name, wanted.from, wanted.most, wanted.sieve()));
            found.find(|members| !members.is_empty()).unwrap_or_default()
        })
        .await
    }

    async fn node(&self, spellings: Vec<Name>) -> Result<Option<Arc<Node>>, Unavailable> {
        let find =
            move |registry: &View<'_>| spellings.iter().find_map(|name| registry.node_record(name));
        self.ask(Scope::Home, find).await
    }

    fn servers(&self) -> Vec<Server> {
        let mut all = servers(&self.handle.directory());
        if self.handle.acl_switch().0 {
            let keyspace = self.keyspace().ok().flatten().unwrap_or(KeyspaceId::DEFAULT);
            let caller = self.handle.caller(keyspace, self.sender());
            all.retain(|server| {
                let what = Demand::Resource(Resource::Member(&server.name), Access::Read);
                caller.may_locally(what)
            });
        }
        all
    }
}
