//! The registry: questions, waiting for their answers to change, and words to the leader's clock. What
//! changes it goes by [`Handle::propose`].

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use state::registry::query::Indexed;
use state::registry::{CheckKey, MACHINE, Registry, ServiceName, Session, Status, TimerId};
use tokio::time::{Instant, timeout_at};
use types::{Code, Fault, KeyspaceId, Revision};

use super::Handle;
use crate::answer::{Answer, Consistency, Header};
use crate::read;
use crate::registry::{Audit, RegistryLoad, Subscriptions, Told, Topic, WORDS_TOGETHER, Word, say};
use crate::shard::Shard;

/// What came of a beat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beat {
    /// There is no such check, or it does not count time: whoever sent it has to register.
    Unknown,
    /// It counts, and nothing else is to be done.
    Counted,
    /// It counts, and the check stands like this now: to be proposed.
    Stands(Status),
}

impl Handle {
    /// The keyspace of the registry; made if it is not there.
    ///
    /// # Errors
    /// As [`Self::machine_keyspace`].
    pub async fn registry_keyspace(&self) -> Result<KeyspaceId, Fault> {
        if let Some(found) = self.shared.with_directory(|directory| {
            let found = directory.keyspace_named(MACHINE)?;
            (found.machine.as_deref() == Some(MACHINE)).then_some(found.id)
        }) {
            return Ok(found);
        }
        self.machine_keyspace(MACHINE, MACHINE).await
    }

    /// Asks this node's copy of a registry, once it is as fresh as asked for. Works on memory, under a
    /// lock that holds up changes: answers are to be taken along, and made into something later.
    ///
    /// # Errors
    /// No leader, timeout; `TooStale`; `Unsupported` for a keyspace that is no registry.
    pub async fn registry<T>(
        &self,
        keyspace: KeyspaceId,
        consistency: Consistency,
        ask: impl FnOnce(&Registry) -> T + Send,
    ) -> Result<Answer<T>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.registry()?;
        let age = read::confirm(&self.shared, &shard, consistency).await?;
        let (body, header) = self.ask_here(&shard, ask)?;
        Ok(Answer { header: Header { age, ..header }, body })
    }

    /// Asks until the answer is one of a later revision than `after`, or `patience` is over: then with
    /// the answer as it is. Wakes for changes of `topic` only, which `ask` has to be about.
    ///
    /// # Errors
    /// As [`Self::registry`]; `TooManyRequests` when too many wait.
    pub async fn registry_wait<T>(
        &self,
        keyspace: KeyspaceId,
        (topic, after): (Topic, Revision),
        patience: Duration,
        ask: impl Fn(&Registry) -> Indexed<T> + Send,
    ) -> Result<Answer<Indexed<T>>, Fault> {
        let deadline = Instant::now() + patience;
        let shard = self.ready_shard(keyspace).await?;
        let listener = shard.registry()?.waits.listen(topic)?;
        loop {
            let mut next = pin!(listener.next());
            next.as_mut().enable();
            shard.broken()?;
            let (body, header) = self.ask_here(&shard, &ask)?;
            if body.index > after || listener.is_closed() {
                return Ok(Answer { header, body });
            }
            tokio::select! {
                biased;
                woken = timeout_at(deadline, next) => {
                    if woken.is_err() {
                        return Ok(Answer { header, body });
                    }
                    self.shared.meters.woken.add(1);
                }
                () = self.shared.ended() => return Err(Code::ShuttingDown.into()),
            }
        }
    }

    /// The datacenter this cluster is said to be in.
    #[must_use]
    pub fn datacenter(&self) -> &str {
        &self.shared.config.datacenter
    }

    /// Where checks that the cluster makes may go.
    #[must_use]
    pub fn check_networks(&self) -> &probe::Networks {
        &self.shared.config.check_networks
    }

    /// Where servers that vouch for who logs in may be.
    #[must_use]
    pub fn login_networks(&self) -> &probe::Networks {
        &self.shared.config.login_networks
    }

    /// The node that leads a keyspace, as far as this one knows.
    #[must_use]
    pub fn leader(&self, keyspace: KeyspaceId) -> Option<types::NodeId> {
        self.shard(keyspace).ok()?.leadership().leader
    }

    /// A number that nobody else draws.
    #[must_use]
    pub fn random(&self) -> u128 {
        let (high, low) = (self.shared.rng.next_u64(), self.shared.rng.next_u64());
        (u128::from(high) << 64) | u128::from(low)
    }

    /// How old this node's copy of a keyspace is, and whether a leader is known.
    ///
    /// # Errors
    /// As [`Self::registry`].
    pub fn registry_age(&self, keyspace: KeyspaceId) -> Result<crate::Age, Fault> {
        let shard = self.shard(keyspace)?;
        Ok(read::age(&self.shared, &shard))
    }

    fn ask_here<T>(
        &self,
        shard: &Shard,
        ask: impl FnOnce(&Registry) -> T,
    ) -> Result<(T, Header), Fault> {
        let machine = shard.machine.read();
        let Some(registry) = machine.registry() else {
            shard.broken()?;
            return Err(Code::Unsupported.into());
        };
        let body = ask(registry);
        Ok((body, self.header_at(shard, machine.revision())))
    }

    /// Says that a check was heard to stand like this. It does not go through the log; what it changes
    /// is for the caller to propose.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn beat(
        &self,
        keyspace: KeyspaceId,
        check: &CheckKey,
        status: Status,
    ) -> Result<Beat, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.registry()?;
        let find =
            |registry: &Registry| registry.check_timer(&check.node, &check.namespace, &check.id);
        let Some(timer) = self.surely(&shard, find).await? else { return Ok(Beat::Unknown) };
        let told = say(&self.shared, &shard, vec![Word::Beat(timer, status)]).await?;
        Ok(match told.first() {
            None | Some(Told::No) => Beat::Unknown,
            Some(told) => told.status().map_or(Beat::Counted, Beat::Stands),
        })
    }

    /// Beats by the numbers that deadlines are known by ([`Registry::check_timer`]), which are the same on
    /// every node and never used twice: all are heard to pass. Only the first
    /// [`Self::BEATS_TOGETHER`] are heard and answered.
    ///
    /// # Errors
    /// No leader, timeout; then any of them may count or not.
    pub async fn beats(&self, keyspace: KeyspaceId, timers: &[u64]) -> Result<Vec<Beat>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.registry()?;
        let timers = timers.iter().take(Self::BEATS_TOGETHER);
        let words = timers.map(|timer| Word::Beat(TimerId(*timer), Status::Passing)).collect();
        let told = say(&self.shared, &shard, words).await?;
        let beat = |told: Told| match told {
            Told::No => Beat::Unknown,
            told => told.status().map_or(Beat::Counted, Beat::Stands),
        };
        Ok(told.into_iter().map(beat).collect())
    }

    /// Beats heard with one call.
    pub const BEATS_TOGETHER: usize = WORDS_TOGETHER;

    /// Something that is told what becomes of services. `label` is what it is called for whoever looks
    /// who is told what.
    ///
    /// # Errors
    /// As [`Self::registry`].
    pub async fn subscriptions(
        &self,
        keyspace: KeyspaceId,
        label: &str,
    ) -> Result<Subscriptions, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.registry()?;
        Ok(Subscriptions::new(Arc::clone(&self.shared), shard, label))
    }

    /// Who is pushed what of a service on this node; `None` if nobody subscribes to it here.
    #[must_use]
    pub fn audit(&self, keyspace: KeyspaceId, service: &ServiceName) -> Option<Audit> {
        let shard = self.shard(keyspace).ok()?;
        shard.registry.as_ref()?.audit(service)
    }

    /// Renews a session on the leader's clock; `None` if it is not there, or its end is under way.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn renew_session(
        &self,
        keyspace: KeyspaceId,
        id: &str,
    ) -> Result<Option<Arc<Session>>, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.registry()?;
        let find = |registry: &Registry| registry.session(id).value;
        let Some(session) = self.surely(&shard, find).await? else { return Ok(None) };
        if session.ttl_ms == 0 {
            // It does not end by time; whether it ended otherwise, a quorum knows.
            read::by_round(&self.shared, &shard).await?;
            return Ok(self.ask_here(&shard, find)?.0);
        }
        let told = say(&self.shared, &shard, vec![Word::Renew(session.timer)]).await?;
        Ok((told.first() == Some(&Told::Yes)).then_some(session))
    }

    /// Whether a key was let go by a session that was lost a moment ago, so that nobody may lock it yet.
    ///
    /// # Errors
    /// No leader, timeout.
    pub async fn lock_is_delayed(&self, keyspace: KeyspaceId, key: Bytes) -> Result<bool, Fault> {
        let shard = self.ready_shard(keyspace).await?;
        shard.registry()?;
        let told = say(&self.shared, &shard, vec![Word::Lock(key)]).await?;
        Ok(told.first() == Some(&Told::No))
    }

    /// What this node's copy has; what it has not, a copy that is no older than this call.
    async fn surely<T>(
        &self,
        shard: &Arc<Shard>,
        find: impl Fn(&Registry) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        if let (Some(found), _) = self.ask_here(shard, &find)? {
            return Ok(Some(found));
        }
        read::by_round(&self.shared, shard).await?;
        Ok(self.ask_here(shard, &find)?.0)
    }

    /// Services that fell silent more than they may at once, as the leader's clock has it: how many
    /// checks are held back, and of how many. Empty on other nodes.
    #[must_use]
    pub fn held_back(&self, keyspace: KeyspaceId) -> Vec<(ServiceName, usize, u32)> {
        let shard = self.shard(keyspace).ok();
        let share = shard.as_ref().and_then(|shard| shard.registry.as_ref());
        share.map(|share| share.clock.held()).unwrap_or_default()
    }

    /// What the registry takes up on this node beside its copy; `None` where there is none yet.
    #[must_use]
    pub fn registry_load(&self) -> Option<RegistryLoad> {
        let find =
            |directory: &state::directory::Directory| Some(directory.keyspace_named(MACHINE)?.id);
        let shard = self.shard(self.shared.with_directory(find)?).ok()?;
        Some(shard.registry.as_ref()?.load())
    }
}
