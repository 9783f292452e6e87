use bytes::Bytes;
use types::Code;

use crate::{Client, Compare, Error, KeptLease, Relation};

/// Something that is held, until it is given back or lost. Dropping it lets its lease run out.
pub struct HeldLock {
    pub(super) client: Client,
    pub(super) key: Bytes,
    pub(super) fence: i64,
    pub(super) lease: i64,
    pub(super) kept: KeptLease,
}

impl HeldLock {
    /// The key that exists as long as it is held.
    #[must_use]
    pub fn key(&self) -> &Bytes {
        &self.key
    }

    /// The fencing token: higher for every later holder. Whoever is written to under the lock refuses a lower
    /// one than it has seen. Of a shared lock and of a semaphore there are several at a time.
    #[must_use]
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Holds in a transaction as long as this is held: so a holder that was paused, and does not know that it
    /// lost it, changes nothing.
    #[must_use]
    pub fn guard(&self) -> Compare {
        Compare::create_revision(self.key.clone(), Relation::Equal, self.fence)
    }

    /// Answers when it is lost, with the reason: its lease could not be renewed in time, or somebody deleted
    /// its key.
    pub async fn lost(&mut self) -> Error {
        let Self { client, key, fence, kept, .. } = self;
        tokio::select! {
            biased;
            lost = kept.lost() => lost,
            gone = client.until_gone(key, *fence) => gone.err().unwrap_or_else(|| Error::Server {
                code: Code::KeyNotFound,
                message: "hiraeth: the key that is held by was deleted".to_owned(),
            }),
        }
    }

    /// Gives it back; what was lost before is given back, too. From here on its lease is not renewed.
    ///
    /// # Errors
    /// No answer: then it is free when its lease has run out.
    pub async fn unlock(self) -> Result<(), Error> {
        let Self { client, lease, kept, .. } = self;
        drop(kept);
        // The key goes with its lease.
        client.end_lease(lease).await
    }
}
