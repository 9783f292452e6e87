//! What changes the registry.

use bytes::Bytes;
use types::Revision;

use super::archive::RestoreStep;
use super::kv::KvWrite;
use super::name::{CheckKey, InstanceKey, Name};
use super::operation::TxnOp;
use super::record::{Check, Instance, Node, Session, Status};

/// A change of the registry. In the records that come with one, the revisions and the timers are not
/// looked at: they are set when it is carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RegistryCommand {
    /// Make known a node and, if named, an instance on it and checks: all of it or nothing.
    Register(Box<Registration>),
    /// The same in a shard, which knows nodes by what their home says ([`Mirror`]): what comes with it of the
    /// node is not looked at, and one that is not known is an error.
    RegisterOn(Box<Registration>),
    /// What the home of a sharded registry says of nodes.
    Mirror(Vec<Mirror>),
    /// Forget something; what is not there is no error.
    Deregister(Target),
    /// Say how a check stands.
    UpdateCheck {
        /// Which.
        check: CheckKey,
        /// How it stands.
        status: Status,
        /// What the checker said; `None` leaves what it said before.
        output: Option<Name>,
    },
    /// Make a session.
    CreateSession(Box<Session>),
    /// End a session; one that is not there is no error.
    DestroySession {
        /// Its id.
        id: Name,
    },
    /// Count a session's time anew, from where this is applied; refused if it is not there. It moves the
    /// session's revision, so that an expiry that was proposed before does not end it: for a renewal
    /// that must not rely on one leader's memory.
    RenewSession {
        /// Its id.
        id: Name,
    },
    /// What a leader's clock said is over. Each is looked at again, and passed over if it is not any
    /// more what the leader saw.
    Expire(Vec<Expiry>),
    /// Put a key as a Consul client does.
    Kv(KvWrite),
    /// Delete a key if nobody changed it since; granted also if it is not there.
    KvDelete {
        /// The key.
        key: Bytes,
        /// Its modify index.
        index: u64,
    },
    /// Consul's transaction: all of it at one revision, or nothing.
    Txn(Vec<TxnOp>),
    /// Make the registry what it was when a snapshot of it was saved, step by step.
    Restore(RestoreStep),
}

impl RegistryCommand {
    /// Whether it leaves more on the disk than it found there.
    #[must_use]
    pub fn needs_room(&self) -> bool {
        match self {
            Self::Register(_) | Self::RegisterOn(_) | Self::CreateSession(_) | Self::Kv(_) => true,
            Self::Mirror(mirrors) => mirrors.iter().any(|mirror| mirror.node.is_some()),
            Self::Txn(ops) => ops.iter().any(TxnOp::sets),
            Self::Restore(step) => !matches!(step, RestoreStep::Abandon { .. }),
            Self::Deregister(_)
            | Self::UpdateCheck { .. }
            | Self::DestroySession { .. }
            | Self::RenewSession { .. }
            | Self::KvDelete { .. }
            | Self::Expire(_) => false,
        }
    }
}

impl RegistryCommand {
    /// What it is, and of what, for people; nothing of what is to be written.
    #[must_use]
    pub fn describe(&self) -> (String, String) {
        let (what, on) = match self {
            Self::Register(it) | Self::RegisterOn(it) => {
                let instance = it.instance.as_ref().map_or("", |it| &*it.service);
                ("register", format!("{} {instance}", it.node.name))
            }
            Self::Mirror(mirrors) => {
                let first = mirrors.first().map_or("", |mirror| &*mirror.name);
                ("mirror", format!("{first} and {} more", mirrors.len().saturating_sub(1)))
            }
            Self::Deregister(Target::Node(node)) => ("deregister node", node.to_string()),
            Self::Deregister(Target::Instance(key)) => {
                ("deregister instance", format!("{} {}", key.node, key.id))
            }
            Self::Deregister(Target::Check(key)) => {
                ("deregister check", format!("{} {}", key.node, key.id))
            }
            Self::UpdateCheck { check, .. } => {
                ("update check", format!("{} {}", check.node, check.id))
            }
            Self::CreateSession(session) => ("create session", session.node.to_string()),
            Self::DestroySession { .. } => ("destroy session", String::new()),
            Self::RenewSession { .. } => ("renew", String::new()),
            Self::Expire(_) => ("expire", String::new()),
            Self::Kv(write) => ("put", String::from_utf8_lossy(&write.key).into_owned()),
            Self::KvDelete { key, .. } => ("delete", String::from_utf8_lossy(key).into_owned()),
            Self::Txn(_) => ("txn", String::new()),
            Self::Restore(_) => ("restore", String::new()),
        };
        (what.to_owned(), on.trim().to_owned())
    }
}

/// What a registry's home said of a node at one of its revisions, to be known in a shard. A shard passes
/// over what is older than what it was told last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mirror {
    /// The home's revision.
    pub at: Revision,
    /// The node.
    pub name: Name,
    /// The node and its own checks; `None` where it was not there.
    pub node: Option<(Node, Vec<Check>)>,
}

/// A node, and what is registered with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// The node.
    pub node: Node,
    /// Leave a node that is known as it is.
    pub skip_node_update: bool,
    /// An instance on it.
    pub instance: Option<Instance>,
    /// Checks of it or of its instances.
    pub checks: Vec<CheckRegistration>,
    /// Forget checks of the instance that do not come with this.
    pub replace_checks: bool,
}

/// A check to be registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckRegistration {
    /// The check.
    pub check: Check,
    /// If it is known already, how it stands and what was said of it stays.
    pub keep_status: bool,
}

/// What is to be forgotten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A node with everything on it.
    Node(Name),
    /// An instance with its checks.
    Instance(InstanceKey),
    /// A check.
    Check(CheckKey),
}

/// Something whose time is up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// Nothing was heard of a check in time.
    Check {
        /// Which.
        check: CheckKey,
        /// Its revision as the leader saw it.
        modified: Revision,
        /// How it stands now.
        status: Status,
    },
    /// A check was critical for so long that its instance goes.
    Instance {
        /// The check.
        check: CheckKey,
        /// Its revision as the leader saw it.
        modified: Revision,
    },
    /// A session was not renewed.
    Session {
        /// Its id.
        id: Name,
        /// Its revision as the leader saw it.
        modified: Revision,
    },
}
