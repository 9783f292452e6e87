//! The one place that says who may do what, whichever front door it came through.

use bytes::Bytes;
use types::{Code, Fault, KeyRange, KeyspaceId};

use super::acl::{Access, AclCommand, Authorizer, Resource};
use super::cover::{covers, merged};
use super::{Auth, AuthCommand, PermissionKind, ROOT, Role, User, may_be_limited};
use crate::command::Command;
use crate::registry::{self, Registries, RegistryCommand};
use crate::request::{Query, RangeRequest, TxnOp, TxnRequest};

/// Who asks, once that is proven, by a token or otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Principal<'a> {
    /// One of etcd's users, by name.
    User(&'a str),
    /// The holder of one of Consul's tokens, or nobody in particular, who has one, too.
    Token(&'a Authorizer),
}

/// What a keyspace is, as far as rights go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Area {
    /// Keys of etcd's clients.
    Keys,
    /// Configurations: where Auth is on, they are for its users as all keys are; where only the ACL is, no
    /// rule speaks of them, and they are for who may do everything unless everything is allowed.
    Configurations,
    /// The registry and its keys, which both ACL and Auth watch over.
    Registry,
    /// What Consul's API keeps for itself: as a whole, for who may do everything.
    Kept,
}

impl Area {
    /// Whether its keys are for users, once etcd's Auth is on.
    #[must_use]
    pub const fn is_of_users(self) -> bool {
        matches!(self, Self::Keys | Self::Configurations)
    }
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
    /// What every user may; and every token, but among the keys of users: there a token is no user.
    Anyone,
    /// Renew leases and learn which there are: as [`Command::LeaseGrant`].
    Leases,
    /// What only root may.
    Root,
    /// Have the registry changed, as it is.
    Change(&'a RegistryCommand, Registries<'a>),
    /// Something that Consul has a rule for.
    Resource(Resource<'a>, Access),
    /// One thing of users and another of tokens, where their rights are of different kinds.
    ByWhom {
        /// Of users.
        user: &'a Demand<'a>,
        /// Of tokens.
        token: &'a Demand<'a>,
    },
}

impl Demand<'_> {
    /// What it is, and of what, for people; nothing of what is to be written.
    #[must_use]
    pub fn describe(&self) -> (String, String) {
        let keys = |range: &KeyRange| {
            let start = String::from_utf8_lossy(&range.start);
            if range.is_single() { start.into_owned() } else { format!("{start}…") }
        };
        let (what, on) = match *self {
            Self::Command(Command::Put(put)) => ("put", String::from_utf8_lossy(&put.key).into()),
            Self::Command(Command::Delete(delete)) => ("delete", keys(&delete.range)),
            Self::Command(Command::Registry(command)) | Self::Change(command, _) => {
                return command.describe();
            }
            Self::Command(command) => ("command", name_of(command)),
            Self::Query(Query::Range(RangeRequest { range, .. })) | Self::Range(range) => {
                ("read", keys(range))
            }
            Self::Query(Query::Txn(_)) | Self::Txn(_) => ("txn", String::new()),
            Self::Keys(list) => {
                let first = list.first().map(|key| String::from_utf8_lossy(key));
                ("read", first.unwrap_or_default().into_owned())
            }
            Self::Auth(command) => {
                let (what, user, role) = command.describe();
                (what, format!("{user} {role}").trim().to_owned())
            }
            Self::User(user) => ("user get", user.to_owned()),
            Self::Role(role) => ("role get", role.to_owned()),
            Self::Anyone => ("anything", String::new()),
            Self::Leases => ("leases", String::new()),
            Self::Root => ("what only root may", String::new()),
            Self::Resource(resource, wanted) => {
                return (format!("{}:{}", resource.kind(), wanted.name()), resource.to_string());
            }
            Self::ByWhom { token, .. } => return token.describe(),
        };
        (what.to_owned(), on)
    }
}

/// The word of its kind.
fn name_of(command: &Command) -> String {
    let text = format!("{command:?}");
    let end = text.find(|next: char| !next.is_alphanumeric()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_lowercase()
}

impl Auth {
    /// Whether `who` may do `what` in `keyspace`, which is of that area.
    ///
    /// # Errors
    /// `UserEmpty` for nobody, `PermissionDenied` for everybody else; with what a token lacks.
    pub fn authorize(
        &self,
        who: Option<Principal<'_>>,
        (keyspace, area): (KeyspaceId, Area),
        what: Demand<'_>,
    ) -> Result<(), Fault> {
        if !self.is_on() {
            return Ok(());
        }
        let user = match who {
            Some(Principal::Token(token)) => {
                // A token of before it was switched off stands for nobody.
                let counts = self.acl.enabled;
                let denied = |detail| Fault::new(Code::PermissionDenied, detail);
                return if counts {
                    self.of_token(token, area, what).map_err(denied)
                } else {
                    Err(Code::UserEmpty.into())
                };
            }
            Some(Principal::User(name)) if !name.is_empty() => name,
            _ => return Err(Code::UserEmpty.into()),
        };
        let record = self.users.get(user).filter(|_| self.enabled).ok_or(Code::PermissionDenied)?;
        let rights = Rights::User { auth: self, user: record, keyspace };
        if record.is_root() || rights.may(user, what) {
            return Ok(());
        }
        Err(Code::PermissionDenied.into())
    }

    /// What the rules of a token say of it.
    fn of_token(&self, token: &Authorizer, area: Area, what: Demand<'_>) -> Result<(), String> {
        let everything = || token.need(Resource::Everything, Access::Write);
        match what {
            Demand::Anyone if !(self.enabled && area.is_of_users()) => return Ok(()),
            Demand::Root | Demand::User(_) | Demand::Role(_) => return everything(),
            Demand::Auth(AuthCommand::Acl(command)) => {
                return match **command {
                    // Once, and by anybody: the state tells whether it was done. But where users are asked
                    // for their names, it makes one more who may do everything: that is root's, or of who
                    // can write the number of the last time into a node's directory.
                    AclCommand::Bootstrap { reset, .. } if self.enabled => {
                        if self.acl.bootstrapped != 0 && reset == self.acl.bootstrapped {
                            return Ok(());
                        }
                        everything().map_err(|lacks| {
                            format!(
                                "while etcd's Auth is on, only root bootstraps the ACL: {lacks}"
                            )
                        })
                    }
                    AclCommand::Bootstrap { .. } => Ok(()),
                    AclCommand::Enable { .. } | AclCommand::Disable => everything(),
                    _ => token.need(Resource::Acl, Access::Write),
                };
            }
            Demand::Auth(_) => return everything(),
            Demand::Change(command, registry) => return token.may_change(command, Some(registry)),
            Demand::Resource(resource, wanted) => return token.need(resource, wanted),
            Demand::ByWhom { token: what, .. } => return self.of_token(token, area, *what),
            Demand::Anyone
            | Demand::Leases
            | Demand::Command(_)
            | Demand::Query(_)
            | Demand::Range(_)
            | Demand::Txn(_)
            | Demand::Keys(_) => {}
        }
        match area {
            // Where etcd's Auth says nothing, nobody is held to anything; where it does, a token is no user.
            Area::Keys | Area::Configurations if self.enabled => everything(),
            Area::Configurations if !token.allows_by_default() => everything(),
            Area::Keys | Area::Configurations => match what {
                Demand::Command(command) if is_of_all(command) => everything(),
                _ => Ok(()),
            },
            Area::Kept => everything(),
            Area::Registry => {
                if let Demand::Command(Command::Registry(command)) = what {
                    return token.may_change(command, None);
                }
                if Rights::Token(token).may("", what) {
                    return Ok(());
                }
                match what {
                    Demand::Range(range)
                    | Demand::Query(Query::Range(RangeRequest { range, .. })) => {
                        token.need(named(range), Access::Read).and_then(|()| everything())
                    }
                    Demand::Leases | Demand::Command(Command::LeaseGrant { .. }) => everything(),
                    _ => {
                        let reads = match what {
                            Demand::Query(_) => true,
                            Demand::Txn(txn) => !txn.has_writes(),
                            _ => false,
                        };
                        let wanted = if reads { "read" } else { "write" };
                        let id = &token.token;
                        Err(format!("token with AccessorID '{id}' lacks permission 'key:{wanted}'"))
                    }
                }
            }
        }
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
        let user = match who {
            Some(Principal::User(name)) => self.users.get(name),
            // Whose rules are no ranges: what touches leases is for those that may do everything.
            _ => None,
        };
        match user {
            Some(user) if self.enabled && !user.is_root() && may_be_limited(&command) => {
                let rights = Rights::User { auth: self, user, keyspace };
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

/// Whether it is about the cluster, or about all keys of a keyspace and their past: whoever switched the ACL
/// on does not want this from everybody, whatever else is open.
fn is_of_all(command: &Command) -> bool {
    match command {
        Command::Put(_)
        | Command::Delete(_)
        | Command::Txn(_)
        | Command::Compact { .. }
        | Command::LeaseGrant { .. }
        | Command::LeaseRevoke { .. }
        | Command::Execute { .. } => false,
        Command::Limited { command, .. } => is_of_all(command),
        _ => true,
    }
}

/// One key by its name.
fn named(range: &KeyRange) -> Resource<'_> {
    if range.is_single() { Resource::Key(&range.start) } else { Resource::Keys(range) }
}

/// A user that is not root, in a keyspace; or a token, among the registry's keys.
enum Rights<'a> {
    User { auth: &'a Auth, user: &'a User, keyspace: KeyspaceId },
    Token(&'a Authorizer),
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
            Demand::Role(role) => role != ROOT && self.has_role(role),
            Demand::Change(command, _) => self.may_registry(command),
            // There are no rights on single services for users.
            Demand::ByWhom { user, .. } => self.may(name, *user),
            Demand::Resource(Resource::Acl | Resource::Everything, _) => false,
            Demand::Resource(
                Resource::Operator | Resource::Keyring | Resource::Mesh | Resource::Peering,
                Access::Write,
            ) => false,
            Demand::Resource(
                Resource::Agent(_) | Resource::Member(_) | Resource::Operator | Resource::Keyring,
                Access::Read,
            ) => true,
            Demand::Resource(Resource::Key(key), Access::Write) => {
                self.may_write(&KeyRange::single(&Bytes::copy_from_slice(key)))
            }
            Demand::Resource(Resource::Key(key), _) => {
                self.may_read(&KeyRange::single(&Bytes::copy_from_slice(key)))
            }
            Demand::Resource(Resource::Keys(range), Access::Write) => self.may_write(range),
            Demand::Resource(Resource::Keys(range), _) => self.may_read(range),
            Demand::Resource(_, Access::Write) => self.may_write(&every_key()),
            Demand::Resource(..) => self.may_read(&every_key()),
            Demand::Anyone => true,
            Demand::Leases => self.may_all(),
            Demand::Auth(_) | Demand::Root => false,
        }
    }

    fn may_command(&self, command: &Command) -> bool {
        // Whose keys live with a lease is not known yet, and rules of tokens cannot go along.
        if matches!(self, Self::Token(_)) && may_be_limited(command) {
            return self.may_all();
        }
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
            Command::Compact { .. } | Command::Execute { .. } => {
                self.may_all() && self.may_write(&every_key())
            }
            Command::Registry(command) => self.may_registry(command),
            // Whose keys live with a lease is looked at when the command is applied. There is no rule of
            // Consul's about leases.
            Command::LeaseGrant { .. } | Command::LeaseRevoke { .. } => self.may_all(),
            Command::Limited { command, .. } => self.may_command(command),
            Command::Alarm { .. }
            | Command::LeaseExpire { .. }
            | Command::Initialize { .. }
            | Command::RegisterNode(_)
            | Command::TellLevel { .. }
            | Command::RaiseLevel { .. }
            | Command::AddNode { .. }
            | Command::IntroduceNode { .. }
            | Command::PromoteNode { .. }
            | Command::RemoveNode { .. }
            | Command::UpdateNode { .. }
            | Command::RecordPeers { .. }
            | Command::CreateKeyspace { .. }
            | Command::CreateMachine { .. }
            | Command::CreateRegistry { .. }
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
            // Only nodes give these.
            RegistryCommand::Expire(_)
            | RegistryCommand::Mirror(_)
            | RegistryCommand::RegisterOn(_) => false,
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

    /// Whether it is a user, whose ranges say it; or a token that may do everything.
    fn may_all(&self) -> bool {
        match self {
            Self::User { .. } => true,
            Self::Token(token) => token.may(Resource::Everything, Access::Write),
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

    fn has_role(&self, role: &str) -> bool {
        match self {
            Self::User { user, .. } => user.roles.contains(role),
            Self::Token(_) => false,
        }
    }

    fn may_read(&self, range: &KeyRange) -> bool {
        match self {
            Self::User { .. } => covers(self.ranges(PermissionKind::Read), range),
            Self::Token(token) => token.may_keys(range, Access::Read),
        }
    }

    fn may_write(&self, range: &KeyRange) -> bool {
        match self {
            Self::User { .. } => covers(self.ranges(PermissionKind::Write), range),
            Self::Token(token) => token.may_keys(range, Access::Write),
        }
    }

    fn ranges(&self, kind: PermissionKind) -> impl Iterator<Item = &'a KeyRange> + Clone {
        let known = match *self {
            Self::User { auth, user, keyspace } => Some((auth, user, keyspace)),
            Self::Token(_) => None,
        };
        let permissions = known.into_iter().flat_map(move |(auth, user, keyspace)| {
            let roles = user.roles.iter().filter_map(|role| auth.roles.get(role));
            let all = roles.flat_map(|role: &Role| &role.permissions);
            all.filter(move |permission| {
                permission.keyspace == keyspace && permission.kind.allows(kind)
            })
        });
        permissions.map(|permission| &permission.range)
    }
}
