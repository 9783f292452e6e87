//! Numbers of writes, by which servers know one that is sent again: whichever of them it reaches, it is
//! carried out once (Raft dissertation, 6.3).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tonic::metadata::MetadataMap;

/// Numbered writes of a client that are under way at once; more wait.
const AT_ONCE: usize = 1_024;
/// How far a number may be from the first that is open; more wait for that one. Servers keep as many
/// answers.
const APART: u64 = types::limits::SESSION_OUTCOMES as u64;

/// A write's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Number {
    client: u64,
    sequence: u64,
    acknowledged: u64,
}

impl Number {
    /// Says it beside a request; `again` if the request was sent before.
    pub(crate) fn say(self, metadata: &mut MetadataMap, again: bool) {
        let Self { client, sequence, acknowledged } = self;
        let again = if again { ".again" } else { "" };
        if let Ok(value) = format!("{client}.{sequence}.{acknowledged}{again}").parse() {
            metadata.insert("hiraeth-number", value);
        }
    }
}

/// The numbers a client gave.
pub(crate) struct Numbers {
    client: u64,
    keyspaces: Mutex<BTreeMap<Option<String>, Given>>,
    permits: Arc<Semaphore>,
    /// A number is done with.
    done: Notify,
}

#[derive(Default)]
struct Given {
    last: u64,
    /// Those that may be sent again.
    open: BTreeSet<u64>,
}

/// Keeps a number open: as long as it lives, servers remember what became of it.
pub(crate) struct Open<'a> {
    numbers: &'a Numbers,
    keyspace: Option<String>,
    pub(crate) number: Number,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Numbers {
    fn default() -> Self {
        // Seeded by the system, differently each time.
        let client = RandomState::new().build_hasher().finish();
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        Self { client, keyspaces: Mutex::default(), permits, done: Notify::new() }
    }
}

impl Numbers {
    /// The next number in a keyspace.
    pub(crate) async fn next(&self, keyspace: Option<&String>) -> Open<'_> {
        let keyspace = keyspace.cloned();
        let (number, permit) = loop {
            let done = self.done.notified();
            // It is never closed.
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            if let Some(number) = self.give(keyspace.as_ref()) {
                break (number, permit);
            }
            // Not with a permit: other keyspaces are not to wait for this one.
            drop(permit);
            done.await;
        };
        Open { numbers: self, keyspace, number, _permit: permit }
    }

    fn give(&self, keyspace: Option<&String>) -> Option<Number> {
        let mut keyspaces = self.keyspaces.lock().unwrap_or_else(PoisonError::into_inner);
        let given = keyspaces.entry(keyspace.cloned()).or_default();
        let sequence = given.last + 1;
        let first = given.open.first().copied().unwrap_or(sequence);
        // A server that has no session takes who comes with the first number for one that had none before:
        // so nothing else may have been carried out when that comes.
        let is_alone = first == 1 && sequence > 1;
        if is_alone || sequence - first >= APART {
            return None;
        }
        given.last = sequence;
        given.open.insert(sequence);
        Some(Number { client: self.client, sequence, acknowledged: first - 1 })
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let keyspaces = &self.numbers.keyspaces;
        let mut keyspaces = keyspaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(given) = keyspaces.get_mut(&self.keyspace) {
            given.open.remove(&self.number.sequence);
        }
        drop(keyspaces);
        self.numbers.done.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::{APART, Numbers};

    /// A server refuses a number that is so far from the first it keeps.
    #[tokio::test]
    async fn a_number_far_from_the_first_open_one_waits_for_it() {
        let numbers = Numbers::default();
        drop(numbers.next(None).await);
        let first = numbers.next(None).await;
        for _ in 1..APART {
            drop(numbers.next(None).await);
        }
        let mut next = std::pin::pin!(numbers.next(None));
        assert!(futures::poll!(&mut next).is_pending());
        drop(numbers.next(Some(&"other".to_owned())).await);
        assert!(futures::poll!(&mut next).is_pending());
        drop(first);
        let next = next.await;
        assert_eq!((next.number.sequence, next.number.acknowledged), (APART + 2, APART + 1));
    }

    /// Were the second carried out before the first came, and its session dropped, the first would begin
    /// another one, in which the second is new.
    #[tokio::test]
    async fn the_first_number_of_a_keyspace_is_out_alone() {
        let numbers = Numbers::default();
        let first = numbers.next(None).await;
        let mut second = std::pin::pin!(numbers.next(None));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        let second = second.await;
        assert_eq!((second.number.sequence, second.number.acknowledged), (2, 1));
        assert_eq!(numbers.next(None).await.number.sequence, 3);
    }

    #[tokio::test]
    async fn numbers_go_up_in_each_keyspace_and_the_oldest_open_one_is_not_done_with() {
        let numbers = Numbers::default();
        let other = "other".to_owned();
        let first = numbers.next(None).await;
        assert_eq!((first.number.sequence, first.number.acknowledged), (1, 0));
        assert_eq!(numbers.next(Some(&other)).await.number.sequence, 1);
        drop(first);
        let [second, third] = [numbers.next(None).await, numbers.next(None).await];
        assert_eq!((second.number.sequence, second.number.acknowledged), (2, 1));
        assert_eq!((third.number.sequence, third.number.acknowledged), (3, 1));
        drop(third);
        let fourth = numbers.next(None).await;
        assert_eq!((fourth.number.sequence, fourth.number.acknowledged), (4, 1));
        drop((second, fourth));
        let fifth = numbers.next(None).await;
        assert_eq!((fifth.number.sequence, fifth.number.acknowledged), (5, 4));
        let mut metadata = tonic::metadata::MetadataMap::new();
        fifth.number.say(&mut metadata, true);
        let said = metadata.get("hiraeth-number").unwrap().to_str().unwrap();
        assert_eq!(said, format!("{}.5.4.again", numbers.client));
    }
}
