//! A keyspace as it was before, with what came since put over it.

use std::cmp::Ordering;
use std::iter::Peekable;

use bytes::Bytes;
use state::beginning::changes;
use types::RegionId;

use super::super::contents::KeyspaceFound;
use super::super::error::Error;
use super::parts::{Part, Parts};

/// The records of a keyspace, in the order of their keys.
pub(super) type Stream<'a> = Box<dyn Iterator<Item = Result<(Bytes, Bytes), Error>> + 'a>;

/// Both at once, record by record: neither is in memory.
pub(super) struct Overlay<'a> {
    before: Peekable<Stream<'a>>,
    now: Peekable<Parts<'a>>,
    name: &'a str,
    region: Option<RegionId>,
    /// Versions up to this revision are still there, though nothing names them.
    all_up_to: Option<i64>,
    /// What was out of reach before may be missing there: each copy sweeps in its own time.
    swept_up_to: i64,
    /// The key that came last from `now`.
    last: Option<Bytes>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(
        before: Stream<'a>,
        older: &KeyspaceFound,
        now: Parts<'a>,
        found: &KeyspaceFound,
        name: &'a str,
    ) -> Self {
        let since = found.since.filter(|since| !since.listed);
        Self {
            before: before.peekable(),
            now: now.peekable(),
            name,
            region: found.region,
            all_up_to: since.map(|since| since.revision),
            swept_up_to: if found.region.is_some() { older.compacted } else { 0 },
            last: None,
        }
    }

    /// Which of both comes next; [`Ordering::Equal`] if they are of the same key.
    fn first(&mut self) -> Option<Ordering> {
        match (self.before.peek(), self.now.peek()) {
            (None, None) => None,
            (Some(Err(_)), _) | (Some(_), None) => Some(Ordering::Less),
            (_, Some(Err(_))) | (None, Some(_)) => Some(Ordering::Greater),
            (Some(Ok((before, _))), Some(Ok(Part::Came(now, _) | Part::Stayed(now)))) => {
                Some(before.cmp(now))
            }
        }
    }

    fn stays(&self, key: &Bytes) -> bool {
        let at = changes::version_at(key);
        self.all_up_to.is_some_and(|all| at.is_some_and(|at| at.get() <= all))
    }

    fn step(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        loop {
            let Some(first) = self.first() else { return Ok(None) };
            let before = if first.is_le() { self.before.next().transpose()? } else { None };
            let now = if first.is_ge() { self.now.next().transpose()? } else { None };
            match &now {
                Some(Part::Came(key, _) | Part::Stayed(key)) => self.goes_on(key)?,
                None => {}
            }
            match (before, now) {
                (Some((key, older)), Some(Part::Came(_, value))) => {
                    let is_progress =
                        self.region.is_some_and(|region| changes::is_progress(region, &key));
                    let value =
                        if is_progress { changes::with_older(&value, &older)? } else { value };
                    return Ok(Some((key, value)));
                }
                (Some(record), Some(Part::Stayed(_))) => return Ok(Some(record)),
                (Some((key, value)), None) if self.stays(&key) => return Ok(Some((key, value))),
                (None, Some(Part::Came(key, value))) => return Ok(Some((key, value))),
                (None, Some(Part::Stayed(key))) => self.was_swept(&key)?,
                // It is gone.
                (_, None) => {}
            }
        }
    }

    /// Keys of one stream come in order, but not those of blocks among them.
    fn goes_on(&mut self, key: &Bytes) -> Result<(), Error> {
        match self.last.replace(key.clone()).is_none_or(|last| last < *key) {
            true => Ok(()),
            false => Err(Error::Record(format!("{key:?} is not in its order")).in_file(self.name)),
        }
    }

    fn was_swept(&self, key: &Bytes) -> Result<(), Error> {
        match changes::version_at(key).is_some_and(|at| at.get() <= self.swept_up_to) {
            true => Ok(()),
            false => Err(Error::Unfit(format!(
                "{} says that the record {key:?} is as it was before, and no file before it has that record. \
                 Take a full backup",
                self.name
            ))),
        }
    }
}

impl Iterator for Overlay<'_> {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
