use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use proto::v3electionpb as election;
use proto::v3electionpb::election_client::ElectionClient;
use proto::v3lockpb as pb;
use proto::v3lockpb::lock_client::LockClient;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::held::HeldLock;
use super::wanted::{Kind, Lock};
use crate::call::back_off;
use crate::{Client, Error, Get};

impl Client {
    /// Waits for the lock `name` and takes it, with a lease of `ttl_seconds` that is kept alive. Who waits is
    /// woken when it is its turn. In a sharded keyspace there are none, for lack of leases.
    ///
    /// # Errors
    /// `limit` passed; no answer; the lease was lost while waiting.
    pub async fn lock(
        &self,
        name: impl Into<Bytes>,
        ttl_seconds: i64,
        limit: Duration,
    ) -> Result<HeldLock, Error> {
        let lock = Lock::exclusive(name).ttl_seconds(ttl_seconds);
        let held = self.hold(&lock, sleep(limit)).await?;
        held.ok_or(Error::TimedOut { after: limit, outcome_unknown: false, last: None })
    }

    /// Waits until it can hold `lock`, and holds it then; `None` if `give_up` ended before that. Then its
    /// place in the line is given up, too.
    ///
    /// # Errors
    /// What is wanted makes no sense; no answer; the lease was lost while waiting.
    pub async fn hold(
        &self,
        lock: &Lock,
        give_up: impl Future<Output = ()>,
    ) -> Result<Option<HeldLock>, Error> {
        lock.check()?;
        let mut give_up = pin!(give_up);
        let lease = tokio::select! {
            biased;
            granted = self.grant_lease(lock.ttl_seconds, 0) => granted?.id,
            () = give_up.as_mut() => return Ok(None),
        };
        let mut kept = self.keep_lease(lease);
        let taken = tokio::select! {
            biased;
            taken = self.take(lock, lease) => taken.map(Some),
            lost = kept.lost() => Err(lost),
            () = give_up => Ok(None),
        };
        if let Ok(Some((key, fence))) = taken {
            return Ok(Some(HeldLock { client: self.clone(), key, fence, lease, kept }));
        }
        drop(kept);
        // With it the place in the line goes.
        drop(self.revoke_lease(lease).await);
        taken.map(|_| None)
    }

    /// Answers the key and the revision that made it, once it is its turn.
    async fn take(&self, lock: &Lock, lease: i64) -> Result<(Bytes, i64), Error> {
        let name = lock.name.clone();
        match &lock.kind {
            Kind::Shared => self.take_shared(&name, lease).await,
            Kind::Slot(slots) => self.take_slot(&name, *slots, lease).await,
            Kind::Exclusive => {
                let ask = |channel, request| async move {
                    let answer = LockClient::new(channel).lock(request).await?;
                    Ok(answer.map(|answer| answer.key))
                };
                let key = self.patiently(pb::LockRequest { name, lease }, ask).await?;
                let found = self.get(Get::key(key.clone())).await?;
                let fence = found.kvs.first().map(|kv| kv.create_revision);
                let fence = fence.ok_or(Error::Malformed("a lock without a key"))?;
                Ok((key, fence))
            }
            Kind::Leader(value) => {
                let value = value.clone();
                let ask = |channel, request| async move {
                    let answer = ElectionClient::new(channel).campaign(request).await?;
                    Ok(answer.map(|answer| answer.leader))
                };
                let message = election::CampaignRequest { name, lease, value };
                let leader = self.patiently(message, ask).await?;
                let leader = leader.ok_or(Error::Malformed("a leader without a key"))?;
                Ok((leader.key, leader.rev))
            }
        }
    }

    /// Asks for as long as it takes: under the same lease, it is the same place in the line, however often it
    /// is asked.
    async fn patiently<M: Clone, A, F>(
        &self,
        message: M,
        ask: impl Fn(Channel, Request<M>) -> F,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut round = 0;
        loop {
            let (place, endpoint, channel) = self.shared.endpoints.current();
            let asked = async {
                let request = self.named(&channel, message.clone()).await?;
                ask(channel.clone(), request).await
            };
            match asked.await.map_err(|status| Error::of_call(endpoint, &status)) {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(error) if crate::watch::passes(&error) => {
                    self.shared.endpoints.leave(place);
                    sleep(back_off(round)).await;
                    round += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
