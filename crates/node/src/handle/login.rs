//! Tokens of who was vouched for elsewhere. Whether it was is for the door to find out; here it gets its
//! token, and gives it back.

use std::sync::Arc;

use state::auth::acl::{AclCommand, AclId, AclToken};
use state::auth::{Auth, AuthCommand, Demand};
use types::{Code, Fault};

use super::acl::Stranger;
use super::caller::{Caller, Credentials, Who};
use crate::audit::Refusal;
use crate::auth::{Ended, hash_of};

impl<C: Credentials> Caller<'_, C> {
    /// Auth methods and their rules, for somebody who wants to log in: by these it is found out who it is.
    ///
    /// # Errors
    /// `AuthNotEnabled` while the ACL is off; no leader, timeout.
    pub async fn ways_in(&self) -> Result<Arc<Auth>, Fault> {
        self.must_be_on().await?;
        self.handle().auth_now().await
    }

    /// Makes a token with this secret for somebody that a method vouched for, whatever token it brings;
    /// answers with its accessor id. `made` is the method's `create_index`.
    ///
    /// # Errors
    /// `PermissionDenied` if the method was removed meanwhile; what the state machine refuses; no leader,
    /// timeout.
    pub async fn log_in(&self, token: AclToken, made: u64, secret: &str) -> Result<AclId, Fault> {
        let handle = self.handle();
        let auth = self.ways_in().await?;
        let now_ms = handle.wall_millis();
        let may = auth.acl.may_log_in(&token.auth_method, made, now_ms);
        let stranger = Stranger(self.credentials().origin());
        let known = handle.caller(self.keyspace(), stranger).identify(auth, Ended::Refuse)?;
        let id: AclId = handle.uuid().into();
        let (secret, kept) = (hash_of(secret), handle.secret_shown_later(secret));
        let token = AclToken { secret, kept, ..token };
        let command = AclCommand::LogIn { id: AclId::clone(&id), token, made, now_ms };
        let command = AuthCommand::Acl(Box::new(command));
        // What cannot be done is not proposed: whoever is let in may ask as often as it likes.
        known.hold_to(may, Demand::Auth(&command))?;
        self.change_as(&known, command).await?;
        Ok(id)
    }

    /// Writes down that somebody was not let in by a method.
    pub fn audit_refused_login(&self, method: &str, why: &str) {
        if let Some(unsaid) = self.handle().shared.say("login") {
            tracing::warn!(method, why, unsaid, "somebody was not let in by an auth method");
        }
        let origin = self.credentials().origin();
        self.handle().audit_stranger(origin, ("acl login", method), why, Refusal::Login);
    }

    /// Removes the token that is brought, which was made by a login.
    ///
    /// # Errors
    /// `InvalidAuthToken` for nobody's, `PermissionDenied` for one that was made otherwise; as for
    /// [`Self::change_acl`].
    pub async fn log_out(&self) -> Result<(), Fault> {
        self.must_be_on().await?;
        let known = self.known().await?;
        let Who::Token(token) = &known.who else {
            return Err(Fault::new(Code::InvalidAuthToken, "ACL not found"));
        };
        let id = AclId::clone(&token.token);
        let is_by_login =
            known.auth.acl.tokens.get(&id).is_some_and(|it| !it.auth_method.is_empty());
        if !is_by_login {
            let detail = "only a token that was made by a login can log out";
            return Err(Fault::new(Code::PermissionDenied, detail));
        }
        self.change_as(&known, AuthCommand::Acl(Box::new(AclCommand::DeleteToken { id }))).await
    }
}
