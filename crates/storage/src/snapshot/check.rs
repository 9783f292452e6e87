//! What a stream must be as a whole; the same for one that arrives and one that is read from a file.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::chunk::{self, Kind};
use super::error::{Damage, Error};
use super::file::Totals;

/// Bytes in the trailer's payload.
const TRAILER: usize = 24;

/// Follows a stream chunk by chunk.
#[derive(Clone, Default)]
pub(super) struct Check {
    chunks: u32,
    overall: u32,
    totals: Totals,
    header: Option<Bytes>,
    first_key: Option<Bytes>,
    last_key: Option<Bytes>,
    complete: bool,
}

/// What a stream that is complete said.
pub(super) struct Summary {
    pub(super) header: Bytes,
    pub(super) totals: Totals,
    /// The first and the last key, if there are records.
    pub(super) keys: Option<(Bytes, Bytes)>,
}

impl Check {
    /// Takes the next chunk and answers its records. One that is refused changes nothing, so the
    /// right one can still follow.
    pub(super) fn accept(&mut self, bytes: &Bytes) -> Result<Records, Error> {
        let chunk = self.chunks;
        let mut next = self.clone();
        let records = next.step(bytes).map_err(|damage| Error::Damaged { chunk, damage })?;
        *self = next;
        Ok(records)
    }

    /// Answers what came, if it was all.
    pub(super) fn finish(&self) -> Result<Summary, Error> {
        let keys = self.first_key.clone().zip(self.last_key.clone());
        match (&self.header, self.complete) {
            (Some(header), true) => {
                Ok(Summary { header: header.clone(), totals: self.totals, keys })
            }
            _ => Err(Error::Incomplete { chunks: self.chunks }),
        }
    }

    /// Whether the trailer came.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// What the stream's maker said of it, once that came.
    pub(super) fn header(&self) -> Option<&Bytes> {
        self.header.as_ref()
    }

    /// How much came so far.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Chunks accepted so far.
    pub(super) fn chunks(&self) -> u32 {
        self.chunks
    }

    fn step(&mut self, bytes: &Bytes) -> Result<Records, Damage> {
        let before = self.overall;
        let chunk = chunk::open(bytes, &mut self.overall)?;
        if chunk.sequence != self.chunks {
            return Err(Damage::Sequence(chunk.sequence));
        }
        let mut records = Records(Bytes::new());
        match (chunk.kind, &self.header, self.complete) {
            (kind, None, false) if kind == Kind::Header as u8 => {
                if chunk.payload.len() > chunk::HEADER_BYTES_MAX {
                    return Err(Damage::Length);
                }
                self.header = Some(Bytes::copy_from_slice(&chunk.payload));
            }
            (kind, Some(_), false) if kind == Kind::Records as u8 => {
                self.count(chunk.payload.clone())?;
                records = Records(chunk.payload);
            }
            (kind, Some(_), false) if kind == Kind::Trailer as u8 => {
                self.compare(chunk.payload, before)?;
                self.complete = true;
            }
            (kind, ..) => return Err(Damage::Kind(kind)),
        }
        self.chunks = self.chunks.checked_add(1).ok_or(Damage::Totals)?;
        Ok(records)
    }

    fn count(&mut self, mut payload: Bytes) -> Result<(), Damage> {
        let mut last = self.last_key.take();
        while let Some((key, value)) = chunk::next_record(&mut payload)? {
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(Damage::Records);
            }
            self.totals.records += 1;
            self.totals.bytes += (key.len() + value.len()) as u64;
            if self.first_key.is_none() {
                self.first_key = Some(Bytes::copy_from_slice(&key));
            }
            last = Some(key);
        }
        // A copy, so that the chunk it lies in can go.
        self.last_key = last.map(|key| Bytes::copy_from_slice(&key));
        Ok(())
    }

    fn compare(&self, mut payload: Bytes, overall: u32) -> Result<(), Damage> {
        if payload.len() != TRAILER {
            return Err(Damage::Length);
        }
        let chunks = payload.get_u32_le();
        let told_overall = payload.get_u32_le();
        let told = Totals { records: payload.get_u64_le(), bytes: payload.get_u64_le() };
        if chunks != self.chunks || told != self.totals {
            return Err(Damage::Totals);
        }
        if told_overall != overall { Err(Damage::Overall) } else { Ok(()) }
    }
}

/// The payload of the trailer that closes a stream of `chunks` chunks.
pub(super) fn put_trailer(payload: &mut BytesMut, chunks: u32, overall: u32, totals: Totals) {
    payload.put_u32_le(chunks);
    payload.put_u32_le(overall);
    payload.put_u64_le(totals.records);
    payload.put_u64_le(totals.bytes);
}

/// The records of a chunk that was checked.
pub struct Records(Bytes);

impl Iterator for Records {
    type Item = (Bytes, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        chunk::next_record(&mut self.0).ok().flatten()
    }
}
