//! The meta region's share of the state machine: it keeps the directory.

mod levels;
mod nodes;
mod rewrite;
mod shards;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use types::{
    Batch, ClusterId, Code, Fault, KeyspaceId, NodeId, ReadFailure, Reader, RegionId, limits,
};

use crate::auth::acl::{Acl, AclChange, AclId};
use crate::auth::{Auth, AuthCommand};
use crate::codec::acl::{
    get_acl_policy, get_acl_role, get_acl_switch, get_acl_token, put_acl_policy, put_acl_role,
    put_acl_switch, put_acl_token,
};
use crate::codec::auth::{get_role, get_switch, get_user, put_role, put_switch, put_user};
use crate::codec::methods::{get_acl_binding, get_acl_method, put_acl_binding, put_acl_method};
use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::codec::records::{
    get_keyspace, get_node, get_region, put_keyspace, put_node, put_region,
};
use crate::command::Command;
use crate::directory::{Directory, KeyspaceRecord, NodeRecord, RegionRecord};
use crate::response::Response;

pub(crate) use rewrite::records;

/// The tag of the directory's records, after the region.
const TAG: u8 = b'D';
const CLUSTER: u8 = b'c';
const NODE: u8 = b'n';
const KEYSPACE: u8 = b'k';
const REGION: u8 = b'r';
/// A node that was removed.
const REMOVED: u8 = b'x';
/// A keyspace with a custom machine.
const MACHINE: u8 = b'm';
/// A region of a sharded keyspace.
const SHARD: u8 = b's';
/// Up to which level a node knows what goes through logs; and all may use it.
const LEVEL: u8 = b'l';
const RAISED: u8 = b'L';
/// Whether auth is on.
const SWITCH: u8 = b'a';
const USER: u8 = b'u';
const ROLE: u8 = b'o';
/// Whether Consul's ACL is on.
const ACL_SWITCH: u8 = b'A';
const ACL_TOKEN: u8 = b'T';
const ACL_POLICY: u8 = b'P';
const ACL_ROLE: u8 = b'R';
const ACL_METHOD: u8 = b'M';
const ACL_BINDING: u8 = b'B';

/// The directory, with what is needed to change it.
pub(crate) struct DirectoryMachine {
    region: RegionId,
    directory: Directory,
    last_keyspace: u32,
    last_region: u64,
    last_node: u64,
}

/// Why the directory's records cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The engine.
    #[error(transparent)]
    Read(#[from] ReadFailure),
    /// A record.
    #[error("a record of the directory is damaged: {0}")]
    Damaged(#[from] CodecError),
}

impl DirectoryMachine {
    pub(crate) fn load(region: RegionId, reader: &dyn Reader) -> Result<Self, Error> {
        let directory = Directory::default();
        let mut machine =
            Self { region, directory, last_keyspace: 0, last_region: 0, last_node: 0 };
        let start = key(region, 0, 0);
        let mut end = BytesMut::from(start.as_ref());
        end.truncate(8);
        end.put_u8(TAG + 1);
        let mut damaged = None;
        reader.scan(&start, &end, &mut |key, value| {
            let kind = key.get(9).copied().unwrap_or(0);
            match machine.take(kind, value) {
                Ok(()) => true,
                Err(error) => {
                    damaged = Some(error);
                    false
                }
            }
        })?;
        damaged.map_or(Ok(machine), |error| Err(error.into()))
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    fn take(&mut self, kind: u8, value: Bytes) -> Result<(), CodecError> {
        let mut from = Cursor::new(value);
        match kind {
            CLUSTER => {
                self.directory.cluster = Some(ClusterId(from.wide()?));
                self.last_keyspace = from.small()?;
                self.last_region = from.number()?;
                self.last_node = from.number()?;
            }
            REMOVED => drop(self.directory.removed.insert(NodeId(from.number()?))),
            NODE => {
                let node = get_node(&mut from)?;
                self.directory.nodes.insert(node.id, node);
            }
            KEYSPACE | MACHINE => {
                let keyspace = get_keyspace(&mut from, kind == MACHINE)?;
                self.directory.keyspaces.insert(keyspace.id, keyspace);
            }
            REGION | SHARD => {
                let region = get_region(&mut from, kind == SHARD)?;
                self.directory.regions.insert(region.copied());
            }
            LEVEL => {
                let (node, most) = (NodeId(from.number()?), from.small()?);
                self.directory.levels.insert(node, most);
            }
            RAISED => self.directory.raised = from.small()?,
            SWITCH => get_switch(&mut from, Arc::make_mut(&mut self.directory.auth))?,
            USER => {
                let (name, user) = get_user(&mut from)?;
                Arc::make_mut(&mut self.directory.auth).users.insert(name, user);
            }
            ROLE => {
                let (name, role) = get_role(&mut from)?;
                Arc::make_mut(&mut self.directory.auth).roles.insert(name, role);
            }
            ACL_SWITCH => get_acl_switch(&mut from, self.acl())?,
            ACL_TOKEN => get_acl_token(&mut from, self.acl())?,
            ACL_POLICY => get_acl_policy(&mut from, self.acl())?,
            ACL_ROLE => get_acl_role(&mut from, self.acl())?,
            ACL_METHOD => get_acl_method(&mut from, self.acl())?,
            ACL_BINDING => get_acl_binding(&mut from, self.acl())?,
            _ => return Err(from.error("a directory record of unknown kind")),
        }
        from.end()
    }

    fn acl(&mut self) -> &mut Acl {
        &mut Arc::make_mut(&mut self.directory.auth).acl
    }

    /// Carries out a command of the meta region; answers also whether the directory changed.
    pub(crate) fn apply(
        &mut self,
        command: &Command,
        batch: &mut Batch,
    ) -> (Result<Response, Fault>, bool) {
        let result = match command {
            Command::Initialize { cluster, nodes } => Ok(self.initialize(*cluster, nodes, batch)),
            Command::RegisterNode(node) => self.register(node, batch),
            Command::TellLevel { node, most } => self.tell_level(*node, *most, batch),
            Command::RaiseLevel { to } => self.raise_level(*to, batch),
            Command::AddNode { peer_address, part } => self.add_node(peer_address, *part, batch),
            Command::IntroduceNode { peer_address, identity, name, client_address } => {
                self.introduce(peer_address, *identity, name, client_address, batch)
            }
            Command::PromoteNode { node } => self.promote_node(*node, batch),
            Command::RemoveNode { node } => self.remove_node(*node, batch),
            Command::UpdateNode { node, peer_address } => {
                self.update_node(*node, peer_address, batch)
            }
            Command::RecordPeers { region, epoch, peers, learners } => {
                Ok(self.record_peers(*region, *epoch, peers, learners, batch))
            }
            Command::CreateKeyspace { name } => self.create_keyspace(name, None, batch),
            Command::CreateMachine { name, machine } => {
                self.create_keyspace(name, Some(machine), batch)
            }
            Command::CreateRegistry { shards } => self.create_registry(*shards, batch),
            Command::CreateSharded { name, split_at, replicas, in_memory } => {
                self.create_sharded(name, split_at, (*replicas, *in_memory), batch)
            }
            Command::Place { region, from, to } => self.place(*region, from, to, batch),
            Command::DrainNode { node, drain } => self.drain_node(*node, *drain, batch),
            Command::PlanSplit { region, version, at } => {
                self.plan_split(*region, *version, at, batch)
            }
            Command::Auth(command) => self.change_auth(command, batch),
            Command::Put(_)
            | Command::Delete(_)
            | Command::Txn(_)
            | Command::Compact { .. }
            | Command::Alarm { .. }
            | Command::LeaseGrant { .. }
            | Command::LeaseRevoke { .. }
            | Command::LeaseExpire { .. }
            | Command::Limited { .. }
            | Command::Registry(_)
            | Command::Split { .. }
            | Command::Execute { .. } => {
                Err(Fault::new(Code::Unsupported, "the meta region keeps no keys of users"))
            }
        };
        match result {
            Ok((response, changed)) => (Ok(response), changed),
            Err(fault) => (Err(fault), false),
        }
    }

    fn initialize(
        &mut self,
        cluster: ClusterId,
        nodes: &[NodeRecord],
        batch: &mut Batch,
    ) -> (Response, bool) {
        if self.directory.cluster.is_some() {
            return (Response::Done, false);
        }
        self.directory.cluster = Some(cluster);
        for node in nodes {
            self.put_node(node.clone(), batch);
        }
        self.last_node = nodes.iter().map(|node| node.id.get()).max().unwrap_or(0);
        let ids = nodes.iter().map(|node| node.id);
        self.put_region(RegionRecord::born(RegionId::META, KeyspaceId(0), ids), batch);
        self.last_region = RegionId::META.get();
        self.add_keyspace("default", None, batch);
        (Response::Done, true)
    }

    fn create_keyspace(
        &mut self,
        name: &str,
        machine: Option<&String>,
        batch: &mut Batch,
    ) -> Result<(Response, bool), Fault> {
        crate::check::check_keyspace_name(name)?;
        if let Some(machine) = machine {
            crate::check::check_keyspace_name(machine)?;
            if machine == crate::sharded::MACHINE {
                let detail = format!("{machine:?} is no machine that a keyspace is made with");
                return Err(Fault::new(Code::InvalidArgument, detail));
            }
        }
        self.must_be_free_for_keyspace(name)?;
        Ok((Response::Keyspace(self.add_keyspace(name, machine, batch)), true))
    }

    /// All of it or nothing: how many shards there are never changes.
    fn create_registry(
        &mut self,
        shards: u32,
        batch: &mut Batch,
    ) -> Result<(Response, bool), Fault> {
        let machine = crate::registry::MACHINE.to_owned();
        let names = (1..=shards).map(crate::registry::shard_name);
        let names: Vec<String> = std::iter::once(machine.clone()).chain(names).collect();
        names.iter().try_for_each(|name| self.must_be_free_for_keyspace(name))?;
        let more = names.len();
        if self.directory.keyspaces.len() + more > limits::KEYSPACES {
            let detail = format!("a cluster holds at most {} keyspaces", limits::KEYSPACES);
            return Err(Fault::new(Code::LimitReached, detail));
        }
        let mut made = names.iter().map(|name| self.add_keyspace(name, Some(&machine), batch));
        let home = made.next();
        made.for_each(drop);
        let home = home.ok_or(Code::Internal)?;
        Ok((Response::Keyspace(home), true))
    }

    fn must_be_free_for_keyspace(&self, name: &str) -> Result<(), Fault> {
        self.must_be_formed()?;
        if self.directory.keyspace_named(name).is_some() {
            return Err(Fault::new(Code::KeyspaceExists, name));
        }
        if self.directory.keyspaces.len() >= limits::KEYSPACES {
            let detail = format!("a cluster holds at most {} keyspaces", limits::KEYSPACES);
            return Err(Fault::new(Code::LimitReached, detail));
        }
        Ok(())
    }

    fn add_keyspace(
        &mut self,
        name: &str,
        machine: Option<&String>,
        batch: &mut Batch,
    ) -> KeyspaceRecord {
        self.last_keyspace += 1;
        self.last_region += 1;
        let keyspace = KeyspaceRecord {
            id: KeyspaceId(self.last_keyspace),
            name: name.to_owned(),
            region: RegionId(self.last_region),
            machine: machine.cloned(),
            replicas: 0,
        };
        self.put_region(
            RegionRecord::born(keyspace.region, keyspace.id, self.where_to_be_born()),
            batch,
        );
        self.put_keyspace(&keyspace, batch);
        self.put_cluster(batch);
        keyspace
    }

    fn put_keyspace(&mut self, keyspace: &KeyspaceRecord, batch: &mut Batch) {
        let mut out = Writer::default();
        put_keyspace(&mut out, keyspace);
        let kind = if keyspace.machine.is_some() { MACHINE } else { KEYSPACE };
        batch.put(key(self.region, kind, u64::from(keyspace.id.get())), out.finish());
        self.directory.keyspaces.insert(keyspace.id, keyspace.clone());
    }

    fn change_auth(
        &mut self,
        command: &AuthCommand,
        batch: &mut Batch,
    ) -> Result<(Response, bool), Fault> {
        let auth = Arc::make_mut(&mut self.directory.auth);
        let change = auth.apply(command)?;
        if !change.any {
            return Ok((Response::Done, false));
        }
        let named = |kind, name: &str| named_key(self.region, kind, name);
        for name in &change.users {
            match auth.users.get(name) {
                Some(user) => batch.put(named(USER, name), put_user(name, user)),
                None => batch.delete(named(USER, name)),
            }
        }
        for name in &change.roles {
            match auth.roles.get(name) {
                Some(role) => batch.put(named(ROLE, name), put_role(name, role)),
                None => batch.delete(named(ROLE, name)),
            }
        }
        put_acl_records(self.region, auth, &change.acl, batch);
        batch.put(key(self.region, SWITCH, 0), put_switch(auth));
        Ok((Response::Done, true))
    }

    fn put_cluster(&self, batch: &mut Batch) {
        let Some(cluster) = self.directory.cluster else { return };
        let mut out = Writer::default();
        out.wide(cluster.0);
        out.number(u64::from(self.last_keyspace));
        out.number(self.last_region);
        out.number(self.last_node);
        batch.put(key(self.region, CLUSTER, 0), out.finish());
    }

    fn put_node(&mut self, node: NodeRecord, batch: &mut Batch) {
        let mut out = Writer::default();
        put_node(&mut out, &node);
        batch.put(key(self.region, NODE, node.id.get()), out.finish());
        self.directory.nodes.insert(node.id, node);
    }

    fn put_region(&mut self, region: RegionRecord, batch: &mut Batch) {
        let mut out = Writer::default();
        put_region(&mut out, &region);
        let kind = if region.sharding.is_some() { SHARD } else { REGION };
        batch.put(key(self.region, kind, region.id.get()), out.finish());
        self.directory.regions.insert(region);
    }
}

fn key(region: RegionId, kind: u8, id: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(18);
    key.put_u64(region.get());
    key.put_u8(TAG);
    key.put_u8(kind);
    key.put_u64(id);
    key.freeze()
}

fn named_key(region: RegionId, kind: u8, name: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(10 + name.len());
    key.put_u64(region.get());
    key.put_u8(TAG);
    key.put_u8(kind);
    key.put_slice(name.as_bytes());
    key.freeze()
}

/// Writes what a change of the ACL left behind.
fn put_acl_records(region: RegionId, auth: &Auth, change: &AclChange, batch: &mut Batch) {
    let acl = &auth.acl;
    let named = |kind, id: &AclId| named_key(region, kind, id);
    for id in &change.tokens {
        match acl.tokens.get(id) {
            Some(token) => batch.put(named(ACL_TOKEN, id), put_acl_token(id, token)),
            None => batch.delete(named(ACL_TOKEN, id)),
        }
    }
    for id in &change.policies {
        match acl.policies.get(id) {
            Some(policy) => batch.put(named(ACL_POLICY, id), put_acl_policy(id, policy)),
            None => batch.delete(named(ACL_POLICY, id)),
        }
    }
    for id in &change.roles {
        match acl.roles.get(id) {
            Some(role) => batch.put(named(ACL_ROLE, id), put_acl_role(id, role)),
            None => batch.delete(named(ACL_ROLE, id)),
        }
    }
    for id in &change.methods {
        match acl.methods.get(id) {
            Some(method) => batch.put(named(ACL_METHOD, id), put_acl_method(id, method)),
            None => batch.delete(named(ACL_METHOD, id)),
        }
    }
    for id in &change.bindings {
        match acl.bindings.get(id) {
            Some(binding) => batch.put(named(ACL_BINDING, id), put_acl_binding(id, binding)),
            None => batch.delete(named(ACL_BINDING, id)),
        }
    }
    if change.any {
        batch.put(key(region, ACL_SWITCH, 0), put_acl_switch(acl));
    }
}
