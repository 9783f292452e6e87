//! Numbers and byte strings.

use bytes::Bytes;
use types::{LeaseId, Revision};

/// Bytes that are not what they should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what} at byte {offset} of {length}")]
pub struct CodecError {
    /// What was wrong.
    pub what: &'static str,
    /// Where.
    pub offset: usize,
    /// Of how many bytes.
    pub length: usize,
}

/// Appends values to a buffer.
#[derive(Default)]
pub(crate) struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes) }
    }

    pub(crate) fn finish(self) -> Bytes {
        self.buffer.into()
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.buffer.push(value);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.byte(u8::from(value));
    }

    /// LEB128: seven bits a byte, low bits first.
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            #[allow(clippy::cast_possible_truncation, reason = "the low seven bits are meant")]
            self.byte((value as u8) | 0x80);
            value >>= 7;
        }
        #[allow(clippy::cast_possible_truncation, reason = "below 0x80 here")]
        self.byte(value as u8);
    }

    /// Zigzag, so that small negative numbers stay short.
    pub(crate) fn signed(&mut self, value: i64) {
        self.number((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
    }

    pub(crate) fn wide(&mut self, value: u128) {
        self.buffer.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.buffer.extend_from_slice(value);
    }

    pub(crate) fn revision(&mut self, value: Revision) {
        self.signed(value.get());
    }

    pub(crate) fn lease(&mut self, value: LeaseId) {
        self.signed(value.get());
    }
}

/// Takes values from bytes; byte strings are slices of them, not copies.
pub(crate) struct Cursor {
    bytes: Bytes,
    /// What comes next. A number beside the bytes: to cut off what was read would count a reference
    /// for each number.
    at: usize,
}

impl Cursor {
    /// Where the next byte is.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn error(&self, what: &'static str) -> CodecError {
        CodecError { what, offset: self.at, length: self.bytes.len() }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        let Some(first) = self.rest().first().copied() else {
            return Err(self.error("the end where a byte is due"));
        };
        self.at += 1;
        Ok(first)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, CodecError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error("a flag that is neither 0 nor 1")),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, CodecError> {
        let mut value = 0_u64;
        for (at, byte) in self.rest().iter().copied().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if at == 9 && bits > 1 {
                return Err(self.error("a number over 64 bits"));
            }
            value |= bits << (7 * at);
            if byte < 0x80 {
                self.at += at + 1;
                return Ok(value);
            }
        }
        Err(self.error("a number that does not end"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, CodecError> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    pub(crate) fn small(&mut self) -> Result<u32, CodecError> {
        let value = self.number()?;
        u32::try_from(value).map_err(|_| self.error("a number over 32 bits"))
    }

    pub(crate) fn wide(&mut self) -> Result<u128, CodecError> {
        let Some(bytes) = self.rest().first_chunk::<16>().copied() else {
            return Err(self.error("the end inside an identity"));
        };
        self.at += 16;
        Ok(u128::from_be_bytes(bytes))
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, CodecError> {
        let from = self.skip()?;
        Ok(self.bytes.slice(from..self.at))
    }

    /// A byte string to look at, where nothing of it is to be kept.
    pub(crate) fn borrowed(&mut self) -> Result<&[u8], CodecError> {
        let from = self.skip()?;
        Ok(self.bytes.get(from..self.at).unwrap_or_default())
    }

    /// Goes behind a byte string; answers where it begins.
    fn skip(&mut self) -> Result<usize, CodecError> {
        let length = self.count()?;
        let from = self.at;
        self.at += length;
        Ok(from)
    }

    pub(crate) fn text(&mut self) -> Result<String, CodecError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.into()).map_err(|_| self.error("text that is not UTF-8"))
    }

    pub(crate) fn revision(&mut self) -> Result<Revision, CodecError> {
        Ok(Revision(self.signed()?))
    }

    pub(crate) fn lease(&mut self) -> Result<LeaseId, CodecError> {
        Ok(LeaseId(self.signed()?))
    }

    /// How many elements follow: each takes at least a byte, so no list is longer than what is left,
    /// and nothing larger is ever allocated.
    pub(crate) fn count(&mut self) -> Result<usize, CodecError> {
        let count = self.number()?;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest().len())
            .ok_or_else(|| self.error("a length beyond the end"))
    }

    pub(crate) fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.count()?;
        let mut list = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(list)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    pub(crate) fn end(&self) -> Result<(), CodecError> {
        if self.is_empty() { Ok(()) } else { Err(self.error("bytes after the end")) }
    }
}
