//! Changing auth methods and binding rules, and the tokens of who logged in.

use std::sync::Arc;

use types::{Code, Fault, limits};

use super::apply::{AclChange, Changed, bad, bounded};
use super::method::{AclBinding, AclMethod};
use super::model::{Acl, AclId, AclToken};

/// Bytes of a method that are held in memory for it.
fn size(method: &AclMethod) -> usize {
    method.config.len() + method.description.len() + method.display_name.len()
}

impl Acl {
    /// One of that name is changed, if it is there; its type stays.
    pub(super) fn set_method(&mut self, id: &AclId, method: &AclMethod, index: u64) -> Changed {
        let known = self.methods.get(id);
        if let Some(known) = known
            && known.kind != method.kind
        {
            return Err(bad(format!(
                "Changing an auth method's type from {:?} to {:?} is not permitted.",
                known.kind, method.kind
            )));
        }
        if known.is_none() {
            bounded(self.methods.len(), limits::ACL_AUTH_METHODS, "ACL auth methods")?;
        }
        let others = self.methods.iter().filter(|(other, _)| *other != id);
        let all: usize = others.map(|(_, it)| size(it)).sum::<usize>() + size(method);
        let what = "bytes of all ACL auth methods together";
        bounded(all, limits::ACL_METHODS_BYTES + 1, what)?;
        let create_index = known.map_or(index, |known| known.create_index);
        let method = AclMethod { create_index, modify_index: index, ..method.clone() };
        self.methods.insert(AclId::clone(id), Arc::new(method));
        Ok(AclChange::method(id))
    }

    /// With it go its rules and who came by it.
    pub(super) fn delete_method(&mut self, id: &AclId) -> Changed {
        self.methods.remove(id).ok_or(Code::KeyNotFound)?;
        let mut change = AclChange::method(id);
        let rules = self.bindings.iter().filter(|(_, it)| it.method == *id);
        change.bindings = rules.map(|(rule, _)| AclId::clone(rule)).collect();
        let tokens = self.tokens.iter().filter(|(_, it)| *it.auth_method == **id);
        change.tokens = tokens.map(|(token, _)| AclId::clone(token)).collect();
        for rule in &change.bindings {
            self.bindings.remove(rule);
        }
        for token in &change.tokens {
            self.remove_token(token);
        }
        Ok(change)
    }

    pub(super) fn set_binding(
        &mut self,
        id: &AclId,
        binding: &AclBinding,
        new: bool,
        index: u64,
    ) -> Changed {
        let known = self.bindings.get(id);
        if known.is_some() == new {
            return Err(Code::KeyNotFound.into());
        }
        if !self.methods.contains_key(&binding.method) {
            return Err(bad(format!("cannot find auth method with name {:?}", binding.method)));
        }
        if known.is_some_and(|known| known.method != binding.method) {
            return Err(bad("the AuthMethod of a binding rule cannot be changed"));
        }
        let most = limits::ACL_BINDING_RULES;
        bounded(self.bindings.len() - usize::from(!new), most, "ACL binding rules")?;
        let create_index = known.map_or(index, |known| known.create_index);
        let binding = AclBinding { create_index, modify_index: index, ..binding.clone() };
        self.bindings.insert(AclId::clone(id), Arc::new(binding));
        Ok(AclChange::binding(id))
    }

    pub(super) fn delete_binding(&mut self, id: &AclId) -> Changed {
        self.bindings.remove(id).ok_or(Code::KeyNotFound)?;
        Ok(AclChange::binding(id))
    }

    /// Whether somebody may get a token by the word of a method. `made` is the number of the change that made
    /// the one that was asked: it must not have gone meanwhile, be there another one of its name or not.
    ///
    /// # Errors
    /// `PermissionDenied` if it has gone, `LimitReached`.
    pub fn may_log_in(&self, method: &str, made: u64, now_ms: u64) -> Result<(), Fault> {
        self.takes_login(method, made, now_ms)?;
        // Held to by who asks and not by the command, which older builds carry out alike: of logins that are
        // under way at once a few may come beside it.
        let living = self.tokens.values().filter(|it| it.lives_at(now_ms));
        let own = living.filter(|it| *it.auth_method == *method).count();
        bounded(own, limits::ACL_METHOD_TOKENS, "ACL tokens of one auth method")
    }

    /// What the command itself holds to.
    fn takes_login(&self, method: &str, made: u64, now_ms: u64) -> Result<(), Fault> {
        if self.methods.get(method).is_none_or(|it| it.create_index != made) {
            let detail = format!("auth method {method:?} not found: it was removed");
            return Err(Fault::new(Code::PermissionDenied, detail));
        }
        // Whoever logs in again and again leaves room for tokens that are made.
        let living = self.tokens.values().filter(|it| it.lives_at(now_ms));
        let all = living.filter(|it| !it.auth_method.is_empty()).count();
        bounded(all, limits::ACL_LOGIN_TOKENS, "ACL tokens by login in a cluster")
    }

    pub(super) fn log_in(
        &mut self,
        id: &AclId,
        token: &AclToken,
        made: u64,
        (index, now_ms): (u64, u64),
    ) -> Changed {
        self.takes_login(&token.auth_method, made, now_ms)?;
        self.make_token(id, token.clone(), index, now_ms)
    }
}
