//! The one place that says who may do what, whichever front door it came through.

use bytes::Bytes;
use types::{Code, KeyRange, KeyspaceId};

use super::cover::{covers, merged};
use super::{Auth, AuthCommand, PermissionKind, ROOT, Role, User, may_be_limited};
use crate::command::Command;
use crate::registry::{self, RegistryCommand};
use crate::request::{Query, TxnOp, TxnRequest};

/// Who asks, once that is proven, by a token or otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Principal<'a> {
    /// The user's name.
    pub user: &'a str,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub enum Demand<'a> {
    /// Have a command carried out.
    Command(&'a Command),
    /// Have something read.
    Query(&'a Query),
    /// Read a range, or be told of its changes.
    Range(&'a KeyRange),
    /// Run a transaction.
    Txn(&'a TxnRequest),
    /// Learn of these keys.
    Keys(&'a [Bytes]),
    /// Change users and roles.
    Auth(&'a AuthCommand),
    /// Look at a user: root may, and the user itself.
    User(&'a str),
    /// Look at a role: root may, and who has it.
    Role(&'a str),
    /// What every user may.
    Anyone,
    /// What only root may.
    Root,
}

impl Auth {
    /// Whether `who` may do `what` in `keyspace`.
    ///
    /// # Errors
    /// `UserEmpty` for nobody, `PermissionDenied` for everybody else.
    pub fn authorize(
        &self,
        who: Option<Principal<'_>>,
        keyspace: KeyspaceId,
        what: Demand<'_>,
    ) -> Result<(), Code> {
        if !self.enabled {
            return Ok(());
        }
        let name = who.map_or("", |who| who.user);
        if name.is_empty() {
            return Err(Code::UserEmpty);
        }
        let user = self.users.get(name).ok_or(Code::PermissionDenied)?;
        let rights = Rights { auth: self, user, keyspace };
        if user.is_root() || rights.may(name, what) { Ok(()) } else { Err(Code::PermissionDenied) }
    }

    /// The command in the words that hold `who` to its rights also while it is applied: keys that
    /// come to live with a lease meanwhile are looked at, too.
    #[must_use]
    pub fn limit(
        &self,
        who: Option<Principal<'_>>,
        keyspace: KeyspaceId,
        command: Command,
    ) -> Command {
        let user = who.and_then(|who| self.users.get(who.user));
        match user {
            Some(user) if self.enabled && !user.is_root() && may_be_limited(&command) => {
                let rights = Rights { auth: self, user, keyspace };
                let ranges = rights.ranges(PermissionKind::Write).cloned().collect();
                Command::Limited { ranges: merged(ranges), command: Box::new(command) }
            }
            _ => command,
        }
    }
}

/// From the first key that can be on, which is where a permission for everything begins.
fn every_key() -> KeyRange {
    KeyRange { start: Bytes::from_static(&[0]), end: None }
}

/// A user that is not root, in a keyspace.
struct Rights<'a> {
    auth: &'a Auth,
    user: &'a User,
    keyspace: KeyspaceId,
}

impl<'a> Rights<'a> {
    fn may(&self, name: &str, what: Demand<'_>) -> bool {
        match what {
            Demand::Command(command) => self.may_command(command),
            Demand::Query(Query::Range(range)) => self.may_read(&range.range),
            Demand::Query(Query::Txn(txn)) | Demand::Txn(txn) => self.may_txn(txn),
            Demand::Range(range) => self.may_read(range),
            Demand::Keys(keys) => keys.iter().all(|key| self.may_read(&KeyRange::single(key))),
            Demand::User(user) => user == name,
            Demand::Role(role) => role != ROOT && self.user.roles.contains(role),
            Demand::Anyone => true,
            Demand::Auth(_) | Demand::Root => false,
        }
    }

    fn may_command(&self, command: &Command) -> bool {
        match command {
            Command::Put(put) => {
                let key = KeyRange::single(&put.key);
                self.may_write(&key) && (!put.prev_kv || self.may_read(&key))
            }
            Command::Delete(delete) => {
                self.may_write(&delete.range) && (!delete.prev_kv || self.may_read(&delete.range))
            }
            Command::Txn(txn) => self.may_txn(txn),
            // It takes the past of every key.
            Command::Compact { .. } | Command::Execute { .. } => self.may_write(&every_key()),
            Command::Registry(command) => self.may_registry(command),
            // Whose keys live with a lease is looked at when the command is applied.
            Command::LeaseGrant { .. } | Command::LeaseRevoke { .. } => true,
            Command::Limited { command, .. } => self.may_command(command),
            Command::Alarm { .. }
            | Command::LeaseExpire { .. }
            | Command::Initialize { .. }
            | Command::RegisterNode(_)
            | Command::AddNode { .. }
            | Command::IntroduceNode { .. }
            | Command::PromoteNode { .. }
            | Command::RemoveNode { .. }
            | Command::UpdateNode { .. }
            | Command::RecordPeers { .. }
            | Command::CreateKeyspace { .. }
            | Command::CreateMachine { .. }
            | Command::CreateSharded { .. }
            | Command::PlanSplit { .. }
            | Command::Place { .. }
            | Command::DrainNode { .. }
            | Command::Split { .. }
            | Command::Auth(_) => false,
        }
    }

    /// Who may put a key may lock it. Registering is for those that may write everything: rights on single
    /// services come with Consul's tokens.
    fn may_registry(&self, command: &RegistryCommand) -> bool {
        match command {
            RegistryCommand::Kv(write) => self.may_write(&KeyRange::single(&write.key)),
            RegistryCommand::KvDelete { key, .. } => self.may_write(&KeyRange::single(key)),
            RegistryCommand::Txn(ops) => ops.iter().all(|op| {
                let keys = match op {
                    registry::TxnOp::Kv(op) => op.range(),
                    registry::TxnOp::Catalog(_) => every_key(),
                };
                if op.writes() { self.may_write(&keys) } else { self.may_read(&keys) }
            }),
            RegistryCommand::Expire(_) => false,
            // Who may make everything another way; the front doors ask for root.
            RegistryCommand::Restore(_)
            | RegistryCommand::Register(_)
            | RegistryCommand::Deregister(_)
            | RegistryCommand::UpdateCheck { .. }
            | RegistryCommand::CreateSession(_)
            | RegistryCommand::DestroySession { .. }
            | RegistryCommand::RenewSession { .. } => self.may_write(&every_key()),
        }
    }

    /// Both branches, whichever will run: what a transaction is refused for must not tell what its
    /// conditions found.
    fn may_txn(&self, txn: &TxnRequest) -> bool {
        txn.compare.iter().all(|compare| self.may_read(&compare.range))
            && txn.success.iter().chain(&txn.failure).all(|operation| self.may_operation(operation))
    }

    fn may_operation(&self, operation: &TxnOp) -> bool {
        match operation {
            TxnOp::Range(range) => self.may_read(&range.range),
            TxnOp::Put(put) => {
                let key = KeyRange::single(&put.key);
                self.may_write(&key) && (!put.prev_kv || self.may_read(&key))
            }
            TxnOp::Delete(delete) => {
                self.may_write(&delete.range) && (!delete.prev_kv || self.may_read(&delete.range))
            }
            TxnOp::Txn(txn) => self.may_txn(txn),
        }
    }

    fn may_read(&self, range: &KeyRange) -> bool {
        covers(self.ranges(PermissionKind::Read), range)
    }

    fn may_write(&self, range: &KeyRange) -> bool {
        covers(self.ranges(PermissionKind::Write), range)
    }

    fn ranges(&self, kind: PermissionKind) -> impl Iterator<Item = &'a KeyRange> + Clone {
        let (auth, keyspace) = (self.auth, self.keyspace);
        let roles = self.user.roles.iter().filter_map(|role| auth.roles.get(role));
        roles
            .flat_map(|role: &Role| &role.permissions)
            .filter(move |permission| {
                permission.keyspace == keyspace && permission.kind.allows(kind)
            })
            .map(|permission| &permission.range)
    }
}
