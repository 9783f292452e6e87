use bytes::Bytes;

use crate::Error;

/// Places of a semaphore: who waits reads as many keys as it has.
const SLOTS: u32 = 1_000;
/// How long a holder that is gone holds, unless it is said otherwise.
const TTL_SECONDS: i64 = 10;

/// What is to be held.
///
/// Those of one name stand in one line, `NAME/`, as etcd's own locks and elections do: an exclusive lock here
/// and one of `etcdctl lock` exclude each other. A name is for one use: locks (exclusive and shared), a
/// semaphore, or an election.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lock {
    pub(super) name: Bytes,
    pub(super) kind: Kind,
    pub(super) ttl_seconds: i64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Exclusive,
    Shared,
    Slot(u32),
    Leader(Bytes),
}

impl Lock {
    /// A lock that one holds at a time: nobody else, shared or not.
    pub fn exclusive(name: impl Into<Bytes>) -> Self {
        Self::new(name.into(), Kind::Exclusive)
    }

    /// A lock that many hold at a time, and nobody exclusively meanwhile. Who wants it exclusively waits for
    /// those who came before, and those who come after for that one: neither side starves.
    pub fn shared(name: impl Into<Bytes>) -> Self {
        Self::new(name.into(), Kind::Shared)
    }

    /// One of so many `slots` of a semaphore, 1 to 1,000. All who use it must say the same number.
    pub fn slot(name: impl Into<Bytes>, slots: u32) -> Self {
        Self::new(name.into(), Kind::Slot(slots))
    }

    /// To lead the election `name`, with a `value` that others can read.
    pub fn leader(name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::new(name.into(), Kind::Leader(value.into()))
    }

    fn new(name: Bytes, kind: Kind) -> Self {
        Self { name, kind, ttl_seconds: TTL_SECONDS }
    }

    /// How long it stays with a holder that is gone, and how long a holder has until it must have reached a
    /// server again, in seconds; 10 if it is not said.
    #[must_use]
    pub fn ttl_seconds(mut self, seconds: i64) -> Self {
        self.ttl_seconds = seconds;
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.kind {
            Kind::Slot(slots) if !(1..=SLOTS).contains(&slots) => {
                Err(Error::Setting(format!("a semaphore has 1 to {SLOTS} slots, not {slots}")))
            }
            _ => Ok(()),
        }
    }
}
