//! Consul's ACL, as doors need it beside what everybody is asked.

use std::sync::Arc;

use state::auth::acl::{AclCommand, AclId};
use state::auth::{Area, Auth, AuthCommand, Demand, KeptSecret, Secret};
use state::registry::MACHINE;
use types::{Code, Fault, KeyspaceId};

use super::Handle;
use super::caller::{Caller, Credentials, Who};
use crate::audit::{Audit, AuditKind, AuditRecord, Refusal, Sender};
use crate::auth::{Ended, hash_of, uuid};

/// The keyspace in which Consul's API keeps what is neither a key nor registered.
pub const KEPT: &str = "consul";
/// Whoever lost all tokens writes the number into a file of this name in a node's directory.
const RESET: &str = "acl-bootstrap-reset";
/// Bytes of that file that are read.
const RESET_BYTES: usize = 64;

/// Users, rights and tokens, and the token by which somebody was let in to see them.
pub struct Granted {
    /// All of it.
    pub auth: Arc<Auth>,
    /// The accessor id; `None` for one of etcd's users.
    pub token: Option<AclId>,
}

impl Handle {
    /// What a keyspace is, as far as rights go.
    #[must_use]
    pub fn area(&self, keyspace: KeyspaceId) -> Area {
        self.shared.with_directory(|directory| match directory.keyspaces.get(&keyspace) {
            Some(record) if record.machine.as_deref() == Some(MACHINE) => Area::Registry,
            Some(record) if record.name == KEPT => Area::Kept,
            Some(record) if record.name == configuration::KEYSPACE => Area::Configurations,
            _ => Area::Keys,
        })
    }

    /// Whether the ACL is on, as far as this node knows; and whether it allows what no rule speaks of, which
    /// it does while it is off.
    #[must_use]
    pub fn acl_switch(&self) -> (bool, bool) {
        if self.auth_is_off() {
            return (false, true);
        }
        let auth = self.shared.auth.auth();
        let is_on = auth.acl.enabled || self.shared.auth.waits_for_acl(&auth);
        (is_on, auth.acl.allows_by_default)
    }

    /// The token in whose name this node asks for those that bring none.
    #[must_use]
    pub fn default_token(&self) -> Option<Box<str>> {
        self.shared.default_token.lock().clone()
    }

    /// Takes another one until the node ends; none for nobody's.
    pub fn set_default_token(&self, secret: Option<Box<str>>) {
        *self.shared.default_token.lock() = secret;
    }

    /// Where it is written down who ran the cluster.
    #[must_use]
    pub fn audit_log(&self) -> &Audit {
        &self.shared.config.audit
    }

    /// Writes down what somebody did with the cluster, or was refused to; `outcome` is
    /// [`crate::audit::OK`] or why not. Who it is is looked up by what this node knows. Of those that may
    /// not run the cluster no more is written than of refusals.
    pub fn audit_management(
        &self,
        credentials: impl Credentials,
        what: &str,
        on: &str,
        outcome: &str,
    ) {
        if !self.audit_log().is_on() {
            return;
        }
        let caller = self.caller(KeyspaceId::DEFAULT, credentials);
        // Who may not run the cluster may say what it likes about that, and compact what it may write, but
        // only fill so much of the log.
        let refusal = (!caller.may_manage()).then_some(Refusal::Management);
        let record = || AuditRecord {
            kind: AuditKind::Management,
            who: caller.sender(),
            what: what.to_owned(),
            on: on.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.audit_log().record(self.wall_millis(), record, refusal);
    }

    /// Writes down that somebody could not prove to be a user. Bounded as refusals are.
    pub fn audit_wrong_proof(&self, origin: &str, user: &str, code: Code) {
        let outcome = format!("{code:?}");
        self.audit_stranger(origin, ("authenticate", user), &outcome, Refusal::Password);
    }

    /// Writes down that somebody whom nobody knows was not let in.
    pub(super) fn audit_stranger(
        &self,
        origin: &str,
        (what, on): (&str, &str),
        outcome: &str,
        refusal: Refusal,
    ) {
        let record = || AuditRecord {
            kind: AuditKind::Denied,
            who: Sender { address: origin.to_owned(), ..Sender::default() },
            what: what.to_owned(),
            on: on.to_owned(),
            outcome: outcome.to_owned(),
        };
        self.audit_log().record(self.wall_millis(), record, Some(refusal));
    }

    /// A random UUID.
    #[must_use]
    pub fn uuid(&self) -> String {
        uuid(self.shared.rng.as_ref())
    }

    /// What is kept of a token's secret.
    #[must_use]
    pub fn secret_kept(secret: &str) -> Secret {
        hash_of(secret)
    }

    /// The secret itself, as far as this node was told to keep secrets; else empty.
    #[must_use]
    pub fn secret_shown_later(&self, secret: &str) -> KeptSecret {
        if self.shared.config.acl.keep_secrets { secret.into() } else { KeptSecret::default() }
    }

    /// The number in the file by which whoever can write into this node's directory may bootstrap the ACL
    /// again; 0 without one.
    fn bootstrap_reset(&self) -> u64 {
        let text = std::fs::read(self.shared.config.data_dir.join(RESET)).unwrap_or_default();
        let text = text.get(..text.len().min(RESET_BYTES)).unwrap_or_default();
        std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

/// Somebody from somewhere, who brings nothing.
pub(super) struct Stranger<'a>(pub(super) &'a str);

impl Credentials for Stranger<'_> {
    fn token(&self) -> Option<&str> {
        None
    }

    fn origin(&self) -> &str {
        self.0
    }
}

impl<C: Credentials> Caller<'_, C> {
    /// Tokens, policies and roles, for who may see what is asked for.
    ///
    /// # Errors
    /// `AuthNotEnabled` while the ACL is off; as for [`Self::permit`].
    pub async fn acl(&self, what: Demand<'_>) -> Result<Granted, Fault> {
        self.must_be_on().await?;
        let known = self.known().await?;
        known.authorize(what)?;
        let token = match &known.who {
            Who::Token(token) => Some(AclId::clone(&token.token)),
            Who::Nobody | Who::User(_) => None,
        };
        Ok(Granted { auth: known.auth, token })
    }

    /// Whoever asks is told, without being looked at.
    pub(super) async fn must_be_on(&self) -> Result<(), Fault> {
        if self.handle().auth_now().await?.acl.enabled {
            return Ok(());
        }
        Err(Code::AuthNotEnabled.into())
    }

    /// Changes tokens, policies or roles. Once this has answered, no node goes by what was before.
    ///
    /// # Errors
    /// What the state machine refuses, and as for [`Self::acl`].
    pub async fn change_acl(&self, command: AclCommand) -> Result<(), Fault> {
        self.must_be_on().await?;
        self.change_auth(AuthCommand::Acl(Box::new(command))).await
    }

    /// Makes the first token that may do everything, with this secret, unless that was done; answers with its
    /// accessor id. Whoever is first may, whatever token it brings; where etcd's Auth is on, root, and who
    /// wrote the number of the last time into this node's directory.
    ///
    /// # Errors
    /// `PermissionDenied` with the number by which it could be done again; as for [`Self::change_acl`].
    pub async fn bootstrap_acl(&self, secret: &str) -> Result<AclId, Fault> {
        let handle = self.handle();
        self.must_be_on().await?;
        let auth = handle.auth_now().await?;
        let id: AclId = handle.uuid().into();
        let (reset, now_ms) = (handle.bootstrap_reset(), handle.wall_millis());
        let may = auth.acl.may_bootstrap(reset);
        let is_by_name = auth.enabled && may.is_ok() && auth.acl.bootstrapped == 0;
        let known = if is_by_name {
            self.identify(auth, Ended::Refuse)?
        } else {
            let stranger = Stranger(self.credentials().origin());
            handle.caller(self.keyspace(), stranger).identify(auth, Ended::Refuse)?
        };
        let (secret, kept) = (hash_of(secret), handle.secret_shown_later(secret));
        let command = AclCommand::Bootstrap { id: id.clone(), secret, kept, reset, now_ms };
        let command = AuthCommand::Acl(Box::new(command));
        // What cannot be done is not proposed: anybody may ask, as often as one likes.
        known.hold_to(may, Demand::Auth(&command))?;
        known.authorize(Demand::Auth(&command))?;
        self.change_as(&known, command).await?;
        if reset != 0
            && let Err(error) = std::fs::remove_file(handle.shared.config.data_dir.join(RESET))
        {
            tracing::warn!(%error, "the file {RESET} could not be removed; it counts no more");
        }
        Ok(id)
    }
}
