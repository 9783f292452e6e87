//! A full backup, and behind it those that hold what came since the one before: read as the full backup that
//! could have been made in the place of the last one.

mod fit;
mod overlay;
mod parts;
mod records;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Seek};

use bytes::Bytes;
use types::{KeyspaceId, RegionId};

use self::overlay::{Overlay, Stream};
use self::parts::Parts;
use self::records::Records;
use super::collect::Collector;
use super::contents::{Contents, KeyspaceFound, Take};
use super::error::Error;
use super::header::{Begin, DirectorySection, End, KeyspaceSection, Section, ShareSection};
use super::reader::Visit;

/// Files that are read as one: each keeps a file open, and up to a chunk of it in memory.
pub const FILES: usize = 128;

/// What a backup is read from.
pub trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// How a backup is opened: as often as it is asked for, and always at its front.
pub type Open = Box<dyn Fn() -> io::Result<Box<dyn Source>> + Send + Sync>;

/// A backup, and what people know it by.
pub struct File {
    /// Its name.
    pub name: String,
    /// Opens it.
    pub open: Open,
}

struct Layer {
    file: File,
    contents: Contents,
}

/// Holds what the backup called `name` has against the one it was made since.
///
/// # Errors
/// Why it does not go on from there.
pub fn goes_on(before: (&str, &Contents), now: (&str, &Contents)) -> Result<(), Error> {
    let [before, now] = [before, now].map(|(name, contents)| fit::Named { name, contents });
    fit::check(&before, &now, &[])
}

/// Backups that fit one behind the other, each of which is whole.
pub struct Chain {
    layers: Vec<Layer>,
}

impl Chain {
    /// Reads each of them from its front to its end, and holds it against the one before.
    ///
    /// # Errors
    /// What is wrong with one, or between two of them.
    pub fn open(files: Vec<File>) -> Result<Self, Error> {
        if files.len() > FILES {
            return Err(Error::TooMany(files.len()));
        }
        let mut layers = Vec::with_capacity(files.len());
        for file in files {
            let contents = (file.open)().map_err(Error::Io);
            let contents = contents.and_then(|input| Contents::read(input, &mut |_, _, _| Ok(())));
            let contents = contents.map_err(|error| error.in_file(&file.name))?;
            layers.push(Layer { file, contents });
        }
        let chain = Self { layers };
        chain.fits()?;
        Ok(chain)
    }

    fn fits(&self) -> Result<(), Error> {
        let Some(first) = self.layers.first() else { return Err(Error::Foreign) };
        if let Some(since) = &first.contents.begin.since {
            // Whether the one it needs is another one of these decides what is to be done.
            let name = &first.file.name;
            let wanted = self.layers.iter().find(|layer| layer.contents.end.hash == since.hash);
            return Err(match wanted {
                Some(wanted) => fit::order(name, &wanted.file.name),
                None => Error::NotFirst(since.clone()).in_file(name),
            });
        }
        for (at, pair) in self.layers.windows(2).enumerate() {
            let [before, now] = pair else { continue };
            let others = self.layers.iter().enumerate().filter(|(other, _)| *other != at + 1);
            let others: Vec<_> = others.map(|(_, layer)| fit::Named::of(layer)).collect();
            fit::check(&fit::Named::of(before), &fit::Named::of(now), &others)?;
        }
        Ok(())
    }

    /// What is in the last of them alone.
    ///
    /// # Errors
    /// There is none.
    pub fn newest(&self) -> Result<&Contents, Error> {
        self.last().map(|layer| &layer.contents)
    }

    fn last(&self) -> Result<&Layer, Error> {
        self.layers.last().ok_or(Error::Foreign)
    }

    /// What is in the full backup they are read as. Of several, all of it is put together for that.
    ///
    /// # Errors
    /// One of them is no longer as it was; they do not fit in what they hold.
    pub fn contents(&self) -> Result<Contents, Error> {
        match self.layers.as_slice() {
            [only] => Ok(only.contents.clone()),
            _ => self.read(&mut |_, _, _| Ok(())),
        }
    }

    /// Reads it, and shows `take` the records on the way.
    ///
    /// # Errors
    /// As for [`Self::contents`]; what `take` says.
    pub fn read(&self, take: Take<'_>) -> Result<Contents, Error> {
        let mut collector = Collector::new(take);
        let (begin, end) = self.visit(&mut collector)?;
        collector.contents(begin, end)
    }

    /// Shows it to a visitor, keyspace by keyspace in the order of their numbers.
    pub(super) fn visit(&self, visitor: &mut dyn Visit) -> Result<(Begin, End), Error> {
        let last = self.last()?;
        let contents = &last.contents;
        let mut count = Count { visitor, sections: 0, records: 0 };
        let begin = Begin { since: None, ..contents.begin.clone() };
        count.section(&Section::Begin(begin.clone()))?;
        if contents.directory.is_some() {
            let cluster = contents.cluster.clone();
            count.section(&Section::Directory(DirectorySection { cluster }))?;
            for record in Records::open(&last.file, contents.directory_at)?.1 {
                count.record(record?)?;
            }
        }
        for found in &contents.keyspaces {
            match found.region {
                Some(region) => self.ordered(found, region, &mut count)?,
                None => self.sharded(found, &mut count)?,
            }
        }
        let Count { sections, records, .. } = count;
        Ok((begin, End { sections, records, hash: contents.end.hash.clone() }))
    }

    fn ordered(
        &self,
        found: &KeyspaceFound,
        region: RegionId,
        to: &mut Count<'_>,
    ) -> Result<(), Error> {
        to.section(&Section::Keyspace(KeyspaceSection {
            keyspace: found.id.get(),
            name: found.name.clone(),
            region: region.get(),
            machine: found.machine.clone(),
            revision: found.revision,
            compacted: found.compacted,
            since: None,
        }))?;
        self.keyspace(self.layers.len(), found.id)?.try_for_each(|record| to.record(record?))
    }

    fn sharded(&self, found: &KeyspaceFound, to: &mut Count<'_>) -> Result<(), Error> {
        let mut records = self.keyspace(self.layers.len(), found.id)?.peekable();
        for share in &found.shares {
            let section = ShareSection::new(found.id, &found.name, &share.range, share.revision);
            to.section(&Section::Share(section))?;
            let (_, end) = state::keys::data_range(found.id, &share.range);
            let is_in = |record: &Result<(Bytes, Bytes), Error>| match record {
                Ok((key, _)) => *key < end,
                Err(_) => true,
            };
            while let Some(record) = records.next_if(is_in) {
                to.record(record?)?;
            }
        }
        Ok(())
    }

    /// All of a keyspace as the first `count` of them have it.
    fn keyspace(&self, count: usize, id: KeyspaceId) -> Result<Stream<'_>, Error> {
        let (layers, missing) = (self.layers.get(..count).unwrap_or_default(), || {
            Error::Contents(format!("the keyspace {id}"))
        });
        let (now, before) = layers.split_last().ok_or_else(missing)?;
        let found = now.contents.keyspace_of(id).ok_or_else(missing)?;
        let parts = Parts::new(&now.file, found);
        if !found.is_partial() {
            return Ok(parts.all_came());
        }
        let older = before.last().and_then(|layer| layer.contents.keyspace_of(id));
        let older = older.ok_or_else(missing)?;
        let before = self.keyspace(count - 1, id)?;
        Ok(Box::new(Overlay::new(before, older, parts, found, &now.file.name)))
    }
}

/// A visitor, and how much it was shown.
struct Count<'a> {
    visitor: &'a mut dyn Visit,
    sections: u64,
    records: u64,
}

impl Count<'_> {
    fn section(&mut self, section: &Section) -> Result<(), Error> {
        self.sections += 1;
        self.visitor.section(section, 0)
    }

    fn record(&mut self, (key, value): (Bytes, Bytes)) -> Result<(), Error> {
        self.records += 1;
        self.visitor.record(key, value)
    }
}
