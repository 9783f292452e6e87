//! The frame around every chunk.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::error::Damage;
use crate::engine::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// A good size of a chunk in bytes: large enough that frames and seeks do not count, small enough
/// to pass between heartbeats.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes in a snapshot's header.
pub const HEADER_BYTES_MAX: usize = 1024 * 1024;

const MAGIC: [u8; 4] = *b"HSNP";
const VERSION: u8 = 1;
/// Bytes before the payload.
pub(super) const FRONT: usize = 16;
/// Bytes after the payload.
pub(super) const BACK: usize = 4;
/// Bytes before a record's key.
pub(super) const RECORD_FRONT: usize = 8;
/// The largest record makes a chunk of its own.
const PAYLOAD_MAX: usize = RECORD_FRONT + KEY_BYTES_MAX + VALUE_BYTES_MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    Header = 1,
    Records = 2,
    Trailer = 3,
}

/// A chunk under construction.
pub(super) struct Builder(BytesMut);

impl Builder {
    pub(super) fn new(kind: Kind, sequence: u32, capacity: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(FRONT + capacity + BACK);
        buffer.put_slice(&MAGIC);
        buffer.put_u8(VERSION);
        buffer.put_u8(kind as u8);
        buffer.put_u16_le(0);
        buffer.put_u32_le(sequence);
        buffer.put_u32_le(0);
        Self(buffer)
    }

    pub(super) fn payload(&mut self) -> &mut BytesMut {
        &mut self.0
    }

    pub(super) fn payload_len(&self) -> usize {
        self.0.len() - FRONT
    }

    pub(super) fn put_record(&mut self, key: &[u8], value: &[u8]) {
        self.0.put_u32_le(length(key));
        self.0.put_u32_le(length(value));
        self.0.put_slice(key);
        self.0.put_slice(value);
    }

    /// Closes the chunk and carries the checksum of the whole stream on.
    pub(super) fn seal(mut self, overall: &mut u32) -> Bytes {
        let len = length(&self.0) - FRONT as u32;
        self.0[12..FRONT].copy_from_slice(&len.to_le_bytes());
        let checksum = crc32c::crc32c(&self.0);
        *overall = crc32c::crc32c_append(*overall, &self.0);
        self.0.put_u32_le(checksum);
        self.0.freeze()
    }
}

/// The length of something the engine or `export` has already bounded.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or_else(|_| panic!("{} bytes in a chunk", bytes.len()))
}

/// A chunk whose frame was found good.
pub(super) struct Chunk {
    pub(super) kind: u8,
    pub(super) sequence: u32,
    pub(super) payload: Bytes,
}

/// How many bytes the chunk that begins with `front` has in all, by its own account.
pub(super) fn total_len(front: &[u8; FRONT]) -> Result<usize, Damage> {
    if front[..4] != MAGIC {
        return Err(Damage::Magic);
    }
    if front[4] != VERSION {
        return Err(Damage::Version(front[4]));
    }
    let payload = u32_at(front, 12) as usize;
    if payload > PAYLOAD_MAX {
        return Err(Damage::Length);
    }
    Ok(FRONT + payload + BACK)
}

/// Takes a whole chunk apart. Carries `overall` on over all of it but its own checksum: a checksum
/// over data and the checksum of that data is the same number whatever the data.
pub(super) fn open(bytes: &Bytes, overall: &mut u32) -> Result<Chunk, Damage> {
    let front = bytes.first_chunk::<FRONT>().ok_or(Damage::Length)?;
    if total_len(front)? != bytes.len() {
        return Err(Damage::Length);
    }
    let (body, checksum) = bytes.split_at(bytes.len() - BACK);
    if crc32c::crc32c(body) != u32_at(checksum, 0) {
        return Err(Damage::Checksum);
    }
    *overall = crc32c::crc32c_append(*overall, body);
    Ok(Chunk {
        kind: front[5],
        sequence: u32_at(front, 8),
        payload: bytes.slice(FRONT..bytes.len() - BACK),
    })
}

/// Takes the next record off `payload`.
pub(super) fn next_record(payload: &mut Bytes) -> Result<Option<(Bytes, Bytes)>, Damage> {
    if payload.is_empty() {
        return Ok(None);
    }
    if payload.len() < RECORD_FRONT {
        return Err(Damage::Records);
    }
    let front = payload.split_to(RECORD_FRONT);
    let (key, value) = (u32_at(&front, 0) as usize, u32_at(&front, 4) as usize);
    let whole = key.checked_add(value).is_some_and(|len| len <= payload.len());
    if !whole || key == 0 || key > KEY_BYTES_MAX || value > VALUE_BYTES_MAX {
        return Err(Damage::Records);
    }
    Ok(Some((payload.split_to(key), payload.split_to(value))))
}

/// The number at `at`, which the caller knows to be there.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
