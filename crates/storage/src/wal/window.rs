//! Reading a segment from front to back in large pieces.

use super::error::Error;
use super::segment::Segment;

const PIECE: u64 = 1 << 20;

/// The piece of a segment that was read last.
pub(super) struct Window<'a> {
    segment: &'a Segment,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(segment: &'a Segment) -> Self {
        Self { segment, start: 0, bytes: Vec::new() }
    }

    /// The bytes `[offset, offset + len)`; `None` if the segment ends before.
    pub(super) fn get(&mut self, offset: u64, len: u64) -> Result<Option<&[u8]>, Error> {
        if offset.checked_add(len).is_none_or(|end| end > self.segment.len) {
            return Ok(None);
        }
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + len > end {
            self.fill(offset, len.max(PIECE).min(self.segment.len - offset))?;
        }
        let begin = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(self.bytes.get(begin..).and_then(|rest| rest.get(..len)))
    }

    /// As much from `offset` on as one piece holds.
    pub(super) fn piece(&mut self, offset: u64) -> Result<&[u8], Error> {
        let len = PIECE.min(self.segment.len.saturating_sub(offset));
        Ok(self.get(offset, len)?.unwrap_or_default())
    }

    fn fill(&mut self, offset: u64, len: u64) -> Result<(), Error> {
        self.bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        self.start = offset;
        let (file, path) = (&self.segment.file, &self.segment.path);
        let count = file.read_at(offset, &mut self.bytes).map_err(Error::io("read", path))?;
        // A file cut short since it was opened reads as zeros, and so as damage.
        self.bytes.get_mut(count..).unwrap_or_default().fill(0);
        Ok(())
    }
}
