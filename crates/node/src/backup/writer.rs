//! Writes a backup from its front to its end.

use std::io::{self, Write};

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest};
use bytes::Bytes;
use storage::snapshot::{StreamCheck, StreamWriter};

use super::error::Error;
use super::gathered::Gathered;
use super::header::{Begin, End, Section, hex};

pub(super) type Hash = Blake2b<U32>;

/// A backup that is being written. Without its end it is none.
pub struct BackupWriter<W> {
    out: Hashed<W>,
    /// The stream whose chunks come one by one.
    open: Option<(StreamCheck, Option<Section>)>,
    sections: u64,
    records: u64,
}

struct Hashed<W> {
    inner: W,
    hash: Hash,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Puts records into a stream, in the order of their keys.
pub type Put<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), Error>;

impl<W: Write> BackupWriter<W> {
    /// Begins one.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(out: W, begin: Begin) -> Result<Self, Error> {
        let out = Hashed { inner: out, hash: Hash::new(), bytes: 0 };
        let mut writer = Self { out, open: None, sections: 0, records: 0 };
        writer.section(&Section::Begin(begin), |_| Ok(()))?;
        Ok(writer)
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.out.bytes
    }

    /// Adds a stream of records that `fill` puts.
    ///
    /// # Errors
    /// What `out` says, or `fill`.
    pub fn section(
        &mut self,
        section: &Section,
        fill: impl FnOnce(Put<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (sections, bytes) = (self.sections, self.out.bytes);
        let failed = |error| Error::of_stream(error, sections, bytes);
        let mut stream = StreamWriter::begin(&mut self.out, &section.encode()?).map_err(failed)?;
        fill(&mut |key, value| stream.put(key, value).map_err(failed))?;
        let (_, totals) = stream.finish().map_err(failed)?;
        self.sections += 1;
        self.records += totals.records;
        Ok(())
    }

    /// Adds a chunk of a stream as a node sent it, and tells `gathered` of it.
    ///
    /// # Errors
    /// A chunk that cannot come here; what `out` says.
    pub fn chunk(&mut self, chunk: &Bytes, gathered: &mut Gathered) -> Result<(), Error> {
        let (sections, bytes) = (self.sections, self.out.bytes);
        let failed = |error| Error::of_stream(error, sections, bytes);
        let (check, section) = self.open.get_or_insert_default();
        let records = check.accept(chunk).map_err(failed)?;
        self.out.write_all(chunk)?;
        if section.is_none() {
            let header = check.header().cloned().unwrap_or_default();
            *section = Some(Section::decode(&header)?);
        }
        let Some(section) = section else { return Ok(()) };
        for (key, value) in records {
            gathered.record(section, key, value)?;
        }
        if check.is_complete() {
            gathered.is_whole(section)?;
            self.records += check.totals().records;
            self.sections += 1;
            self.open = None;
        }
        Ok(())
    }

    /// Whether a stream was begun whose end did not come.
    pub fn is_midway(&self) -> bool {
        self.open.is_some()
    }

    /// Ends it.
    ///
    /// # Errors
    /// A stream that is not whole; what the output says.
    pub fn end(mut self) -> Result<(W, End), Error> {
        if self.is_midway() {
            return Err(Error::Incomplete { sections: self.sections, bytes: self.out.bytes });
        }
        let hash = hex(&self.out.hash.clone().finalize());
        let end = End { sections: self.sections, records: self.records, hash };
        self.section(&Section::End(end.clone()), |_| Ok(()))?;
        self.out.flush()?;
        Ok((self.out.inner, end))
    }
}
