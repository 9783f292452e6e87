//! The end of the last segment: is it torn, or is the log damaged?

use std::collections::VecDeque;

use super::config::WalGuards;
use super::error::Error;
use super::layout::{ALIGN, BATCH_HEADER, BATCH_MAGIC, BatchHeader};
use super::segment::Segment;
use super::window::Window;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Where reading stopped.
#[derive(Debug)]
pub(super) struct End {
    /// Offset of the first batch that is not there.
    pub(super) offset: u64,
    /// Its sequence number.
    pub(super) next: u64,
    /// The highest mark seen.
    pub(super) mark: u64,
    /// Sequence numbers and offsets of the batches above it.
    pub(super) unvouched: VecDeque<(u64, u64)>,
}

impl End {
    pub(super) fn at(offset: u64, next: u64) -> Self {
        Self { offset, next, mark: next.saturating_sub(1), unvouched: VecDeque::new() }
    }

    /// Steps over a good batch.
    pub(super) fn pass(&mut self, header: &BatchHeader) {
        self.mark = self.mark.max(header.mark);
        self.unvouched.push_back((header.sequence, self.offset));
        while self.unvouched.front().is_some_and(|(sequence, _)| *sequence <= self.mark) {
            self.unvouched.pop_front();
        }
        self.offset += header.stride();
        self.next = header.sequence.saturating_add(1);
    }

    /// Makes the last segment end here for good: refuses if something behind vouches for more,
    /// wipes what a crash left there, and makes durable what is before.
    pub(super) fn seal(&self, segment: &Segment, guards: WalGuards) -> Result<(), Error> {
        if let Some(wipe_to) = self.last_survivor(segment, guards)? {
            wipe(segment, self.offset, wipe_to)?;
        }
        if let Some((_, from)) = self.unvouched.front() {
            self.write_again(segment, *from)?;
        }
        segment.file.sync_data().map_err(Error::io("sync", &segment.path))
    }

    /// Looks for headers behind the end, and answers where the last of them ends.
    fn last_survivor(&self, segment: &Segment, guards: WalGuards) -> Result<Option<u64>, Error> {
        let header_len = BATCH_HEADER as u64;
        let step = usize::try_from(ALIGN).unwrap_or(1);
        let mut window = Window::new(segment);
        let mut last = None;
        let mut start = self.offset;
        while start + header_len <= segment.len {
            let piece = window.piece(start)?;
            let starts = piece.len().saturating_sub(BATCH_HEADER - 1);
            for at in (0..starts).step_by(step) {
                let bytes = piece.get(at..).unwrap_or_default();
                if !bytes.starts_with(&BATCH_MAGIC) {
                    continue;
                }
                let found = BatchHeader::decode(bytes, segment.number, segment.seed);
                if let Some(header) = found {
                    let offset = start + at as u64;
                    if guards.marks {
                        self.judge(segment, &header, offset)?;
                    }
                    last = Some(offset + header_len);
                }
            }
            start = (start + starts as u64).next_multiple_of(ALIGN);
        }
        Ok(last)
    }

    fn judge(&self, segment: &Segment, header: &BatchHeader, offset: u64) -> Result<(), Error> {
        if header.mark < self.next {
            return Ok(());
        }
        let found = format!(
            "batch {} is not there or damaged, and batch {} at byte {offset} says that it was \
             durable",
            self.next, header.sequence
        );
        Err(Error::corrupt(&segment.path, self.offset, found))
    }

    /// After a failed sync the page cache may show what the disk never got, and a sync of clean
    /// pages does nothing: make them dirty.
    fn write_again(&self, segment: &Segment, from: u64) -> Result<(), Error> {
        let mut window = Window::new(segment);
        let mut offset = from;
        while offset < self.offset {
            let len = (self.offset - offset).min(ZEROS.len() as u64);
            let bytes = window.get(offset, len)?.unwrap_or_default();
            segment.file.write_at(offset, bytes).map_err(Error::io("write", &segment.path))?;
            offset += len;
        }
        Ok(())
    }
}

/// Zeros, so that no later end can be followed by what is there now.
fn wipe(segment: &Segment, from: u64, to: u64) -> Result<(), Error> {
    let mut offset = from;
    while offset < to {
        let len = (to - offset).min(ZEROS.len() as u64);
        let zeros = ZEROS.get(..usize::try_from(len).unwrap_or_default()).unwrap_or_default();
        segment
            .file
            .write_at(offset, zeros)
            .map_err(Error::io("cut the torn tail of", &segment.path))?;
        offset += len;
    }
    segment.file.sync_data().map_err(Error::io("sync", &segment.path))
}
