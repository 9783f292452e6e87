//! Places in a line: docs/protocol.md draws the keys. All is done by transactions and watches under the
//! holder's lease, none of it by the servers' own service for locks: that gives up a place when its client
//! seems to be gone, while the client, which only lost that server, stands in the same place by another one.

use bytes::Bytes;
use proto::mvccpb::KeyValue;
use tokio::time::sleep;
use types::Code;

use crate::call::back_off;
use crate::{
    Client, Compare, Error, Get, Operation, Put, Relation, SortBy, Txn, TxnOutcome, TxnResult,
    Watch,
};

/// How the keys of exclusive holders and candidates begin behind the line's name, as etcd's recipes have it.
const ALONE: &str = "";
/// The same of those who share a lock; those of exclusive holders go on with a digit of a lease's number or a
/// sign, and so come before.
const SHARED: &str = "r";
/// The same of a semaphore's.
const SLOT: &str = "s";
/// What a semaphore's key says behind the number of slots, once its holder knows that it is one.
const HELD: &str = " held";

/// A place in a line.
struct Place {
    key: Bytes,
    /// Who was made at a lower revision came before.
    revision: i64,
}

/// A key of the line `name`, and all that begin like it.
fn key(name: &[u8], kind: &str, lease: i64) -> Bytes {
    let sign = if lease < 0 { "-" } else { "" };
    let own = format!("/{kind}{sign}{:x}", lease.unsigned_abs());
    [name, own.as_bytes()].concat().into()
}

fn prefix(name: &[u8], kind: &str) -> Bytes {
    [name, b"/", kind.as_bytes()].concat().into()
}

/// The one of `keys` that came last before `revision`.
fn last_before(keys: Get, revision: i64) -> Get {
    // 0 would be no bound; nothing is made at revision 1.
    keys.created_between(0, (revision - 1).max(1)).descending(SortBy::Create).limit(1)
}

/// What the read number `at` of a transaction found.
fn found(outcome: &TxnOutcome, at: usize) -> Result<&[KeyValue], Error> {
    match outcome.results.get(at) {
        Some(TxnResult::Get(records)) => Ok(&records.kvs),
        _ => Err(Error::Malformed("a read of a transaction has no result")),
    }
}

/// Whether a watch that ended like this is to be begun anew, from another revision or elsewhere.
fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Compacted { .. }) || crate::watch::passes(error)
}

fn lost() -> Error {
    let message = "hiraeth: the place in the line was lost".to_owned();
    Error::Server { code: Code::KeyNotFound, message }
}

/// How many slots others say there are, and whether this one holds one.
fn said(value: &[u8]) -> Option<(u32, bool)> {
    let text = std::str::from_utf8(value).ok()?;
    let (slots, held) = match text.strip_suffix(HELD) {
        Some(slots) => (slots, true),
        None => (text, false),
    };
    Some((slots.parse().ok()?, held))
}

/// How many slots one says there are that came before `revision`, if not `slots`. Who came later and says
/// something else is told so itself.
fn said_before(line: &[KeyValue], revision: i64, slots: u32) -> Option<u32> {
    let before = line.iter().filter(|kv| kv.create_revision < revision);
    before.filter_map(|kv| said(&kv.value)).map(|(others, _)| others).find(|it| *it != slots)
}

impl Client {
    /// Waits until nobody at all came before.
    pub(super) async fn take_alone(
        &self,
        name: &Bytes,
        value: Bytes,
        lease: i64,
    ) -> Result<(Bytes, i64), Error> {
        let place = self.join(key(name, ALONE, lease), value, lease).await?;
        self.wait_for_all(place, Get::prefix(prefix(name, ALONE))).await
    }

    /// Waits until nobody who wants it exclusively came before.
    pub(super) async fn take_shared(
        &self,
        name: &Bytes,
        lease: i64,
    ) -> Result<(Bytes, i64), Error> {
        let place = self.join(key(name, SHARED, lease), Bytes::new(), lease).await?;
        self.wait_for_all(place, Get::range(prefix(name, ALONE), prefix(name, SHARED))).await
    }

    /// Waits until none of `others` came before, one after the other: so one who goes wakes one.
    async fn wait_for_all(&self, place: Place, others: Get) -> Result<(Bytes, i64), Error> {
        let mut round = 0;
        loop {
            let before = last_before(others.clone().keys_only(), place.revision);
            let seen = self.look(&place, [before]).await?;
            let Some(before) = found(&seen, 1)?.first() else {
                return Ok((place.key, place.revision));
            };
            let watch = Watch::key(before.key.clone()).from_revision(seen.revision + 1).no_puts();
            self.wait(&place, &seen, watch, &mut round).await?;
        }
    }

    /// Waits until fewer than `slots` came before.
    ///
    /// Only the first of those who wait looks at all holders. The others wait for the one before them to go,
    /// or to say that it holds: so one who goes wakes one.
    pub(super) async fn take_slot(
        &self,
        name: &Bytes,
        slots: u32,
        lease: i64,
    ) -> Result<(Bytes, i64), Error> {
        let value = slots.to_string();
        let place = self.join(key(name, SLOT, lease), value.clone().into(), lease).await?;
        let all = || Get::prefix(prefix(name, SLOT));
        let mut round = 0;
        loop {
            let first = all().ascending(SortBy::Create).limit(slots);
            let seen = self.look(&place, [first, last_before(all(), place.revision)]).await?;
            let first = found(&seen, 1)?;
            if let Some(others) = said_before(first, place.revision, slots) {
                return Err(Error::Setting(format!(
                    "the semaphore {:?} has {others} slots for others, and {slots} here",
                    String::from_utf8_lossy(name)
                )));
            }
            if first.iter().any(|kv| kv.key == place.key) {
                self.say(&place, format!("{value}{HELD}"), lease).await?;
                return Ok((place.key, place.revision));
            }
            let before = found(&seen, 2)?.first().ok_or_else(lost)?;
            let from = seen.revision + 1;
            let watch = match said(&before.value) {
                Some((_, false)) => Watch::key(before.key.clone()).from_revision(from),
                _ => Watch::prefix(prefix(name, SLOT)).from_revision(from).no_puts(),
            };
            self.wait(&place, &seen, watch, &mut round).await?;
        }
    }

    /// Goes to the end of the line, or finds the place that the lease has there.
    async fn join(&self, key: Bytes, value: Bytes, lease: i64) -> Result<Place, Error> {
        let txn = Txn::new()
            .when([Compare::create_revision(key.clone(), Relation::Equal, 0)])
            .then([Operation::Put(Put::new(key.clone(), value).lease(lease))])
            .otherwise([Operation::Get(Get::key(key.clone()))]);
        let joined = self.settled(txn).await?;
        let revision = match joined.succeeded {
            true => joined.revision,
            false => found(&joined, 0)?.first().ok_or_else(lost)?.create_revision,
        };
        Ok(Place { key, revision })
    }

    /// Reads, if the place is still there; what is asked for comes behind it.
    async fn look<const N: usize>(
        &self,
        place: &Place,
        reads: [Get; N],
    ) -> Result<TxnOutcome, Error> {
        let own = Get::key(place.key.clone()).keys_only();
        let reads = std::iter::once(own).chain(reads).map(Operation::Get);
        let seen = self.settled(Txn::new().then(reads)).await?;
        let own = found(&seen, 0)?.first();
        match own.is_some_and(|own| own.create_revision == place.revision) {
            true => Ok(seen),
            false => Err(lost()),
        }
    }

    /// Sets the value of a place that is still there.
    async fn say(&self, place: &Place, value: String, lease: i64) -> Result<(), Error> {
        let is_there = Compare::create_revision(place.key.clone(), Relation::Equal, place.revision);
        let put = Operation::Put(Put::new(place.key.clone(), value).lease(lease));
        let said = self.settled(Txn::new().when([is_there]).then([put])).await?;
        if said.succeeded { Ok(()) } else { Err(lost()) }
    }

    /// Waits for something to happen after what was seen, to the own place or elsewhere.
    async fn wait(
        &self,
        place: &Place,
        seen: &TxnOutcome,
        elsewhere: Watch,
        round: &mut u32,
    ) -> Result<(), Error> {
        let own = Watch::key(place.key.clone()).from_revision(seen.revision + 1).no_puts();
        tokio::select! {
            waited = self.wait_for(elsewhere, round) => waited,
            gone = self.until(own) => match gone {
                // Whatever it is, the next look shows it.
                Err(error) if !is_passing(&error) => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Waits for something to happen, or for nothing that could be told of.
    async fn wait_for(&self, watch: Watch, round: &mut u32) -> Result<(), Error> {
        match self.until(watch).await {
            Ok(()) | Err(Error::Compacted { .. }) => *round = 0,
            Err(error) if crate::watch::passes(&error) => {
                sleep(back_off(*round)).await;
                *round += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn until(&self, watch: Watch) -> Result<(), Error> {
        let mut watcher = self.watch(watch).await?;
        while watcher.next().await?.changes.is_empty() {}
        Ok(())
    }

    /// Answers when `key` is not the one made at `revision` any more.
    pub(super) async fn until_gone(&self, key: &Bytes, revision: i64) -> Result<(), Error> {
        let (mut from, mut round) = (revision + 1, 0);
        loop {
            let watch = Watch::key(key.clone()).from_revision(from).no_puts();
            self.wait_for(watch, &mut round).await?;
            let look = Txn::new().then([Operation::Get(Get::key(key.clone()).keys_only())]);
            let seen = self.settled(look).await?;
            let now = found(&seen, 0)?.first();
            if now.is_none_or(|now| now.create_revision != revision) {
                return Ok(());
            }
            from = seen.revision + 1;
        }
    }

    /// A transaction that may be carried out twice, for as long as it takes.
    async fn settled(&self, txn: Txn) -> Result<TxnOutcome, Error> {
        let mut round = 0;
        loop {
            match self.txn_again(txn.clone()).await {
                Err(error) if crate::watch::passes(&error) => {
                    sleep(back_off(round)).await;
                    round += 1;
                }
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::mvccpb::KeyValue;

    use super::{SHARED, SLOT, key, prefix, said, said_before};

    /// docs/protocol.md draws them; other clients may stand in the same lines.
    #[test]
    fn keys_are_as_documented_and_those_of_exclusive_holders_come_first() {
        assert_eq!(key(b"job", SHARED, 0x7f), "job/r7f");
        assert_eq!(key(b"job", SLOT, -2), "job/s-2");
        for exclusive in ["job/0", "job/ffffffffffffffff", "job/-1"] {
            let within = prefix(b"job", "")..prefix(b"job", SHARED);
            assert!(within.contains(&bytes::Bytes::from(exclusive)), "{exclusive}");
            assert!(!within.contains(&key(b"job", SHARED, 1)));
            assert!(!within.contains(&key(b"job", SLOT, 1)));
        }
    }

    /// Else one who is wrong would turn away all who are right and have just come.
    #[test]
    fn who_comes_later_says_nothing_of_how_many_slots_there_are() {
        let line = [(10, "2 held"), (20, "2"), (30, "5")].map(|(create_revision, value)| {
            KeyValue { create_revision, value: value.into(), ..KeyValue::default() }
        });
        assert_eq!(said_before(&line, 20, 2), None);
        assert_eq!(said_before(&line, 30, 5), Some(2));
        assert_eq!(said_before(&line, 40, 2), Some(5));
    }

    #[test]
    fn what_a_semaphores_key_says_is_read_back() {
        assert_eq!(said(b"3"), Some((3, false)));
        assert_eq!(said(b"12 held"), Some((12, true)));
        for nothing in [&b""[..], b"held", b"-1", b"3 is", b"\xff"] {
            assert_eq!(said(nothing), None);
        }
    }
}
