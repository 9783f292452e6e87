//! What one backup has of a keyspace, in the order of the keys.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::contents::KeyspaceFound;
use super::super::error::Error;
use super::super::header::Section;
use super::super::kept::{self, Keys, Marked};
use super::File;
use super::overlay::Stream;
use super::records::Records;

/// Something that it says.
pub(super) enum Part {
    /// The record is this.
    Came(Bytes, Bytes),
    /// The record is as it was before.
    Stayed(Bytes),
}

/// The streams that hold it, one behind the other.
pub(super) struct Parts<'a> {
    file: &'a File,
    keyspace: u32,
    later: VecDeque<u64>,
    open: Option<(Section, Records<'a>)>,
    stayed: Option<Keys>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(file: &'a File, found: &KeyspaceFound) -> Self {
        let later = match found.region {
            Some(_) => VecDeque::from([found.at]),
            None => found.shares.iter().map(|share| share.at).collect(),
        };
        Self { file, keyspace: found.id.get(), later, open: None, stayed: None }
    }

    /// The records of one that needs none before it.
    pub(super) fn all_came(self) -> Stream<'a> {
        let name = self.file.name.clone();
        Box::new(self.map(move |part| match part? {
            Part::Came(key, value) => Ok((key, value)),
            Part::Stayed(key) => Err(Error::Contents(format!("the record {key:?}")).in_file(&name)),
        }))
    }

    fn step(&mut self) -> Result<Option<Part>, Error> {
        loop {
            if let Some(key) = self.stayed.as_mut().and_then(Iterator::next) {
                return key.map(Part::Stayed).map(Some);
            }
            self.stayed = None;
            let Some((section, records)) = &mut self.open else {
                let Some(at) = self.later.pop_front() else { return Ok(None) };
                self.open = Some(self.open(at)?);
                continue;
            };
            let Some(record) = records.next() else {
                self.open = None;
                continue;
            };
            let (key, value) = record?;
            if !section.is_marked() {
                return Ok(Some(Part::Came(key, value)));
            }
            match kept::read(&key, &value)? {
                Marked::Came(value) => return Ok(Some(Part::Came(key, value))),
                Marked::Stayed(keys) => self.stayed = Some(keys),
            }
        }
    }

    fn open(&self, at: u64) -> Result<(Section, Records<'a>), Error> {
        let (section, records) = Records::open(self.file, at)?;
        let keyspace = match &section {
            Section::Keyspace(keyspace) => Some(keyspace.keyspace),
            Section::Share(share) => Some(share.keyspace),
            _ => None,
        };
        match keyspace == Some(self.keyspace) {
            true => Ok((section, records)),
            false => Err(Error::Contents("the same when it is read again".to_owned())),
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().map_err(|error| error.in_file(&self.file.name));
        step.transpose()
    }
}
