//! Snapshot streams one behind the other, in something that is written or read once, from the front: a
//! backup.

use std::io::{self, Read, Write};

use bytes::Bytes;

use super::check::{Check, Records, put_trailer};
use super::chunk::{self, Builder, CHUNK_BYTES, FRONT, HEADER_BYTES_MAX, Kind, RECORD_FRONT};
use super::error::{Damage, Error};
use super::file::Totals;
use crate::engine::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// Follows a stream whose chunks are at hand, and says what is in them.
#[derive(Default)]
pub struct StreamCheck(Check);

impl StreamCheck {
    /// Takes the next chunk and answers its records. One that is refused changes nothing.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn accept(&mut self, chunk: &Bytes) -> Result<Records, Error> {
        self.0.accept(chunk)
    }

    /// What the stream's maker said of it, once that came.
    #[must_use]
    pub fn header(&self) -> Option<&Bytes> {
        self.0.header()
    }

    /// Whether the last chunk came.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    /// How much came.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.0.totals()
    }
}

/// Makes a stream of records that are at hand one by one, in the order of their keys.
pub struct StreamWriter<W> {
    out: W,
    chunk: Builder,
    sequence: u32,
    overall: u32,
    totals: Totals,
}

impl<W: Write> StreamWriter<W> {
    /// Begins a stream in `out`.
    ///
    /// # Errors
    /// [`Error::HeaderTooLarge`], [`Error::Stream`].
    pub fn begin(out: W, header: &[u8]) -> Result<Self, Error> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(Error::HeaderTooLarge { len: header.len() });
        }
        let mut first = Builder::new(Kind::Header, 0, header.len());
        first.payload().extend_from_slice(header);
        let chunk = Builder::new(Kind::Records, 1, CHUNK_BYTES);
        let mut writer = Self { out, chunk, sequence: 0, overall: 0, totals: Totals::default() };
        writer.seal(first)?;
        Ok(writer)
    }

    /// Adds a record. Its key is above that of the one before.
    ///
    /// # Errors
    /// [`Error::Range`] for a key or value that no engine keeps; [`Error::TooLarge`], [`Error::Stream`].
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(Error::Range);
        }
        let len = RECORD_FRONT + key.len() + value.len();
        if self.chunk.payload_len() > 0 && self.chunk.payload_len() + len > CHUNK_BYTES {
            self.turn()?;
        }
        self.chunk.put_record(key, value);
        self.totals.records += 1;
        self.totals.bytes += (key.len() + value.len()) as u64;
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Stream`].
    pub fn finish(mut self) -> Result<(W, Totals), Error> {
        if self.chunk.payload_len() > 0 {
            self.turn()?;
        }
        let mut last = Builder::new(Kind::Trailer, self.sequence, 32);
        put_trailer(last.payload(), self.sequence, self.overall, self.totals);
        self.seal(last)?;
        Ok((self.out, self.totals))
    }

    fn turn(&mut self) -> Result<(), Error> {
        let next = self.sequence.checked_add(1).ok_or(Error::TooLarge)?;
        let full = std::mem::replace(&mut self.chunk, Builder::new(Kind::Records, next, 0));
        self.seal(full)
    }

    fn seal(&mut self, chunk: Builder) -> Result<(), Error> {
        self.sequence = self.sequence.checked_add(1).ok_or(Error::TooLarge)?;
        let bytes = chunk.seal(&mut self.overall);
        self.out.write_all(&bytes).map_err(Error::Stream)
    }
}

/// Reads chunk after chunk of what may hold several streams. It looks at no more than where a chunk
/// ends: hold them against [`StreamCheck`].
pub struct ChunkReader<R> {
    input: R,
    chunks: u32,
}

impl<R: Read> ChunkReader<R> {
    /// Begins at the front of `input`.
    pub fn new(input: R) -> Self {
        Self { input, chunks: 0 }
    }

    /// The next chunk; `None` at the end, if that is behind a whole one. Memory is taken for what comes,
    /// not for what a damaged length tells.
    ///
    /// # Errors
    /// [`Error::Damaged`] and [`Error::Incomplete`]; [`Error::Stream`].
    pub fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let mut front = [0; FRONT];
        match self.fill(&mut front)? {
            0 => return Ok(None),
            FRONT => {}
            _ => return Err(Error::Incomplete { chunks: self.chunks }),
        }
        let damaged = |damage| Error::Damaged { chunk: self.chunks, damage };
        let len = chunk::total_len(&front).map_err(damaged)?;
        let mut whole = Vec::with_capacity(len.min(2 * CHUNK_BYTES));
        whole.extend_from_slice(&front);
        let rest = (len - FRONT) as u64;
        let read = self.input.by_ref().take(rest).read_to_end(&mut whole).map_err(Error::Stream)?;
        if read as u64 != rest {
            return Err(Error::Incomplete { chunks: self.chunks });
        }
        self.chunks = self.chunks.saturating_add(1);
        Ok(Some(Bytes::from(whole)))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Stream(error)),
            }
        }
        Ok(filled)
    }
}

/// What [`Error::Damaged`] says where no chunk begins.
#[must_use]
pub fn is_foreign(error: &Error) -> bool {
    matches!(error, Error::Damaged { damage: Damage::Magic, .. })
}

#[cfg(test)]
mod tests {
    use super::{ChunkReader, FRONT, StreamCheck, StreamWriter};

    type Stream = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

    fn read(file: &[u8]) -> Result<Vec<Stream>, String> {
        let mut reader = ChunkReader::new(file);
        let (mut found, mut check, mut records) = (Vec::new(), StreamCheck::default(), Vec::new());
        while let Some(chunk) = reader.chunk().map_err(|error| error.to_string())? {
            let came = check.accept(&chunk).map_err(|error| error.to_string())?;
            records.extend(came.map(|(key, value)| (key.to_vec(), value.to_vec())));
            if check.is_complete() {
                let header = check.header().map(|header| header.to_vec()).unwrap_or_default();
                found.push((header, std::mem::take(&mut records)));
                check = StreamCheck::default();
            }
        }
        Ok(found)
    }

    #[test]
    fn streams_one_behind_the_other_come_back_and_no_change_of_a_byte_passes() {
        let key = |number: u32| number.to_be_bytes().to_vec();
        let records: Vec<_> = (0..40).map(|at| (key(at), vec![7; 20_000])).collect();
        let mut file = Vec::new();
        for (header, records) in [("a", &records[..]), ("", &[]), ("c", &records[3..4])] {
            let mut writer = StreamWriter::begin(file, header.as_bytes()).unwrap();
            for (key, value) in records {
                writer.put(key, value).unwrap();
            }
            file = writer.finish().unwrap().0;
        }
        let wanted = vec![
            (b"a".to_vec(), records.clone()),
            (Vec::new(), Vec::new()),
            (b"c".to_vec(), records[3..4].to_vec()),
        ];
        assert_eq!(read(&file).as_ref(), Ok(&wanted));
        for at in (0..file.len()).step_by(4_001) {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged).is_err(), "byte {at}");
        }
        // Cut off within a chunk it is refused; between two, it has what came before and is not whole.
        let (mut reader, mut ends) = (ChunkReader::new(&file[..]), vec![0]);
        while let Some(chunk) = reader.chunk().unwrap() {
            ends.push(ends[ends.len() - 1] + chunk.len());
        }
        assert_eq!((ends.pop(), ends.len() > 8), (Some(file.len()), true));
        for end in ends {
            for at in [end + 1, end + FRONT - 1, end + FRONT, end + FRONT + 1] {
                assert!(read(&file[..at]).is_err(), "cut off at {at}");
            }
            let found = read(&file[..end]).unwrap();
            assert!(found.len() < wanted.len() && found == wanted[..found.len()], "up to {end}");
        }
    }
}
