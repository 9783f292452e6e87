//! Changing tokens, policies and roles; auth methods are beside it.

use std::collections::BTreeSet;
use std::sync::Arc;

use types::{Code, Fault, limits};

use super::command::AclCommand;
use super::model::{
    ANONYMOUS_TOKEN, Acl, AclId, AclPolicy, AclRole, AclToken, GLOBAL_MANAGEMENT, Identity,
};
use super::rules::Rules;
use crate::auth::Secret;

pub(super) type Changed = Result<AclChange, Fault>;

/// Which records another command left behind.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct AclChange {
    /// Whether anything is another thing now.
    pub(crate) any: bool,
    /// To write, or to remove if they are gone.
    pub(crate) tokens: BTreeSet<AclId>,
    pub(crate) policies: BTreeSet<AclId>,
    pub(crate) roles: BTreeSet<AclId>,
    pub(crate) methods: BTreeSet<AclId>,
    pub(crate) bindings: BTreeSet<AclId>,
}

impl AclChange {
    /// As if all of it were new; nothing, if it is as it was in the beginning.
    pub(crate) fn of_all(acl: &Acl) -> Self {
        if *acl == Acl::default() {
            return Self::default();
        }
        let ids = |all: &mut dyn Iterator<Item = &AclId>| all.cloned().collect();
        Self {
            any: true,
            tokens: ids(&mut acl.tokens.keys()),
            policies: ids(&mut acl.policies.keys().filter(|id| !Acl::is_builtin(id))),
            roles: ids(&mut acl.roles.keys()),
            methods: ids(&mut acl.methods.keys()),
            bindings: ids(&mut acl.bindings.keys()),
        }
    }

    fn switch() -> Self {
        Self { any: true, ..Self::default() }
    }

    fn token(id: &AclId) -> Self {
        Self { tokens: BTreeSet::from([AclId::clone(id)]), ..Self::switch() }
    }

    fn policy(id: &AclId) -> Self {
        Self { policies: BTreeSet::from([AclId::clone(id)]), ..Self::switch() }
    }

    fn role(id: &AclId) -> Self {
        Self { roles: BTreeSet::from([AclId::clone(id)]), ..Self::switch() }
    }

    pub(super) fn method(id: &AclId) -> Self {
        Self { methods: BTreeSet::from([AclId::clone(id)]), ..Self::switch() }
    }

    pub(super) fn binding(id: &AclId) -> Self {
        Self { bindings: BTreeSet::from([AclId::clone(id)]), ..Self::switch() }
    }
}

pub(super) fn bad(detail: impl Into<String>) -> Fault {
    Fault::new(Code::InvalidArgument, detail)
}

pub(super) fn bounded(count: usize, most: usize, what: &str) -> Result<(), Fault> {
    if count < most {
        return Ok(());
    }
    Err(Fault::new(Code::LimitReached, format!("at most {most} {what}")))
}

impl Acl {
    /// Carries out a command; `index` is the number of this change.
    ///
    /// # Errors
    /// `AuthNotEnabled` while the ACL is off, `PermissionDenied` for another bootstrap, `InvalidArgument`,
    /// `LimitReached`, `KeyNotFound` for what is not there; nothing was changed then.
    pub(crate) fn apply(&mut self, command: &AclCommand, index: u64) -> Changed {
        match command {
            AclCommand::Enable { allows_by_default } => {
                let same = self.enabled && self.allows_by_default == *allows_by_default;
                self.enabled = true;
                self.allows_by_default = *allows_by_default;
                return Ok(AclChange { any: !same, ..AclChange::default() });
            }
            AclCommand::Disable => {
                let any = std::mem::take(&mut self.enabled);
                return Ok(AclChange { any, ..AclChange::default() });
            }
            _ if !self.enabled => return Err(Code::AuthNotEnabled.into()),
            _ => {}
        }
        match command {
            AclCommand::Enable { .. } | AclCommand::Disable => Ok(AclChange::default()),
            AclCommand::Bootstrap { id, secret, kept, reset, now_ms } => {
                self.may_bootstrap(*reset)?;
                let description = "Bootstrap Token (Global Management)";
                let token = management(secret, kept, description, *now_ms);
                self.make_token(id, token, index, *now_ms).inspect(|_| self.bootstrapped = index)
            }
            AclCommand::EnsureManagement { id, secret, kept, now_ms } => {
                if self.token_of(secret).is_some() {
                    return Ok(AclChange::default());
                }
                let token = management(secret, kept, "Initial Management Token", *now_ms);
                self.make_token(id, token, index, *now_ms).inspect(|_| self.bootstrapped = index)
            }
            AclCommand::SetToken { id, token, new: true, now_ms } => {
                self.make_token(id, token.clone(), index, *now_ms)
            }
            AclCommand::SetToken { id, token, .. } => self.change_token(id, token, index),
            AclCommand::DeleteToken { id } => {
                if &**id == ANONYMOUS_TOKEN {
                    return Err(bad("Delete operation not permitted on the anonymous token"));
                }
                if !self.remove_token(id) {
                    return Err(Code::KeyNotFound.into());
                }
                Ok(AclChange::token(id))
            }
            AclCommand::SetPolicy { id, policy, new } => self.set_policy(id, policy, *new, index),
            AclCommand::DeletePolicy { id } => {
                if Acl::is_builtin(id) {
                    return Err(bad("Delete operation not permitted on a builtin policy"));
                }
                self.policies.remove(id).ok_or(Code::KeyNotFound)?;
                Ok(AclChange::policy(id))
            }
            AclCommand::SetRole { id, role, new } => self.set_role(id, role, *new, index),
            AclCommand::DeleteRole { id } => {
                self.roles.remove(id).ok_or(Code::KeyNotFound)?;
                Ok(AclChange::role(id))
            }
            AclCommand::SetMethod { id, method } => self.set_method(id, method, index),
            AclCommand::DeleteMethod { id } => self.delete_method(id),
            AclCommand::SetBinding { id, binding, new } => {
                self.set_binding(id, binding, *new, index)
            }
            AclCommand::DeleteBinding { id } => self.delete_binding(id),
            AclCommand::LogIn { id, token, made, now_ms } => {
                self.log_in(id, token, *made, (index, *now_ms))
            }
        }
    }

    /// Whether the first token may be made, by who brings this number.
    ///
    /// # Errors
    /// `PermissionDenied`: it was made already; says by which number it could be made again.
    pub fn may_bootstrap(&self, reset: u64) -> Result<(), Fault> {
        if self.bootstrapped == 0 || self.bootstrapped == reset {
            return Ok(());
        }
        let index = self.bootstrapped;
        let detail = format!("ACL bootstrap no longer allowed (reset index: {index})");
        Err(Fault::new(Code::PermissionDenied, detail))
    }

    pub(super) fn make_token(
        &mut self,
        id: &AclId,
        token: AclToken,
        index: u64,
        now_ms: u64,
    ) -> Changed {
        if self.tokens.contains_key(id) {
            return Err(bad("Invalid Token: AccessorID is already in use"));
        }
        if token.secret.0.is_empty() {
            return Err(bad("Invalid Token: it has no secret"));
        }
        if self.token_of(&token.secret).is_some() {
            return Err(bad("Invalid Token: SecretID is already in use"));
        }
        self.links(&token.policies, &token.roles, &token.identities)?;
        let mut change = AclChange::token(id);
        // Whose time is over counts for nobody; this is when their records go.
        let ended: Vec<AclId> = {
            let ended = self.tokens.iter().filter(|(_, it)| !it.lives_at(now_ms));
            ended.map(|(id, _)| AclId::clone(id)).collect()
        };
        bounded(self.tokens.len() - ended.len(), limits::ACL_TOKENS, "ACL tokens in a cluster")?;
        for id in ended {
            self.remove_token(&id);
            change.tokens.insert(id);
        }
        let token =
            AclToken { created_ms: now_ms, create_index: index, modify_index: index, ..token };
        self.put_token(AclId::clone(id), token);
        Ok(change)
    }

    fn change_token(&mut self, id: &AclId, token: &AclToken, index: u64) -> Changed {
        let known = Arc::clone(self.tokens.get(id).ok_or(Code::KeyNotFound)?);
        self.links(&token.policies, &token.roles, &token.identities)?;
        if token.local != known.local {
            return Err(bad(format!("cannot toggle local mode of {id}")));
        }
        let token = AclToken {
            secret: known.secret.clone(),
            kept: known.kept.clone(),
            auth_method: known.auth_method.clone(),
            created_ms: known.created_ms,
            expires_ms: known.expires_ms,
            create_index: known.create_index,
            modify_index: index,
            ..token.clone()
        };
        self.put_token(AclId::clone(id), token);
        Ok(AclChange::token(id))
    }

    /// Whether all that is linked is there, and not too much.
    fn links(
        &self,
        policies: &[AclId],
        roles: &[AclId],
        identities: &[Identity],
    ) -> Result<(), Fault> {
        let count = policies.len() + roles.len() + identities.len();
        bounded(
            count,
            limits::ACL_LINKS + 1,
            "policies, roles and identities of one token or role",
        )?;
        if let Some(id) = policies.iter().find(|id| !self.policies.contains_key(*id)) {
            return Err(bad(format!("No such ACL policy with ID {id:?}")));
        }
        if let Some(id) = roles.iter().find(|id| !self.roles.contains_key(*id)) {
            return Err(bad(format!("No such ACL role with ID {id:?}")));
        }
        Ok(())
    }

    fn set_policy(&mut self, id: &AclId, policy: &AclPolicy, new: bool, index: u64) -> Changed {
        if Acl::is_builtin(id) {
            return Err(bad("Changing a builtin policy is not permitted"));
        }
        let known = self.policies.get(id).map(|it| (it.create_index, it.text.len()));
        if known.is_some() == new {
            return Err(Code::KeyNotFound.into());
        }
        if self.policy_named(&policy.name).is_some_and(|other| other != id) {
            let name = &policy.name;
            return Err(bad(format!("Invalid Policy: A Policy with Name {name:?} already exists")));
        }
        let rules = Rules::parse(&policy.text)
            .map_err(|error| bad(format!("Failed to parse ACL rules: {error}")))?;
        let (created, before) = known.unwrap_or((index, 0));
        bounded(self.policies.len() - usize::from(!new), limits::ACL_POLICIES, "ACL policies")?;
        let all: usize = self.policies.values().map(|it| it.text.len()).sum();
        let what = "bytes of all ACL policies together";
        bounded(all - before + policy.text.len(), limits::ACL_POLICIES_BYTES, what)?;
        let policy = AclPolicy {
            rules: Arc::new(rules),
            create_index: created,
            modify_index: index,
            ..policy.clone()
        };
        self.policies.insert(AclId::clone(id), Arc::new(policy));
        Ok(AclChange::policy(id))
    }

    fn set_role(&mut self, id: &AclId, role: &AclRole, new: bool, index: u64) -> Changed {
        let known = self.roles.get(id).map(|it| it.create_index);
        if known.is_some() == new {
            return Err(Code::KeyNotFound.into());
        }
        if self.role_named(&role.name).is_some_and(|other| other != id) {
            let name = &role.name;
            return Err(bad(format!("Invalid Role: A Role with Name {name:?} already exists")));
        }
        self.links(&role.policies, &[], &role.identities)?;
        bounded(self.roles.len() - usize::from(!new), limits::ACL_ROLES, "ACL roles")?;
        let create_index = known.unwrap_or(index);
        let role = AclRole { create_index, modify_index: index, ..role.clone() };
        self.roles.insert(AclId::clone(id), Arc::new(role));
        Ok(AclChange::role(id))
    }
}

fn management(secret: &Secret, kept: &str, description: &str, now_ms: u64) -> AclToken {
    AclToken {
        secret: secret.clone(),
        kept: kept.into(),
        description: description.into(),
        policies: vec![GLOBAL_MANAGEMENT.into()],
        created_ms: now_ms,
        ..AclToken::default()
    }
}
