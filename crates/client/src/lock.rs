//! Locks that go from hand to hand in the order of asking.

use bytes::Bytes;
use proto::v3lockpb as pb;
use proto::v3lockpb::lock_client::LockClient;
use tokio::time::sleep;

use crate::call::{Repeat, back_off};
use crate::{Client, Compare, Error, Get, KeptLease, Relation};

/// A lock that is held, until it is given back or its lease is lost. Dropping it lets the lease run out.
pub struct HeldLock {
    client: Client,
    key: Bytes,
    fence: i64,
    lease: i64,
    kept: KeptLease,
}

impl Client {
    /// Waits for the lock `name` and takes it, with a lease of `ttl_seconds` that is kept alive. Who waits is
    /// woken by the server when it is its turn. In a sharded keyspace there are none, for lack of leases.
    ///
    /// # Errors
    /// `limit` passed; no answer; the lease was lost while waiting.
    pub async fn lock(
        &self,
        name: impl Into<Bytes>,
        ttl_seconds: i64,
        limit: std::time::Duration,
    ) -> Result<HeldLock, Error> {
        let name = name.into();
        let lease = self.grant_lease(ttl_seconds, 0).await?.id;
        let mut kept = self.keep_lease(lease);
        let taken = tokio::select! {
            taken = tokio::time::timeout(limit, self.take_lock(name, lease)) => match taken {
                Ok(taken) => taken,
                Err(_) => {
                    Err(Error::TimedOut { after: limit, outcome_unknown: false, last: None })
                }
            },
            lost = kept.lost() => Err(lost),
        };
        match taken {
            Ok((key, fence)) => Ok(HeldLock { client: self.clone(), key, fence, lease, kept }),
            Err(error) => {
                drop(kept);
                // With it the place in the line goes.
                drop(self.revoke_lease(lease).await);
                Err(error)
            }
        }
    }

    /// Asked again under the same lease, it is the same place in the line: so it may be asked again.
    async fn take_lock(&self, name: Bytes, lease: i64) -> Result<(Bytes, i64), Error> {
        let mut round = 0;
        loop {
            let (place, endpoint, channel) = self.shared.endpoints.current();
            let message = pb::LockRequest { name: name.clone(), lease };
            let failed = |status| Error::of_call(endpoint, &status);
            let taken = async {
                let request = self.named(&channel, message).await?;
                LockClient::new(channel.clone()).lock(request).await
            };
            match taken.await.map_err(failed) {
                Ok(answer) => {
                    let key = answer.into_inner().key;
                    let found = self.get(Get::key(key.clone())).await?;
                    let fence = found.kvs.first().map(|kv| kv.create_revision);
                    return fence
                        .map(|fence| (key, fence))
                        .ok_or(Error::Malformed("a lock without a key"));
                }
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

impl HeldLock {
    /// The key that exists as long as the lock is held.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The fencing token: higher for every later holder of the lock. Whoever is written to under the lock
    /// refuses a lower one than it has seen.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Holds in a transaction as long as the lock is held: so a holder that was paused, and does not know
    /// that it lost the lock, changes nothing.
    #[must_use]
    pub fn guard(&self) -> Compare {
        Compare::create_revision(self.key.clone(), Relation::Equal, self.fence)
    }

    /// Answers when the lock is lost, with the reason.
    pub async fn lost(&mut self) -> Error {
        self.kept.lost().await
    }

    /// Gives it back.
    ///
    /// # Errors
    /// No answer: then it is free when its lease has run out.
    pub async fn unlock(self) -> Result<(), Error> {
        let Self { client, key, lease, kept, .. } = self;
        let message = pb::UnlockRequest { key };
        let unlocked = client.call(Repeat::Always, message, |channel, request| async move {
            LockClient::new(channel).unlock(request).await
        });
        let unlocked = unlocked.await.map(drop);
        drop(kept);
        unlocked?;
        client.revoke_lease(lease).await
    }
}
