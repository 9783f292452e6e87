//! The door for requests that come from outside: who asks is found out, what is asked for is held
//! against its rights, and only then carried out. Every front door goes through here.

mod change;
mod known;
mod now;
mod registry;
mod trace;

use change::Change;
use known::Trace;
pub(super) use known::{Known, Who};
pub use now::Verdict;
pub use registry::Judge;

use std::sync::Arc;

use bytes::Bytes;
use state::auth::{Auth, AuthCommand, Demand};
use state::command::Command;
use state::request::{RangeRequest, TxnRequest};
use state::response::{RangeResponse, Response};
use types::{Code, Fault, KeyRange, KeyspaceId, LeaseId, RegionId};

use super::{Handle, Number};
use crate::answer::{Answer, Consistency, LeaseStatus};
use crate::auth::Ended;
use crate::{auth, read};

/// What somebody brings to prove who it is. Looked at only while auth is on, or may be.
pub trait Credentials: Send + Sync {
    /// The token that [`Handle::authenticate`] gave it, or what [`Handle::vouch_for`] said of it, if it
    /// brings one.
    fn token(&self) -> Option<&str>;

    /// From where it asks, for the audit log; empty if that is not known.
    fn origin(&self) -> &str {
        ""
    }
}

impl Credentials for Option<Box<str>> {
    fn token(&self) -> Option<&str> {
        self.as_deref()
    }
}

impl<C: Credentials> Credentials for &C {
    fn token(&self) -> Option<&str> {
        (**self).token()
    }

    fn origin(&self) -> &str {
        (**self).origin()
    }
}

/// Somebody outside, with a request for a keyspace. Cheap to make: nothing is looked at before
/// something is asked for, and nothing then while auth is off.
#[derive(Clone, Copy)]
pub struct Caller<'a, C> {
    handle: &'a Handle,
    keyspace: KeyspaceId,
    credentials: C,
    number: Option<Number>,
}

/// Whether it says who may do what, and not that this could not be found out.
const fn is_refusal(code: Code) -> bool {
    matches!(code, Code::UserEmpty | Code::InvalidAuthToken | Code::PermissionDenied)
}

impl Handle {
    /// Somebody who asks something of `keyspace`.
    #[must_use]
    pub fn caller<C: Credentials>(&self, keyspace: KeyspaceId, credentials: C) -> Caller<'_, C> {
        Caller { handle: self, keyspace, credentials, number: None }
    }

    /// Whether auth is off, as far as this node knows without asking: nothing has to be looked at.
    #[must_use]
    pub fn auth_is_off(&self) -> bool {
        self.shared.auth.is_open()
    }

    /// Changes of users and rights, for streams that were let in before.
    #[must_use]
    pub fn auth_changes(&self) -> auth::AuthChanges {
        self.shared.auth.listeners().listen()
    }

    /// What proves, in place of a token, that it is `user` who asks: to be called where that is certain,
    /// as for the holder of a certificate. Good in this process only, and for as long as it runs.
    #[must_use]
    pub fn vouch_for(&self, user: &str) -> Box<str> {
        self.shared.words.give(user)
    }

    /// What another node takes for this token: a word of [`Self::vouch_for`] is this process's secret and
    /// stays here, and a token of its user goes in its place. `None` for nobody.
    #[must_use]
    pub fn token_for_others(&self, token: &str) -> Option<Box<str>> {
        let shared = &self.shared;
        let Some(user) = shared.words.read(token) else { return Some(token.into()) };
        let issued = shared.tokens.issue(&shared.auth.auth(), user, shared.clock.wall_millis());
        issued.ok().map(Into::into)
    }

    /// Users and rights, no older than this call.
    ///
    /// # Errors
    /// No leader, timeout.
    pub(super) async fn auth_now(&self) -> Result<Arc<Auth>, Fault> {
        let shared = &self.shared;
        if let Some(auth) = shared.auth.current(shared.clock.now()) {
            return Ok(auth);
        }
        // While the cluster is being formed there is nothing to look at yet.
        drop(self.ready_shard(KeyspaceId::DEFAULT).await);
        let meta = shared.shard(RegionId::META).ok_or(Code::NoLeader)?;
        read::by_round(shared, &meta).await?;
        Ok(shared.auth.auth())
    }

    /// Whether the user's password is this one; answers with a token for it.
    ///
    /// # Errors
    /// `AuthNotEnabled`, `AuthFailed`, `NoPasswordUser`; `TooManyRequests`.
    pub async fn authenticate(&self, user: &str, password: &str) -> Result<String, Fault> {
        let shared = &self.shared;
        let auth = self.auth_now().await?;
        if !auth.enabled {
            return Err(Code::AuthNotEnabled.into());
        }
        let known = auth.users.get(user).ok_or(Code::AuthFailed)?;
        let hash = known.password.as_ref().ok_or(Code::NoPasswordUser)?;
        if !shared.passwords.check((user, known.since), hash, password).await? {
            if let Some(unsaid) = shared.say("password") {
                tracing::warn!(user, unsaid, "somebody tried another password");
            }
            return Err(Code::AuthFailed.into());
        }
        // Of the copy that was looked at: a password that was changed meanwhile makes it void.
        Ok(shared.tokens.issue(&auth, user, shared.clock.wall_millis())?)
    }
}

impl<C: Credentials> Caller<'_, C> {
    /// The same, who gave its command this number: a put, a removal or a transaction is carried out once,
    /// however often it is sent.
    #[must_use]
    pub fn numbered(self, number: Option<Number>) -> Self {
        Self { number, ..self }
    }

    async fn carry(&self, command: Command) -> Result<Answer<Response>, Fault> {
        match self.number.filter(|_| crate::sharded::is_served(&command)) {
            Some(number) => self.handle.propose_numbered(self.keyspace, number, command).await,
            None => self.handle.propose(self.keyspace, command).await,
        }
    }

    pub(super) fn handle(&self) -> &Handle {
        self.handle
    }

    pub(super) fn credentials(&self) -> &C {
        &self.credentials
    }

    /// The keyspace that is asked.
    #[must_use]
    pub fn keyspace(&self) -> KeyspaceId {
        self.keyspace
    }

    /// Whether it may do this, by what no other node knows better at the time of the call. The other
    /// calls ask by themselves.
    ///
    /// # Errors
    /// `UserEmpty`, `InvalidAuthToken`, `PermissionDenied`; no leader, timeout.
    pub async fn permit(&self, what: Demand<'_>) -> Result<(), Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(());
        }
        self.permit_slowly(what).await.map(drop)
    }

    /// The same, by what this node knows, without asking others: for stale reads and for what goes
    /// on and on.
    ///
    /// # Errors
    /// As for [`Self::permit`].
    pub fn permit_locally(&self, what: Demand<'_>) -> Result<(), Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(());
        }
        self.identify(self.handle.shared.auth.auth(), Ended::Refuse)?.authorize(what)
    }

    /// The same, where nobody is refused anything by the answer: for what is left out without a word.
    pub fn may_locally(&self, what: Demand<'_>) -> bool {
        self.handle.shared.auth.is_open()
            || self.identify_silently().is_ok_and(|known| known.decide(what).is_ok())
    }

    /// Whether somebody that was let in before may still do this, by what this node knows. Its token
    /// may have come to its end meanwhile, but its user is still the same.
    ///
    /// # Errors
    /// As for [`Self::permit`].
    pub fn permit_still(&self, what: Demand<'_>) -> Result<(), Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(());
        }
        self.identify(self.handle.shared.auth.auth(), Ended::Take)?.authorize(what)
    }

    #[cold]
    async fn permit_slowly(&self, what: Demand<'_>) -> Result<Known, Fault> {
        let known = self.known().await?;
        known.authorize(what)?;
        Ok(known)
    }

    /// The name of who asks, once it is proven: a user's, or a token's accessor id; empty for nobody, and
    /// for everybody while neither is on.
    ///
    /// # Errors
    /// As for [`Self::permit`].
    pub async fn user(&self) -> Result<String, Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(String::new());
        }
        let known = self.known().await?;
        known.authorize(Demand::Anyone)?;
        Ok(known.name().to_owned())
    }

    async fn permit_read(&self, what: Demand<'_>, consistency: Consistency) -> Result<(), Fault> {
        match consistency {
            Consistency::Stale | Consistency::StaleWithin(_) => self.permit_locally(what),
            _ => self.permit(what).await,
        }
    }

    /// [`Handle::propose`].
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn propose(&self, command: Command) -> Result<Answer<Response>, Fault> {
        if self.handle.shared.auth.is_open() {
            return self.carry(command).await;
        }
        // What is wrong with a command is told to who may not give it, too: as etcd does.
        state::check(&command)?;
        let known = self.known().await?;
        self.permit_command(&known, &command).await?;
        let command = known.auth.limit(known.principal(), self.keyspace, command);
        let mut answer = self.carry(command).await?;
        known.leave_out(&mut answer.body);
        Ok(answer)
    }

    /// [`Handle::range`].
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn range(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<Answer<RangeResponse>, Fault> {
        if !self.handle.shared.auth.is_open() {
            state::check_range(&request)?;
            self.permit_read(Demand::Range(&request.range), consistency).await?;
        }
        self.handle.range(self.keyspace, request, consistency).await
    }

    /// [`Handle::txn`].
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn txn(
        &self,
        request: TxnRequest,
        consistency: Consistency,
    ) -> Result<Answer<Response>, Fault> {
        if self.handle.shared.auth.is_open() {
            if self.number.is_some() && request.has_writes() {
                return self.carry(Command::Txn(request)).await;
            }
            return self.handle.txn(self.keyspace, request, consistency).await;
        }
        state::check_txn(&request)?;
        if request.has_writes() {
            return self.propose(Command::Txn(request)).await;
        }
        self.permit_read(Demand::Txn(&request), consistency).await?;
        self.handle.txn(self.keyspace, request, consistency).await
    }

    /// The same, for what a node serves on its own when it has lost the others: then what it knows has
    /// to do, as for a stale read.
    ///
    /// # Errors
    /// `UserEmpty`, `InvalidAuthToken`, `PermissionDenied`.
    pub async fn permit_alone(&self, what: Demand<'_>) -> Result<(), Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(());
        }
        let patience = self.handle.shared.auth.leave_for();
        match tokio::time::timeout(patience, self.permit(what)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) if is_refusal(fault.code) => Err(fault),
            _ => self.permit_locally(what),
        }
    }

    /// Whether it may watch a range. To be asked again, by [`Self::permit_still`], when users or
    /// rights change ([`Handle::auth_changes`]).
    ///
    /// # Errors
    /// As for [`Self::permit`].
    pub async fn permit_watch(&self, range: &KeyRange) -> Result<(), Fault> {
        self.permit_alone(Demand::Range(range)).await
    }

    /// [`Handle::leases`]: every user may know which there are; of tokens, among the registry's keys, who may
    /// do everything.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn leases(&self, consistency: Consistency) -> Result<Answer<Vec<LeaseId>>, Fault> {
        self.permit_read(Demand::Leases, consistency).await?;
        self.handle.leases(self.keyspace, consistency).await
    }

    /// [`Handle::lease_keep_alives`]: every user may, who knows the leases' numbers. By what this node
    /// knows: leases must not end because users cannot be looked up, or because a token has come to
    /// its end.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn lease_keep_alives(&self, leases: &[LeaseId]) -> Result<Answer<Vec<i64>>, Fault> {
        self.permit_still(Demand::Leases)?;
        self.handle.lease_keep_alives(self.keyspace, leases).await
    }

    /// [`Handle::lease_time_to_live`]: its keys are told to who may read all of them.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn lease_time_to_live(
        &self,
        lease: LeaseId,
        keys: bool,
    ) -> Result<Answer<LeaseStatus>, Fault> {
        self.permit(Demand::Leases).await?;
        let answer = self.handle.lease_time_to_live(self.keyspace, lease, keys).await?;
        if keys {
            // Those it turned out to have.
            self.permit(Demand::Keys(&answer.body.keys)).await?;
        }
        Ok(answer)
    }

    /// Users and rights, for who may see what is asked for.
    ///
    /// # Errors
    /// As for [`Self::permit`].
    pub async fn auth(&self, what: Demand<'_>) -> Result<Arc<Auth>, Fault> {
        Ok(self.permit_slowly(what).await?.auth)
    }

    /// Changes users or rights. Once this has answered, no node goes by what was before.
    ///
    /// # Errors
    /// What the state machine refuses, and as [`Self::permit`]. `Timeout` also when it is done and
    /// too few nodes are known to have it.
    pub async fn change_auth(&self, command: AuthCommand) -> Result<(), Fault> {
        let known = self.permit_slowly(Demand::Auth(&command)).await?;
        self.change_as(&known, command).await
    }

    /// The same, for who may.
    pub(super) async fn change_as(&self, known: &Known, command: AuthCommand) -> Result<(), Fault> {
        let change = Change::begin(known, &command);
        let done = auth::change(&self.handle.shared, command).await;
        change.end(&done);
        done
    }

    /// Switches auth on, with a key of its own for the tokens to come.
    ///
    /// # Errors
    /// As for [`Self::change_auth`]: `RootUserMissing`, `RootRoleMissing`.
    pub async fn enable_auth(&self) -> Result<(), Fault> {
        let key = auth::random_key(&self.handle.shared);
        self.change_auth(AuthCommand::Enable { key }).await
    }

    /// Makes a user; without a password for one that can have none.
    ///
    /// # Errors
    /// As for [`Self::change_auth`]; `TooManyRequests` when too many passwords are being hashed.
    pub async fn add_user(&self, name: String, password: Option<&str>) -> Result<(), Fault> {
        self.permit(Demand::Root).await?;
        let password = match password {
            Some(password) => Some(self.handle.shared.passwords.hash(password).await?),
            None => None,
        };
        self.change_auth(AuthCommand::AddUser { name, password }).await
    }

    /// Gives a user another password.
    ///
    /// # Errors
    /// As for [`Self::add_user`].
    pub async fn set_password(&self, name: String, password: &str) -> Result<(), Fault> {
        self.permit(Demand::Root).await?;
        let password = self.handle.shared.passwords.hash(password).await?;
        self.change_auth(AuthCommand::SetPassword { name, password }).await
    }

    /// [`Handle::create_keyspace`]: root may.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn create_keyspace(
        &self,
        name: &str,
    ) -> Result<state::directory::KeyspaceRecord, Fault> {
        self.permit(Demand::Root).await?;
        self.handle.create_keyspace(name).await
    }

    /// [`Handle::create_sharded_keyspace`]: root may.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn create_sharded_keyspace(
        &self,
        name: &str,
        split_at: Vec<Bytes>,
        replicas: u32,
    ) -> Result<state::directory::KeyspaceRecord, Fault> {
        self.permit(Demand::Root).await?;
        self.handle.create_sharded_keyspace(name, split_at, replicas).await
    }

    /// [`Handle::create_memory_keyspace`]: root may.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn create_memory_keyspace(
        &self,
        name: &str,
        split_at: Vec<Bytes>,
        replicas: u32,
    ) -> Result<state::directory::KeyspaceRecord, Fault> {
        self.permit(Demand::Root).await?;
        self.handle.create_memory_keyspace(name, split_at, replicas).await
    }

    /// [`Handle::split`]: root may.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn split(&self, keyspace: KeyspaceId, at: Bytes) -> Result<RegionId, Fault> {
        self.permit(Demand::Root).await?;
        self.handle.split(keyspace, at).await
    }
}
