use std::collections::VecDeque;

use bytes::Bytes;

use super::check::put_trailer;
use super::chunk::{Builder, CHUNK_BYTES, HEADER_BYTES_MAX, Kind, RECORD_FRONT};
use super::error::Error;
use super::file::Totals;
use crate::engine::Snapshot;

/// The chunks of a snapshot of the records with `start <= key < end` in `reader`.
///
/// `header` is the caller's: what the receiver must know to finish the installation. A chunk is
/// closed before it grows over `chunk_bytes` (4 KiB to 16 MiB; see [`CHUNK_BYTES`]); a record that
/// is larger makes a chunk of its own. A chunk is read from the engine when it is asked for, so the
/// memory needed is that of one chunk.
#[must_use]
pub fn export(
    reader: Box<dyn Snapshot>,
    start: &[u8],
    end: &[u8],
    header: Bytes,
    chunk_bytes: usize,
) -> SnapshotChunks {
    let range = (Bytes::copy_from_slice(start), Bytes::copy_from_slice(end));
    export_ranges(reader, &[range], header, chunk_bytes)
}

/// The same of several ranges: they ascend and do not overlap.
#[must_use]
pub fn export_ranges(
    reader: Box<dyn Snapshot>,
    ranges: &[(Bytes, Bytes)],
    header: Bytes,
    chunk_bytes: usize,
) -> SnapshotChunks {
    let mut later: VecDeque<(Bytes, Bytes)> = ranges.iter().cloned().collect();
    let (from, end) = later.pop_front().unwrap_or_default();
    SnapshotChunks {
        reader,
        from: from.to_vec(),
        end: end.to_vec(),
        later,
        chunk_bytes: chunk_bytes.clamp(4 * 1024, 64 * CHUNK_BYTES),
        stage: Stage::Header(header),
        sequence: 0,
        overall: 0,
        totals: Totals::default(),
    }
}

/// Answers a snapshot's chunks in order. After an error there are no more.
pub struct SnapshotChunks {
    reader: Box<dyn Snapshot>,
    /// The first key that was not sent.
    from: Vec<u8>,
    end: Vec<u8>,
    /// Ranges that come after this one.
    later: VecDeque<(Bytes, Bytes)>,
    chunk_bytes: usize,
    stage: Stage,
    sequence: u32,
    overall: u32,
    totals: Totals,
}

enum Stage {
    Header(Bytes),
    Records,
    Trailer,
    Done,
}

impl SnapshotChunks {
    /// What was sent so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn step(&mut self) -> Result<Option<Bytes>, Error> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Header(header) => {
                if header.len() > HEADER_BYTES_MAX {
                    return Err(Error::HeaderTooLarge { len: header.len() });
                }
                let mut chunk = Builder::new(Kind::Header, self.sequence, header.len());
                chunk.payload().extend_from_slice(&header);
                self.stage = Stage::Records;
                self.seal(chunk).map(Some)
            }
            Stage::Records => {
                let (chunk, more) = self.fill()?;
                self.stage = if more { Stage::Records } else { Stage::Trailer };
                if chunk.payload_len() == 0 {
                    return self.step();
                }
                self.seal(chunk).map(Some)
            }
            Stage::Trailer => {
                let mut chunk = Builder::new(Kind::Trailer, self.sequence, 32);
                put_trailer(chunk.payload(), self.sequence, self.overall, self.totals);
                self.seal(chunk).map(Some)
            }
            Stage::Done => Ok(None),
        }
    }

    /// Collects one chunk of records and answers whether there are more.
    fn fill(&mut self) -> Result<(Builder, bool), Error> {
        let mut chunk = Builder::new(Kind::Records, self.sequence, self.chunk_bytes);
        let mut next = None;
        let totals = &mut self.totals;
        let limit = self.chunk_bytes;
        self.reader.scan(&self.from, &self.end, &mut |key, value| {
            let len = RECORD_FRONT + key.len() + value.len();
            if chunk.payload_len() > 0 && chunk.payload_len() + len > limit {
                next = Some(key.to_vec());
                return false;
            }
            chunk.put_record(&key, &value);
            totals.records += 1;
            totals.bytes += (key.len() + value.len()) as u64;
            true
        })?;
        if let Some(next) = next {
            self.from = next;
            return Ok((chunk, true));
        }
        let Some((from, end)) = self.later.pop_front() else { return Ok((chunk, false)) };
        (self.from, self.end) = (from.to_vec(), end.to_vec());
        Ok((chunk, true))
    }

    fn seal(&mut self, chunk: Builder) -> Result<Bytes, Error> {
        self.sequence = self.sequence.checked_add(1).ok_or(Error::TooLarge)?;
        Ok(chunk.seal(&mut self.overall))
    }
}

impl Iterator for SnapshotChunks {
    type Item = Result<Bytes, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.stage = Stage::Done;
        }
        step.transpose()
    }
}
