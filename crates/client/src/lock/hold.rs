use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use types::Code;

use super::held::HeldLock;
use super::wanted::{Kind, Lock};
use crate::{Client, Error, Granted};

/// How long giving up a place is waited for. What takes longer goes on, and the lease ends in any case.
const GIVING_UP: Duration = Duration::from_secs(2);

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
    /// place in the line is given up, too: that is waited for, but for no longer than two seconds.
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
        let id = lease_number();
        let (client, ttl_seconds) = (self.clone(), lock.ttl_seconds);
        // It goes on when it is given up, so that what comes of it can be taken back.
        let mut granting =
            tokio::spawn(async move { client.grant_own_lease(ttl_seconds, id).await });
        let granted = tokio::select! {
            biased;
            granted = &mut granting => {
                granted.unwrap_or(Err(Error::Malformed("the granting task was ended")))
            }
            () = give_up.as_mut() => {
                self.leave(Some(granting), id).await;
                return Ok(None);
            }
        };
        let granted = match granted {
            Ok(granted) => granted,
            // Then it was certainly not made.
            Err(error @ (Error::Unreachable { .. } | Error::Setting(_))) => return Err(error),
            // It is another one's: not to be ended.
            Err(error) if error.code() == Some(Code::LeaseExists) => return Err(error),
            Err(error) => {
                self.leave(None, id).await;
                return Err(error);
            }
        };
        let mut kept = self.keep_granted(&granted);
        let taken = tokio::select! {
            biased;
            lost = kept.lost() => Err(lost),
            taken = self.take(lock, id) => taken.map(Some),
            () = give_up => Ok(None),
        };
        if let Ok(Some((key, fence))) = taken {
            return Ok(Some(HeldLock { client: self.clone(), key, fence, lease: id, kept }));
        }
        drop(kept);
        self.leave(None, id).await;
        taken.map(|_| None)
    }

    /// Ends a lease, once it was granted; the place in the line goes with it.
    async fn leave(&self, granting: Option<JoinHandle<Result<Granted, Error>>>, id: i64) {
        let client = self.clone();
        let left = tokio::spawn(async move {
            if let Some(granting) = granting {
                drop(granting.await);
            }
            client.end_lease(id).await
        });
        drop(timeout(GIVING_UP, left).await);
    }

    /// Answers the key and the revision that made it, once it is its turn.
    async fn take(&self, lock: &Lock, lease: i64) -> Result<(Bytes, i64), Error> {
        let name = &lock.name;
        match &lock.kind {
            Kind::Exclusive => self.take_alone(name, Bytes::new(), lease).await,
            Kind::Leader(value) => self.take_alone(name, value.clone(), lease).await,
            Kind::Shared => self.take_shared(name, lease).await,
            Kind::Slot(slots) => self.take_slot(name, *slots, lease).await,
        }
    }
}

/// A number for a lease that nobody else thinks of: 63 bits, seeded by the system, differently each time.
fn lease_number() -> i64 {
    let number = RandomState::new().build_hasher().finish() >> 1;
    i64::try_from(number).unwrap_or(i64::MAX).max(1)
}
