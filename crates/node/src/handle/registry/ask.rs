//! Questions, and waiting for another answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures::future::{select_all, try_join_all};
use state::registry::query::Indexed;
use state::registry::{Held, Registries, Registry, ServiceName};
use tokio::sync::futures::Notified;
use tokio::time::{Instant, timeout_at};
use types::{Code, Fault, KeyspaceId, Revision};

use super::super::Handle;
use crate::answer::{Answer, Consistency, Header};
use crate::registry::{Audit, RegistryLoad, Scope, Subscriptions, Topic};
use crate::shard::Shard;
use crate::{Age, read};

impl Handle {
    /// Asks this node's copy of a registry, once it is as fresh as asked for. Works on memory, under a
    /// lock that holds up changes: answers are to be taken along, and made into something later. Of a sharded
    /// registry only what lies in `scope` is there to be asked.
    ///
    /// # Errors
    /// No leader, timeout; `TooStale`; `Unsupported` for a keyspace that is no registry.
    pub async fn registry<T>(
        &self,
        keyspace: KeyspaceId,
        scope: &Scope,
        consistency: Consistency,
        ask: impl FnOnce(Registries<'_>) -> T + Send,
    ) -> Result<Answer<T>, Fault> {
        let shards = self.scoped(keyspace, scope).await?;
        let confirmed = self.confirm_all(&shards, consistency).await?;
        let (body, header) = self.ask_here(&shards, ask)?;
        Ok(Answer { header: Header { age: confirmed, ..header }, body })
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
        ask: impl Fn(Registries<'_>) -> Indexed<T> + Send,
    ) -> Result<Answer<Indexed<T>>, Fault> {
        let deadline = Instant::now() + patience;
        let shards = self.scoped(keyspace, &Scope::from(&topic)).await?;
        let mut listeners = Vec::with_capacity(shards.len());
        for shard in &shards {
            listeners.push(shard.registry()?.waits.listen(topic.clone())?);
        }
        loop {
            let mut next: Vec<Pin<Box<Notified<'_>>>> =
                listeners.iter().map(|listener| Box::pin(listener.next())).collect();
            for next in &mut next {
                next.as_mut().enable();
            }
            for shard in &shards {
                shard.broken()?;
            }
            let (body, header) = self.ask_here(&shards, &ask)?;
            let is_closed = listeners.iter().any(|listener| listener.is_closed());
            if body.index > after || is_closed {
                return Ok(Answer { header, body });
            }
            tokio::select! {
                biased;
                woken = timeout_at(deadline, select_all(next)) => {
                    if woken.is_err() {
                        return Ok(Answer { header, body });
                    }
                    self.shared.meters.woken.add(1);
                }
                () = self.shared.ended() => return Err(Code::ShuttingDown.into()),
            }
        }
    }

    /// What has to be looked at.
    async fn scoped(&self, keyspace: KeyspaceId, scope: &Scope) -> Result<Vec<Arc<Shard>>, Fault> {
        let one = match (scope, self.sharded_registry(keyspace)) {
            (Scope::Whole, Some(_)) => return self.registry_shards(keyspace).await,
            (Scope::Service(service), Some(parts)) => parts.at(parts.number_of(service)),
            _ => None,
        };
        Ok(vec![self.registry_shard(one.unwrap_or(keyspace)).await?])
    }

    /// Has copies be as fresh as asked for; answers the age of the oldest, if they may be old.
    pub(super) async fn confirm_all(
        &self,
        shards: &[Arc<Shard>],
        consistency: Consistency,
    ) -> Result<Option<Age>, Fault> {
        let confirm = |shard| read::confirm(&self.shared, shard, consistency);
        if let [shard] = shards {
            return confirm(shard).await;
        }
        let ages = try_join_all(shards.iter().map(|shard| confirm(shard))).await?;
        Ok(ages.into_iter().flatten().reduce(older))
    }

    /// How old this node's copy of a keyspace is, and whether a leader is known.
    ///
    /// # Errors
    /// As [`Self::registry`].
    pub fn registry_age(&self, keyspace: KeyspaceId) -> Result<Age, Fault> {
        let age = |keyspace| Ok::<_, Fault>(read::age(&self.shared, &*self.shard(keyspace)?));
        let mut oldest = age(keyspace)?;
        if let Some(parts) = self.sharded_registry(keyspace) {
            for shard in &parts.shards {
                oldest = older(oldest, age(*shard)?);
            }
        }
        Ok(oldest)
    }

    /// Asks copies as they are: the first is the registry's home, or all that is asked.
    pub(super) fn ask_here<T>(
        &self,
        shards: &[Arc<Shard>],
        ask: impl FnOnce(Registries<'_>) -> T,
    ) -> Result<(T, Header), Fault> {
        if let [shard] = shards {
            let machine = shard.machine.read();
            let Some(registry) = machine.registry() else {
                shard.broken()?;
                return Err(Code::Unsupported.into());
            };
            let body = ask(registry.into());
            return Ok((body, self.header_at(shard, machine.revision())));
        }
        let parts: Vec<Part<'_>> = shards.iter().map(|shard| Part::of(shard)).collect();
        let held: Vec<&dyn Held> = parts.iter().map(|part| part as &dyn Held).collect();
        let [home, more @ ..] = &*held else { return Err(Code::Unsupported.into()) };
        let body = ask(Registries::new(*home, more));
        for part in &parts {
            part.was_there()?;
        }
        let [home, ..] = &*parts else { return Err(Code::Unsupported.into()) };
        Ok((body, self.header_at(home.shard, home.seen())))
    }

    /// Asks, as it is here, the registry that a copy is a part of.
    pub(crate) fn look_around<T>(
        &self,
        part: &Arc<Shard>,
        ask: impl FnOnce(Registries<'_>) -> T,
    ) -> Option<T> {
        let parts = self.shared.registry_parts();
        let whole = parts.filter(|parts| parts.all().any(|it| it == part.record.keyspace));
        let shards = match whole {
            None => vec![Arc::clone(part)],
            Some(parts) => {
                let shards = parts.all().map(|part| self.shard(part).ok());
                shards.collect::<Option<Vec<_>>>()?
            }
        };
        Some(self.ask_here(&shards, ask).ok()?.0)
    }

    /// What this node's copies have; what they have not, copies that are no older than this call.
    pub(super) async fn surely<T>(
        &self,
        shards: &[Arc<Shard>],
        find: impl Fn(Registries<'_>) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        if let (Some(found), _) = self.ask_here(shards, &find)? {
            return Ok(Some(found));
        }
        try_join_all(shards.iter().map(|shard| read::by_round(&self.shared, shard))).await?;
        Ok(self.ask_here(shards, &find)?.0)
    }

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
        let shards = self.registry_shards(keyspace).await?;
        Ok(Subscriptions::new(Arc::clone(&self.shared), shards, label))
    }

    /// Who is pushed what of a service on this node; `None` if nobody subscribes to it here.
    #[must_use]
    pub fn audit(&self, keyspace: KeyspaceId, service: &ServiceName) -> Option<Audit> {
        let parts = self.sharded_registry(keyspace);
        let at = parts.and_then(|parts| parts.at(parts.number_of(service)));
        let shard = self.shard(at.unwrap_or(keyspace)).ok()?;
        shard.registry.as_ref()?.audit(service)
    }

    /// Services that fell silent more than they may at once, as the leader's clock has it: how many
    /// checks are held back, and of how many. Empty on other nodes.
    #[must_use]
    pub fn held_back(&self, keyspace: KeyspaceId) -> Vec<(ServiceName, usize, u32)> {
        let held = |shard: &Arc<Shard>| shard.registry.as_ref().map(|share| share.clock.held());
        self.registry_here(keyspace).iter().filter_map(held).flatten().collect()
    }

    /// What the registry takes up on this node beside its copy; `None` where there is none yet.
    #[must_use]
    pub fn registry_load(&self) -> Option<RegistryLoad> {
        let home = self.shared.registry_parts()?.home;
        let all = self.registry_here(home);
        all.iter()
            .filter_map(|shard| Some(shard.registry.as_ref()?.load()))
            .reduce(RegistryLoad::and)
    }

    /// The parts that are on this node now.
    fn registry_here(&self, keyspace: KeyspaceId) -> Vec<Arc<Shard>> {
        let parts = self.sharded_registry(keyspace);
        let shards = parts.iter().flat_map(|parts| parts.shards.iter().copied());
        let all = std::iter::once(keyspace).chain(shards);
        all.filter_map(|keyspace| self.shard(keyspace).ok()).collect()
    }
}

/// A copy that is looked at together with others. Appliers hold several at once, in any order: so whoever
/// looks holds one at a time.
struct Part<'a> {
    shard: &'a Shard,
    is_missing: AtomicBool,
    /// The revision at the last look.
    seen: AtomicI64,
}

impl<'a> Part<'a> {
    fn of(shard: &'a Shard) -> Self {
        Self { shard, is_missing: AtomicBool::new(false), seen: AtomicI64::new(0) }
    }

    fn was_there(&self) -> Result<(), Fault> {
        if self.is_missing.load(Ordering::Relaxed) {
            self.shard.broken()?;
            return Err(Code::Unsupported.into());
        }
        Ok(())
    }

    /// The revision that it was looked at last, or has if nobody looked.
    fn seen(&self) -> Revision {
        match self.seen.load(Ordering::Relaxed) {
            0 => self.shard.revision(),
            seen => Revision(seen),
        }
    }
}

impl Held for Part<'_> {
    fn show(&self, look: &mut dyn FnMut(&Registry)) {
        let machine = self.shard.machine.read();
        match machine.registry() {
            Some(registry) => {
                self.seen.store(machine.revision().get(), Ordering::Relaxed);
                look(registry);
            }
            None => self.is_missing.store(true, Ordering::Relaxed),
        }
    }
}

/// Of two copies that are asked together.
fn older(one: Age, other: Age) -> Age {
    match (one, other) {
        (Age::Known(one), Age::Known(other)) => Age::Known(one.max(other)),
        _ => Age::Unknown,
    }
}
