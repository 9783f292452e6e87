use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use state::auth::acl::{Access, Authorizer, Resource, View, needs_registry};
use state::auth::{Area, Demand};
use state::command::Command;
use state::registry::query::Indexed;
use state::registry::{
    CheckKey, Name, Registries, RegistryAnswer, RegistryCommand, ServiceName, Session, Status,
    TimerId, TxnOp, TxnResult,
};
use state::request::RangeRequest;
use state::response::{RangeResponse, Response};
use types::{Fault, KeyRange, Revision};

use super::{Caller, Credentials, Known, Who};
use crate::answer::{Answer, Consistency};
use crate::auth::{AuthChanges, Ended};
use crate::handle::Beat;
use crate::registry::{Scope, Topic};

/// As a permission for everything says it.
fn every_key() -> KeyRange {
    KeyRange { start: Bytes::from_static(&[0]), end: None }
}

/// Who looks at a registry: all of it, or what the rules of a token show.
struct Sight(Option<Arc<Authorizer>>);

impl Sight {
    fn of<'a>(&'a self, registry: Registries<'a>) -> View<'a> {
        match &self.0 {
            None => View::whole(registry),
            Some(rights) => View::of(registry, rights),
        }
    }
}

impl Known {
    /// Users see all, if they may read all keys; tokens what their rules say.
    fn sight(&self) -> Result<Sight, Fault> {
        match &self.who {
            Who::Token(token) if self.place.1 == Area::Registry => {
                Ok(Sight(Some(Arc::clone(token))))
            }
            _ => self.authorize(Demand::Range(&every_key())).map(|()| Sight(None)),
        }
    }

    /// The token, if it is not one that may do everything anyway.
    fn narrow_token(&self) -> Option<&Arc<Authorizer>> {
        match &self.who {
            Who::Token(token) if !token.may(Resource::Everything, Access::Write) => Some(token),
            _ => None,
        }
    }

    /// Takes out of an answer what may not be read.
    pub(super) fn leave_out(&self, answer: &mut Response) {
        let Some(token) = self.narrow_token() else { return };
        let Response::Registry(RegistryAnswer::TxnDone(results)) = answer else { return };
        let sees = |resource: Resource<'_>| token.may(resource, Access::Read);
        results.retain(|result| match result {
            TxnResult::Kv(kv) => sees(Resource::Key(&kv.key)),
            TxnResult::Node(node) => sees(Resource::Node(&node.name)),
            TxnResult::Instance(instance) => sees(Resource::Service(&instance.service)),
            TxnResult::Check(named) => match &named.instance {
                Some(instance) => sees(Resource::Service(&instance.service)),
                None => sees(Resource::Node(&named.check.node)),
            },
        });
    }
}

/// Who asks, found out, to be asked of many things one after the other.
pub struct Judge(Option<Known>);

impl Judge {
    /// Whether it may. Nobody is refused anything by the answer: nothing is written down.
    #[must_use]
    pub fn may(&self, what: Demand<'_>) -> bool {
        self.0.as_ref().is_none_or(|known| known.decide(what).is_ok())
    }

    /// Whether it may read it.
    #[must_use]
    pub fn sees(&self, resource: Resource<'_>) -> bool {
        self.may(Demand::Resource(resource, Access::Read))
    }
}

/// The registry, seen and changed as the rights of who asks say.
impl<C: Credentials> Caller<'_, C> {
    async fn sight(&self, consistency: Consistency) -> Result<Sight, Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(Sight(None));
        }
        match consistency {
            Consistency::Stale | Consistency::StaleWithin(_) => self.sight_here(Ended::Refuse),
            _ => self.known().await?.sight(),
        }
    }

    /// Who asks, as far as this node knows if `here`, and else by what no other node knows better.
    ///
    /// # Errors
    /// `InvalidAuthToken`; no leader, timeout.
    pub async fn judge(&self, here: bool) -> Result<Judge, Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(Judge(None));
        }
        if here {
            let known = self.identify(self.handle.shared.auth.auth(), Ended::Refuse)?;
            return Ok(Judge(Some(known)));
        }
        Ok(Judge(Some(self.known().await?)))
    }

    /// By what this node knows.
    fn sight_here(&self, ended: Ended) -> Result<Sight, Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(Sight(None));
        }
        self.identify(self.handle.shared.auth.auth(), ended)?.sight()
    }

    /// [`crate::Handle::registry`], of which is left out what may not be seen.
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn registry<T>(
        &self,
        scope: &Scope,
        consistency: Consistency,
        ask: impl FnOnce(&View<'_>) -> T + Send,
    ) -> Result<Answer<T>, Fault> {
        let sight = self.sight(consistency).await?;
        let ask = |registry: Registries<'_>| ask(&sight.of(registry));
        self.handle.registry(self.keyspace, scope, consistency, ask).await
    }

    /// [`crate::Handle::registry`] as it is: to find out which is meant by what somebody wants to change, and
    /// for nothing that is shown. Whoever asks has to be somebody.
    ///
    /// # Errors
    /// As [`Self::registry`].
    pub async fn find<T>(
        &self,
        consistency: Consistency,
        ask: impl FnOnce(Registries<'_>) -> T + Send,
    ) -> Result<Answer<T>, Fault> {
        self.sight(consistency).await?;
        self.handle.registry(self.keyspace, &Scope::Whole, consistency, ask).await
    }

    /// Changes of rights, for who waits; nothing while nobody is held to anything: then rights are looked at
    /// when there is an answer.
    #[must_use]
    pub fn changes(&self) -> Option<AuthChanges> {
        (!self.handle.shared.auth.is_open()).then(|| self.handle.auth_changes())
    }

    /// [`crate::Handle::registry_wait`], for who was let in by [`Self::registry`] before; what may be seen is
    /// what may be seen when there is an answer. Ends with the right to look.
    ///
    /// # Errors
    /// As that, and as [`Self::permit_still`].
    pub async fn registry_wait<T>(
        &self,
        topic: (Topic, Revision),
        patience: Duration,
        ask: impl Fn(&View<'_>) -> Indexed<T> + Send + Sync,
    ) -> Result<Answer<Indexed<T>>, Fault> {
        let look = |registry: Registries<'_>| match self.sight_here(Ended::Take) {
            Ok(sight) => {
                let Indexed { index, value } = ask(&sight.of(registry));
                Indexed { index, value: Ok(value) }
            }
            // It is over, whatever was waited for.
            Err(fault) => Indexed { index: Revision(i64::MAX), value: Err(fault) },
        };
        let mut changes = self.changes();
        let waiting = self.handle.registry_wait(self.keyspace, topic, patience, look);
        let mut waiting = pin!(waiting);
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut waiting => break answer?,
                // Who may not look any more does not wait either.
                () = AuthChanges::next_of(&mut changes) => drop(self.sight_here(Ended::Take)?),
            }
        };
        let Indexed { index, value } = answer.body;
        Ok(Answer { header: answer.header, body: Indexed { index, value: value? } })
    }

    /// Whether it may have a command carried out; by what is registered, where rules of a token ask for that.
    pub(super) async fn permit_command(
        &self,
        known: &Known,
        command: &Command,
    ) -> Result<(), Fault> {
        match command {
            Command::Registry(command)
                if needs_registry(command)
                    && known.place.1 == Area::Registry
                    && known.narrow_token().is_some() =>
            {
                let decide =
                    |registry: Registries<'_>| known.authorize(Demand::Change(command, registry));
                self.handle
                    .registry(self.keyspace, &Scope::Whole, Consistency::Linearizable, decide)
                    .await?
                    .body
            }
            _ => known.authorize(Demand::Command(command)),
        }
    }

    /// Which operations of a transaction it may not have carried out, and what it lacks for each.
    ///
    /// # Errors
    /// As [`Self::registry`].
    pub async fn refused_operations(&self, ops: &[TxnOp]) -> Result<Vec<(u32, String)>, Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(Vec::new());
        }
        let known = self.known().await?;
        let Some(token) = known.narrow_token() else { return Ok(Vec::new()) };
        let decide = |registry: Registries<'_>| {
            let all = ops.iter().zip(0_u32..);
            let refused = all
                .filter_map(|(op, at)| Some((at, token.may_operation(op, Some(registry)).err()?)));
            refused.collect()
        };
        Ok(self
            .handle
            .registry(self.keyspace, &Scope::Whole, Consistency::Linearizable, decide)
            .await?
            .body)
    }

    /// [`crate::Handle::range`] as Consul's clients read keys: a list comes without those that may not be
    /// read, and says whether any was left out; a single key has to be one that may.
    ///
    /// # Errors
    /// As [`Self::range`].
    pub async fn keys(
        &self,
        request: RangeRequest,
        consistency: Consistency,
    ) -> Result<(Answer<RangeResponse>, bool), Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok((self.handle.range(self.keyspace, request, consistency).await?, false));
        }
        let known = match consistency {
            Consistency::Stale | Consistency::StaleWithin(_) => {
                self.identify(self.handle.shared.auth.auth(), Ended::Refuse)?
            }
            _ => self.known().await?,
        };
        let Some(token) = known.narrow_token().filter(|_| !request.range.is_single()) else {
            state::check_range(&request)?;
            known.authorize(Demand::Range(&request.range))?;
            return Ok((self.handle.range(self.keyspace, request, consistency).await?, false));
        };
        let mut answer = self.handle.range(self.keyspace, request, consistency).await?;
        let before = answer.body.kvs.len();
        answer.body.kvs.retain(|kv| token.may(Resource::Key(&kv.key), Access::Read));
        let left_out = answer.body.kvs.len() < before;
        Ok((answer, left_out))
    }

    /// Whether it may wait for changes of what [`Self::keys`] reads: who may read a part of it may, and is
    /// shown no more than that afterwards.
    ///
    /// # Errors
    /// As for [`Self::permit`].
    pub async fn permit_wait(&self, range: &KeyRange) -> Result<(), Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(());
        }
        let known = self.identify(self.handle.shared.auth.auth(), Ended::Take)?;
        if known.narrow_token().is_some() && !range.is_single() {
            return Ok(());
        }
        self.permit_watch(range).await
    }

    /// The same of who waits already, by what this node knows; to be asked after each of [`Self::changes`].
    ///
    /// # Errors
    /// As for [`Self::permit_still`].
    pub fn may_still_wait(&self, range: &KeyRange) -> Result<(), Fault> {
        if self.handle.shared.auth.is_open() {
            return Ok(());
        }
        let known = self.identify(self.handle.shared.auth.auth(), Ended::Take)?;
        if known.narrow_token().is_some() && !range.is_single() {
            return Ok(());
        }
        known.authorize(Demand::Range(range))
    }

    /// Whether it may be told what becomes of a service as long as it wants, with the nodes its instances are
    /// on: by what this node knows.
    ///
    /// # Errors
    /// As for [`Self::permit_still`].
    pub fn permit_subscription(&self, service: &ServiceName) -> Result<(), Fault> {
        self.permit_still(Demand::Resource(Resource::Service(&service.name), Access::Read))?;
        self.permit_still(Demand::Resource(Resource::AllNodes, Access::Read))
    }

    /// [`crate::Handle::beat`]. By what this node knows of rights: instances must not end because users
    /// cannot be looked up.
    ///
    /// # Errors
    /// As that, and as [`Self::permit_still`].
    pub async fn beat(&self, check: &CheckKey, status: Status) -> Result<Beat, Fault> {
        let command = RegistryCommand::UpdateCheck { check: check.clone(), status, output: None };
        self.may_renew(|_| vec![command.clone()]).await?;
        self.handle.beat(self.keyspace, check, status).await
    }

    /// [`crate::Handle::beats`].
    ///
    /// # Errors
    /// As [`Self::beat`]: all of them are refused, if one is.
    pub async fn beats(&self, timers: &[u64]) -> Result<Vec<Beat>, Fault> {
        let updates = |registry: Registries<'_>| {
            let checks = timers.iter().filter_map(|timer| registry.check_of(TimerId(*timer)));
            let update = |check: Arc<state::registry::Check>| RegistryCommand::UpdateCheck {
                check: check.key(),
                status: Status::Passing,
                output: None,
            };
            checks.map(update).collect()
        };
        self.may_renew(updates).await?;
        self.handle.beats(self.keyspace, timers).await
    }

    /// [`crate::Handle::renew_session`].
    ///
    /// # Errors
    /// As [`Self::beat`].
    pub async fn renew_session(&self, id: &str) -> Result<Option<Arc<Session>>, Fault> {
        self.may_renew(|_| vec![RegistryCommand::RenewSession { id: id.into() }]).await?;
        self.handle.renew_session(self.keyspace, id).await
    }

    /// [`crate::Handle::lock_is_delayed`]: who may lock may know.
    ///
    /// # Errors
    /// As that, and as [`Self::permit_still`].
    pub async fn lock_is_delayed(&self, key: Bytes) -> Result<bool, Fault> {
        self.permit_still(Demand::Resource(Resource::Key(&key), Access::Write))?;
        self.handle.lock_is_delayed(self.keyspace, key).await
    }

    /// Whether it may give the commands that come to the same as what it says.
    async fn may_renew(
        &self,
        commands: impl FnOnce(Registries<'_>) -> Vec<RegistryCommand> + Send,
    ) -> Result<(), Fault> {
        if self.handle.auth_is_off() {
            return Ok(());
        }
        let known = self.identify(self.handle.shared.auth.auth(), Ended::Take)?;
        if known.narrow_token().is_none() {
            let renewal = Command::Registry(RegistryCommand::RenewSession { id: Name::from("") });
            return known.authorize(Demand::Command(&renewal));
        }
        let decide = |registry: Registries<'_>| {
            let mut all = commands(registry).into_iter();
            all.try_for_each(|command| known.authorize(Demand::Change(&command, registry)))
        };
        let decided =
            self.handle.registry(self.keyspace, &Scope::Whole, Consistency::Stale, decide).await?;
        decided.body
    }
}
