//! What the API needs to be at home in: the registry's keyspace, and this server in it. In Consul each
//! node has an agent; here every server is one, and what is registered with any of them is known to all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use node::{Consistency, Handle, Phase, Scope};
use parking_lot::Mutex;
use state::command::Command;
use state::directory::{Directory, NodeRecord};
use state::registry::{
    Check, CheckKey, CheckRegistration, DEFAULT_NAMESPACE, Definition, Instance, InstanceKey, Name,
    Node, Registration, RegistryCommand, Status, TimerId, Weights,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::{Fault, KeyspaceId, Revision};

use super::acl::KeySets;
use super::problem::Problem;

/// The version of Consul whose behaviour this is; clients look at it for what they may use.
pub(super) const VERSION: &str = "1.21.5";
/// The check that every node has, by which Consul says that its agent is reached.
pub(super) const SERF: &str = "serfHealth";
/// The service that Consul's servers are.
pub(super) const CONSUL: &str = "consul";
/// How long to leave it when a server could not be made known.
const AGAIN: Duration = Duration::from_secs(3);

/// Clients that log in at once.
const LOGINS: usize = 64;

/// This server, among all.
pub(crate) struct Home {
    handle: Handle,
    announced: Mutex<Announced>,
    /// One snapshot is restored at a time: its body is large.
    restores: Arc<Semaphore>,
    /// Who logs in may have others asked, and waits for them.
    logins: Arc<Semaphore>,
    key_sets: KeySets,
}

#[derive(Default)]
struct Announced {
    /// The directory whose servers are in the registry.
    directory: Option<Arc<Directory>>,
    tried: Option<Instant>,
}

impl Home {
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            announced: Mutex::default(),
            restores: Arc::new(Semaphore::new(1)),
            logins: Arc::new(Semaphore::new(LOGINS)),
            key_sets: KeySets::default(),
        }
    }

    /// Lets somebody log in, unless too many do.
    pub(super) fn begin_login(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.logins).try_acquire_owned().ok()
    }

    /// The keys that others told by which clients are known.
    pub(super) fn key_sets(&self) -> &KeySets {
        &self.key_sets
    }

    /// Lets in who wants to restore a snapshot, if nobody else does.
    pub(super) fn begin_restore(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.restores).try_acquire_owned().ok()
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The datacenter all of this is in.
    pub(super) fn datacenter(&self) -> &str {
        self.handle.datacenter()
    }

    /// This server.
    pub(super) fn record(&self) -> NodeRecord {
        let own = self.handle.node();
        let known = self.handle.directory().nodes.get(&own).cloned();
        known.unwrap_or_else(|| NodeRecord {
            id: own,
            identity: 0,
            name: own.to_string(),
            peer_address: String::new(),
            client_address: String::new(),
            part: node::Part::Voter,
            phase: Phase::Member,
            zone: String::new(),
            is_draining: false,
        })
    }

    /// This server as a node of the registry.
    pub(super) fn node(&self) -> Node {
        as_node(&self.record())
    }

    /// The registry's keyspace, made with the first request, and with this server in it.
    pub(crate) async fn keyspace(&self) -> Result<KeyspaceId, Problem> {
        let keyspace = self.handle.registry_keyspace().await?;
        let directory = self.handle.directory();
        {
            let mut announced = self.announced.lock();
            let current = announced.directory.as_ref();
            let tried = announced.tried.is_some_and(|at| at.elapsed() < AGAIN);
            if current.is_some_and(|it| Arc::ptr_eq(it, &directory)) || tried {
                return Ok(keyspace);
            }
            announced.tried = Some(Instant::now());
        }
        match self.announce(keyspace, &directory).await {
            Ok(()) => {
                *self.announced.lock() = Announced { directory: Some(directory), tried: None }
            }
            // The registry can be asked nevertheless.
            Err(fault) => tracing::debug!(%fault, "the servers are not in the registry yet"),
        }
        Ok(keyspace)
    }

    /// Puts the servers into the registry again, where they are not there.
    pub(super) async fn make_known(&self, keyspace: KeyspaceId) {
        let directory = self.handle.directory();
        if let Err(fault) = self.announce(keyspace, &directory).await {
            // With the next request, then.
            *self.announced.lock() = Announced::default();
            tracing::debug!(%fault, "the servers are not in the registry yet");
        }
    }

    /// Puts into the registry this server, and those that did not do so themselves yet.
    async fn announce(&self, keyspace: KeyspaceId, directory: &Directory) -> Result<(), Fault> {
        for record in directory.nodes.values() {
            if record.phase != Phase::Member || record.client_address.is_empty() {
                continue;
            }
            let wanted = as_node(record);
            let is_own = record.id == self.handle.node();
            let look = |registry: state::registry::Registries<'_>| {
                let serf = CheckKey::new(&wanted.name, DEFAULT_NAMESPACE, SERF);
                let consul = InstanceKey::new(&wanted.name, DEFAULT_NAMESPACE, CONSUL);
                let known = registry.node(&wanted.name).value.map(|it| it.node);
                let same =
                    known.is_some_and(|known| !is_own || *known == with_revisions(&wanted, &known));
                same && registry.check(&serf).is_some() && registry.instance(&consul).is_some()
            };
            if self.handle.registry(keyspace, &Scope::Whole, Consistency::Stale, look).await?.body {
                continue;
            }
            let command = RegistryCommand::Register(Box::new(registration(wanted)));
            self.handle.propose(keyspace, Command::Registry(command)).await?;
        }
        Ok(())
    }
}

fn with_revisions(node: &Node, known: &Node) -> Node {
    Node { created: known.created, modified: known.modified, ..node.clone() }
}

/// The host of `host:port`.
pub(super) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// A number as the ids of Consul's nodes look.
pub(super) fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A server as a node of the registry.
pub(super) fn as_node(record: &NodeRecord) -> Node {
    let address: Name = host(&record.client_address).into();
    let tagged = ["lan", "lan_ipv4", "wan", "wan_ipv4"];
    let tagged = tagged.map(|tag| (Name::from(tag), Name::clone(&address)));
    let meta = [("consul-network-segment", ""), ("consul-version", VERSION)];
    Node {
        name: record.name.as_str().into(),
        id: uuid(record.identity).into(),
        address,
        tagged_addresses: tagged.into_iter().collect(),
        meta: meta.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        created: Revision(0),
        modified: Revision(0),
    }
}

fn registration(node: Node) -> Registration {
    let (name, zero) = (Name::clone(&node.name), Revision(0));
    let instance = Instance {
        node: Name::clone(&name),
        namespace: DEFAULT_NAMESPACE.into(),
        id: CONSUL.into(),
        service: CONSUL.into(),
        tags: Arc::from([]),
        address: "".into(),
        port: 8300,
        meta: Arc::from([]),
        weights: Weights::default(),
        enable_tag_override: false,
        tagged_addresses: Box::default(),
        zone: "".into(),
        extra: Box::default(),
        created: zero,
        modified: zero,
    };
    let check = Check {
        node: name,
        namespace: DEFAULT_NAMESPACE.into(),
        id: SERF.into(),
        instance: "".into(),
        name: "Serf Health Status".into(),
        status: Status::Passing,
        notes: "".into(),
        output: "Agent alive and reachable".into(),
        kind: "".into(),
        definition: Definition::default(),
        timer: TimerId(0),
        created: zero,
        modified: zero,
    };
    Registration {
        node,
        skip_node_update: false,
        instance: Some(instance),
        checks: vec![CheckRegistration { check, keep_status: true }],
        replace_checks: false,
    }
}
