//! Reads a backup from its front to its end, and holds it against all it says of itself.

use std::io::Read;

use blake2::Digest;
use bytes::Bytes;
use storage::snapshot::{ChunkReader, StreamCheck};

use super::error::Error;
use super::header::{Begin, End, Section, hex};
use super::writer::Hash;

/// Takes what is in a backup, in its order. Until all of it was read nothing is certain.
pub trait Visit {
    /// A stream of records begins, `at` so many bytes.
    ///
    /// # Errors
    /// What the visitor says ends the reading.
    fn section(&mut self, section: &Section, at: u64) -> Result<(), Error>;

    /// A record of it.
    ///
    /// # Errors
    /// What the visitor says ends the reading.
    fn record(&mut self, key: Bytes, value: Bytes) -> Result<(), Error>;
}

/// A backup.
pub struct BackupReader<R> {
    chunks: ChunkReader<R>,
    hash: Hash,
    sections: u64,
    records: u64,
    bytes: u64,
}

impl<R: Read> BackupReader<R> {
    /// The one that `input` has.
    pub fn new(input: R) -> Self {
        let chunks = ChunkReader::new(input);
        Self { chunks, hash: Hash::new(), sections: 0, records: 0, bytes: 0 }
    }

    /// Reads all of it. If this answers, it is whole, and every byte is what was written.
    ///
    /// # Errors
    /// What is wrong with it; what `visitor` says.
    pub fn read(mut self, visitor: &mut dyn Visit) -> Result<(Begin, End), Error> {
        let mut begin = None;
        while let Some(section) = self.stream(visitor, begin.is_none())? {
            match section {
                Section::Begin(found) => begin = Some(found),
                Section::End(end) => {
                    let begin = begin.ok_or(Error::Foreign)?;
                    return self.check_end(begin, end);
                }
                _ => {}
            }
        }
        Err(match self.bytes {
            0 => Error::Foreign,
            bytes => Error::Incomplete { sections: self.sections, bytes },
        })
    }

    /// One stream; `None` at the end of the input.
    fn stream(
        &mut self,
        visitor: &mut dyn Visit,
        is_first: bool,
    ) -> Result<Option<Section>, Error> {
        let (mut check, mut section) = (StreamCheck::default(), None);
        // The last stream has the hash of those before it.
        let before = self.hash.clone();
        let at = self.bytes;
        loop {
            let (sections, bytes) = (self.sections, self.bytes);
            let failed = |error| Error::of_stream(error, sections, bytes);
            let Some(chunk) = self.chunks.chunk().map_err(failed)? else {
                return match section {
                    None => Ok(None),
                    Some(_) => Err(Error::Incomplete { sections, bytes }),
                };
            };
            self.hash.update(&chunk);
            let records = check.accept(&chunk).map_err(failed)?;
            self.bytes += chunk.len() as u64;
            if section.is_none() {
                let header = check.header().cloned().unwrap_or_default();
                let found = Section::decode(&header)?;
                if is_first != matches!(found, Section::Begin(_)) {
                    return Err(if is_first { Error::Foreign } else { twice() });
                }
                visitor.section(&found, at)?;
                section = Some(found);
            }
            for (key, value) in records {
                if matches!(section, Some(Section::Begin(_) | Section::End(_))) {
                    return Err(Error::Header("records where none can be".to_owned()));
                }
                visitor.record(key, value)?;
            }
            if check.is_complete() {
                if matches!(section, Some(Section::End(_))) {
                    self.hash = before;
                } else {
                    self.sections += 1;
                    self.records += check.totals().records;
                }
                return Ok(section);
            }
        }
    }

    fn check_end(mut self, begin: Begin, end: End) -> Result<(Begin, End), Error> {
        let (sections, bytes) = (self.sections, self.bytes);
        let hash = hex(&self.hash.finalize());
        if end != (End { sections, records: self.records, hash }) {
            return Err(Error::Hash);
        }
        match self.chunks.chunk() {
            Ok(None) => Ok((begin, end)),
            _ => {
                let reason = "there is more behind its end".to_owned();
                Err(Error::Damaged { section: sections, bytes, reason })
            }
        }
    }
}

fn twice() -> Error {
    Error::Header("it begins a second time".to_owned())
}
