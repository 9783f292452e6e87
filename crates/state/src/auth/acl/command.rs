//! Changes of tokens, policies, roles and ways to log in, as the log carries them. Ids and times are drawn
//! and told by the node that proposes; secrets come as hashes.

use super::method::{AclBinding, AclMethod};
use super::model::{AclId, AclPolicy, AclRole, AclToken};
use crate::auth::{KeptSecret, Secret};

/// A change of the ACL. What is refused changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AclCommand {
    /// Enforce from now on.
    Enable {
        /// Whether what no rule speaks of is allowed.
        allows_by_default: bool,
    },
    /// Enforce no more; all tokens stay.
    Disable,
    /// Make the first token that may do everything.
    Bootstrap {
        /// Its accessor id.
        id: AclId,
        /// The hash of its secret.
        secret: Secret,
        /// The secret itself, where it is to be kept; else empty.
        kept: KeptSecret,
        /// The number that who wants to do it again has to know: `Acl::bootstrapped`.
        reset: u64,
        /// Milliseconds since 1970.
        now_ms: u64,
    },
    /// Have a token that may do everything, with this secret, if there is none with it.
    EnsureManagement {
        /// Its accessor id, if it is made.
        id: AclId,
        /// The hash of its secret.
        secret: Secret,
        /// The secret itself, where it is to be kept; else empty.
        kept: KeptSecret,
        /// Milliseconds since 1970.
        now_ms: u64,
    },
    /// Make a token, or change one. Those that have come to their end go with it.
    SetToken {
        /// Its accessor id.
        id: AclId,
        /// What it is to be; of one that is there secret, local flag, auth method and times stay.
        token: AclToken,
        /// Whether it is to be made.
        new: bool,
        /// Milliseconds since 1970.
        now_ms: u64,
    },
    /// Remove a token.
    DeleteToken {
        /// Its accessor id.
        id: AclId,
    },
    /// Make a policy, or change one.
    SetPolicy {
        /// Its id.
        id: AclId,
        /// What it is to be; its rules are read from the text.
        policy: AclPolicy,
        /// Whether it is to be made.
        new: bool,
    },
    /// Remove a policy.
    DeletePolicy {
        /// Its id.
        id: AclId,
    },
    /// Make a role, or change one.
    SetRole {
        /// Its id.
        id: AclId,
        /// What it is to be.
        role: AclRole,
        /// Whether it is to be made.
        new: bool,
    },
    /// Remove a role.
    DeleteRole {
        /// Its id.
        id: AclId,
    },
    /// Make an auth method, or change one.
    SetMethod {
        /// Its name.
        id: AclId,
        /// What it is to be.
        method: AclMethod,
    },
    /// Remove an auth method, with its rules and all tokens that were made by it.
    DeleteMethod {
        /// Its name.
        id: AclId,
    },
    /// Make a binding rule, or change one.
    SetBinding {
        /// Its id.
        id: AclId,
        /// What it is to be.
        binding: AclBinding,
        /// Whether it is to be made.
        new: bool,
    },
    /// Remove a binding rule. Who logged in by it stays what it is.
    DeleteBinding {
        /// Its id.
        id: AclId,
    },
    /// Make a token for somebody whom a method vouched for.
    LogIn {
        /// Its accessor id.
        id: AclId,
        /// What it is to be, with the method's name.
        token: AclToken,
        /// `create_index` of the method that was asked.
        made: u64,
        /// Milliseconds since 1970.
        now_ms: u64,
    },
}

impl AclCommand {
    /// What it does and to what, for people.
    #[must_use]
    pub fn describe(&self) -> (&'static str, &str) {
        match self {
            Self::Enable { .. } => ("acl enable", ""),
            Self::Disable => ("acl disable", ""),
            Self::Bootstrap { id, .. } => ("acl bootstrap", id),
            Self::EnsureManagement { id, .. } => ("acl initial management token", id),
            Self::SetToken { id, new: true, .. } => ("acl token create", id),
            Self::SetToken { id, .. } => ("acl token update", id),
            Self::DeleteToken { id } => ("acl token delete", id),
            Self::SetPolicy { id, new: true, .. } => ("acl policy create", id),
            Self::SetPolicy { id, .. } => ("acl policy update", id),
            Self::DeletePolicy { id } => ("acl policy delete", id),
            Self::SetRole { id, new: true, .. } => ("acl role create", id),
            Self::SetRole { id, .. } => ("acl role update", id),
            Self::DeleteRole { id } => ("acl role delete", id),
            Self::SetMethod { id, .. } => ("acl auth method set", id),
            Self::DeleteMethod { id } => ("acl auth method delete", id),
            Self::SetBinding { id, new: true, .. } => ("acl binding rule create", id),
            Self::SetBinding { id, .. } => ("acl binding rule update", id),
            Self::DeleteBinding { id } => ("acl binding rule delete", id),
            Self::LogIn { id, .. } => ("acl login", id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AclCommand, AclId, AclMethod, AclToken};
    use crate::auth::Secret;

    /// Whoever prints a command, to a log or in an error, tells nobody a secret by that.
    #[test]
    fn no_secret_is_printed() {
        const HUSH: &str = "hush-hush";
        let (id, secret) = (|| AclId::from("a"), || Secret(HUSH.into()));
        let token = || AclToken { secret: secret(), kept: HUSH.into(), ..AclToken::default() };
        let method = AclMethod { config: HUSH.into(), ..AclMethod::default() };
        let (kept, reset, now_ms, made) = (HUSH.into(), 0, 0, 0);
        for command in [
            AclCommand::Bootstrap { id: id(), secret: secret(), kept, reset, now_ms },
            AclCommand::EnsureManagement { id: id(), secret: secret(), kept: HUSH.into(), now_ms },
            AclCommand::SetToken { id: id(), token: token(), new: true, now_ms },
            AclCommand::LogIn { id: id(), token: token(), made, now_ms },
            AclCommand::SetMethod { id: id(), method },
        ] {
            let told = format!("{command:?} {command:#?}");
            assert!(told.len() > 20 && !told.contains(HUSH), "{told}");
        }
    }
}
