use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use state::auth::Demand;
use state::command::Command;
use state::registry::query::Indexed;
use state::registry::{CheckKey, Name, Registry, RegistryCommand, Session, Status};
use types::{Fault, KeyRange, Revision};

use super::{Caller, Credentials};
use crate::answer::{Answer, Consistency};
use crate::handle::Beat;
use crate::registry::Topic;

/// As a permission for everything says it.
fn every_key() -> KeyRange {
    KeyRange { start: Bytes::from_static(&[0]), end: None }
}

/// The registry, for those who may read or write all of its keyspace: there are no rights on single
/// services yet.
impl<C: Credentials> Caller<'_, C> {
    /// [`crate::Handle::registry`].
    ///
    /// # Errors
    /// As that, and as [`Self::permit`].
    pub async fn registry<T>(
        &self,
        consistency: Consistency,
        ask: impl FnOnce(&Registry) -> T + Send,
    ) -> Result<Answer<T>, Fault> {
        self.permit_read(Demand::Range(&every_key()), consistency).await?;
        self.handle.registry(self.keyspace, consistency, ask).await
    }

    /// [`crate::Handle::registry_wait`], for who was let in by [`Self::registry`] before; whether it may
    /// still know is looked at when there is an answer.
    ///
    /// # Errors
    /// As that, and as [`Self::permit_still`].
    pub async fn registry_wait<T>(
        &self,
        topic: (Topic, Revision),
        patience: Duration,
        ask: impl Fn(&Registry) -> Indexed<T> + Send,
    ) -> Result<Answer<Indexed<T>>, Fault> {
        self.permit_still(Demand::Range(&every_key()))?;
        let answer = self.handle.registry_wait(self.keyspace, topic, patience, ask).await?;
        self.permit_still(Demand::Range(&every_key()))?;
        Ok(answer)
    }

    /// [`crate::Handle::beat`]. By what this node knows of rights: instances must not end because users
    /// cannot be looked up.
    ///
    /// # Errors
    /// As that, and as [`Self::permit_still`].
    pub async fn beat(&self, check: &CheckKey, status: Status) -> Result<Beat, Fault> {
        self.may_renew()?;
        self.handle.beat(self.keyspace, check, status).await
    }

    /// [`crate::Handle::beats`].
    ///
    /// # Errors
    /// As [`Self::beat`].
    pub async fn beats(&self, timers: &[u64]) -> Result<Vec<Beat>, Fault> {
        self.may_renew()?;
        self.handle.beats(self.keyspace, timers).await
    }

    /// [`crate::Handle::renew_session`].
    ///
    /// # Errors
    /// As [`Self::beat`].
    pub async fn renew_session(&self, id: &str) -> Result<Option<Arc<Session>>, Fault> {
        self.may_renew()?;
        self.handle.renew_session(self.keyspace, id).await
    }

    /// [`crate::Handle::lock_is_delayed`]: who may lock may know.
    ///
    /// # Errors
    /// As that.
    pub async fn lock_is_delayed(&self, key: Bytes) -> Result<bool, Fault> {
        self.handle.lock_is_delayed(self.keyspace, key).await
    }

    fn may_renew(&self) -> Result<(), Fault> {
        if self.handle.auth_is_off() {
            return Ok(());
        }
        let renewal = Command::Registry(RegistryCommand::RenewSession { id: Name::from("") });
        self.permit_still(Demand::Command(&renewal))
    }
}
