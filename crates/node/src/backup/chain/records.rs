//! One stream of a backup that was found to be whole, from where it begins.

use std::io::SeekFrom;

use bytes::Bytes;
use storage::snapshot::{self, ChunkReader, StreamCheck};

use super::super::error::Error;
use super::super::header::Section;
use super::{File, Source};

/// Its records.
pub(super) struct Records<'a> {
    file: &'a File,
    at: u64,
    chunks: ChunkReader<std::io::BufReader<Box<dyn Source>>>,
    check: StreamCheck,
    ready: Option<snapshot::Records>,
}

impl<'a> Records<'a> {
    /// Opens the stream that begins `at` so many bytes, and tells which one it is.
    pub(super) fn open(file: &'a File, at: u64) -> Result<(Section, Self), Error> {
        let input = (file.open)().and_then(|mut input| {
            input.seek(SeekFrom::Start(at))?;
            Ok(std::io::BufReader::new(input))
        });
        let input = input.map_err(|error| Error::Io(error).in_file(&file.name))?;
        let chunks = ChunkReader::new(input);
        let mut records = Self { file, at, chunks, check: StreamCheck::default(), ready: None };
        records.step()?;
        let header = records.check.header().cloned().unwrap_or_default();
        let section = Section::decode(&header).map_err(|error| error.in_file(&file.name))?;
        Ok((section, records))
    }

    /// The next chunk. That none is missing was seen before, unless the file is another one by now.
    fn step(&mut self) -> Result<(), Error> {
        let failed = |error| Error::of_stream(error, 0, self.at).in_file(&self.file.name);
        let chunk = self.chunks.chunk().map_err(failed)?;
        let chunk = chunk.ok_or_else(|| {
            let error = Error::Contents("the same when it is read again".to_owned());
            error.in_file(&self.file.name)
        })?;
        self.ready = Some(self.check.accept(&chunk).map_err(failed)?);
        Ok(())
    }
}

impl Iterator for Records<'_> {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.as_mut().and_then(Iterator::next) {
                return Some(Ok(record));
            }
            if self.check.is_complete() {
                return None;
            }
            if let Err(error) = self.step() {
                return Some(Err(error));
            }
        }
    }
}
