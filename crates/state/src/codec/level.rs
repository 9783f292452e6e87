//! Which level each thing that goes through the log came with.

use crate::auth::AuthCommand;
use crate::auth::acl::{AclCommand, AclToken, Identity};
use crate::command::{Command, level};
use crate::registry::RegistryCommand;

impl Command {
    /// The level it came with: a node that knows less cannot apply it.
    #[must_use]
    pub fn level(&self) -> u32 {
        match self {
            Self::Limited { command, .. } => command.level(),
            Self::Auth(AuthCommand::Acl(command)) => command.level(),
            Self::CreateRegistry { .. }
            | Self::Registry(RegistryCommand::RegisterOn(_) | RegistryCommand::Mirror(_)) => {
                level::REGISTRY_SHARDS
            }
            Self::CreateSharded { in_memory: true, .. } => level::MEMORY_KEYSPACES,
            Self::Put(_)
            | Self::Delete(_)
            | Self::Txn(_)
            | Self::Compact { .. }
            | Self::Alarm { .. }
            | Self::LeaseGrant { .. }
            | Self::LeaseRevoke { .. }
            | Self::LeaseExpire { .. }
            | Self::Initialize { .. }
            | Self::RegisterNode(_)
            | Self::TellLevel { .. }
            | Self::RaiseLevel { .. }
            | Self::AddNode { .. }
            | Self::IntroduceNode { .. }
            | Self::PromoteNode { .. }
            | Self::RemoveNode { .. }
            | Self::UpdateNode { .. }
            | Self::RecordPeers { .. }
            | Self::CreateKeyspace { .. }
            | Self::CreateMachine { .. }
            | Self::CreateSharded { .. }
            | Self::PlanSplit { .. }
            | Self::Place { .. }
            | Self::DrainNode { .. }
            | Self::Split { .. }
            | Self::Auth(_)
            | Self::Registry(_)
            | Self::Execute { .. } => level::FIRST,
        }
    }
}

impl AclCommand {
    fn level(&self) -> u32 {
        let is_new = match self {
            Self::Bootstrap { kept, .. } | Self::EnsureManagement { kept, .. } => !kept.is_empty(),
            Self::SetToken { token, .. } => token.is_more() || has_template(&token.identities),
            Self::SetRole { role, .. } => has_template(&role.identities),
            Self::SetMethod { .. }
            | Self::DeleteMethod { .. }
            | Self::SetBinding { .. }
            | Self::DeleteBinding { .. }
            | Self::LogIn { .. } => true,
            Self::Enable { .. }
            | Self::Disable
            | Self::DeleteToken { .. }
            | Self::SetPolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::DeleteRole { .. } => false,
        };
        if is_new { level::ACL_METHODS } else { level::FIRST }
    }
}

fn has_template(identities: &[Identity]) -> bool {
    identities.iter().any(|it| it.kind.is_template())
}

impl AclToken {
    /// Whether it has what tokens had not in the beginning.
    pub(super) fn is_more(&self) -> bool {
        !self.kept.is_empty() || !self.auth_method.is_empty()
    }
}
