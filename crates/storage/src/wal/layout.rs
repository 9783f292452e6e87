//! The fixed parts of the format: sizes, magic numbers, and the two headers (`docs/format.md`).

use bytes::{Buf, BufMut};
use crc32c::{crc32c, crc32c_append};

/// Version of the format this program writes, and the highest it reads.
pub(super) const VERSION: u32 = 1;
/// Bytes the segment header takes; batches begin behind it.
pub(super) const BLOCK: u64 = 4096;
/// Bytes of a batch's header.
pub(super) const BATCH_HEADER: usize = 48;
/// Batches begin at multiples of this.
pub(super) const ALIGN: u64 = 8;
/// Bytes of a batch at most, so that every place in a segment fits 32 bits.
pub(super) const BATCH_LIMIT: u64 = 1 << 30;
/// Bytes of one entry's payload at most.
pub(super) const ENTRY_LIMIT: usize = 256 << 20;
/// Bytes of a state item.
pub(super) const STATE_ITEM: usize = 56;
/// Bytes of an entries item before its rows.
pub(super) const ENTRIES_ITEM: usize = 32;
/// Bytes of a row.
pub(super) const ROW: usize = 20;
/// Bytes of a remove item.
pub(super) const REMOVE_ITEM: usize = 16;

/// First byte of an item.
pub(super) mod kind {
    pub(in super::super) const STATE: u8 = 1;
    pub(in super::super) const ENTRIES: u8 = 2;
    pub(in super::super) const MOVED: u8 = 3;
    pub(in super::super) const REMOVE: u8 = 4;
}

/// Bits of a state item's flags.
pub(super) mod flag {
    pub(in super::super) const HARD_STATE: u8 = 1;
    pub(in super::super) const VOTE: u8 = 2;
    pub(in super::super) const RESET: u8 = 4;
}

const SEGMENT_MAGIC: &[u8; 8] = b"HIRAEWAL";
const SEGMENT_HEADER: usize = 64;
/// How a batch begins.
pub(super) const BATCH_MAGIC: [u8; 4] = *b"HBAT";

/// What a segment says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SegmentHeader {
    pub(super) number: u32,
    pub(super) first_batch: u64,
    pub(super) len: u64,
    pub(super) salt: u64,
}

/// Why bytes are no segment header.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum BadHeader {
    /// Its version is above [`VERSION`].
    Newer(u32),
    /// It is damaged.
    Damaged(&'static str),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.put_slice(SEGMENT_MAGIC);
        bytes.put_u32_le(VERSION);
        bytes.put_u32_le(self.number);
        bytes.put_u64_le(self.first_batch);
        bytes.put_u64_le(self.len);
        bytes.put_u64_le(self.salt);
        bytes.put_bytes(0, 20);
        let checksum = crc32c(&bytes);
        bytes.put_u32_le(checksum);
        bytes.resize(usize::try_from(BLOCK).unwrap_or(usize::MAX), 0);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let Some((head, mut checksum)) = bytes.get(..SEGMENT_HEADER).map(|all| all.split_at(60))
        else {
            return Err(BadHeader::Damaged("it is too short for a segment header"));
        };
        let mut fields = head;
        if fields.get(..8) != Some(SEGMENT_MAGIC.as_slice()) {
            return Err(BadHeader::Damaged("it does not begin like a log segment"));
        }
        fields.advance(8);
        let version = fields.get_u32_le();
        if checksum.get_u32_le() != crc32c(head) {
            return Err(BadHeader::Damaged("the segment header's checksum is wrong"));
        }
        match version {
            VERSION => {}
            0 => return Err(BadHeader::Damaged("the segment header has version 0")),
            later => return Err(BadHeader::Newer(later)),
        }
        Ok(Self {
            number: fields.get_u32_le(),
            first_batch: fields.get_u64_le(),
            len: fields.get_u64_le(),
            salt: fields.get_u64_le(),
        })
    }

    /// Where all other checksums of this segment start from.
    pub(super) fn seed(&self) -> u32 {
        crc32c(&self.salt.to_le_bytes())
    }
}

/// What a batch says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BatchHeader {
    pub(super) sequence: u64,
    pub(super) mark: u64,
    pub(super) segment: u32,
    pub(super) items_len: u32,
    pub(super) data_len: u32,
    pub(super) items_checksum: u32,
    pub(super) items: u32,
}

impl BatchHeader {
    pub(super) fn encode(&self, seed: u32) -> [u8; BATCH_HEADER] {
        let mut bytes = [0; BATCH_HEADER];
        let mut rest = &mut bytes[8..];
        rest.put_u64_le(self.sequence);
        rest.put_u64_le(self.mark);
        rest.put_u32_le(self.segment);
        rest.put_u32_le(self.items_len);
        rest.put_u32_le(self.data_len);
        rest.put_u32_le(self.items_checksum);
        rest.put_u32_le(self.items);
        let checksum = crc32c_append(seed, &bytes[8..]);
        bytes[..4].copy_from_slice(&BATCH_MAGIC);
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, if it is a whole one of this segment.
    pub(super) fn decode(bytes: &[u8], segment: u32, seed: u32) -> Option<Self> {
        let mut fields = bytes.get(..BATCH_HEADER)?;
        if fields.get(..4) != Some(BATCH_MAGIC.as_slice()) {
            return None;
        }
        fields.advance(4);
        if fields.get_u32_le() != crc32c_append(seed, fields) {
            return None;
        }
        let header = Self {
            sequence: fields.get_u64_le(),
            mark: fields.get_u64_le(),
            segment: fields.get_u32_le(),
            items_len: fields.get_u32_le(),
            data_len: fields.get_u32_le(),
            items_checksum: fields.get_u32_le(),
            items: fields.get_u32_le(),
        };
        (header.segment == segment && fields.get_u32_le() == 0).then_some(header)
    }

    /// Bytes from this batch's start to the next one's.
    pub(super) fn stride(&self) -> u64 {
        stride(u64::from(self.items_len) + u64::from(self.data_len))
    }
}

/// Bytes a batch with a body of `body` bytes takes.
pub(super) fn stride(body: u64) -> u64 {
    (BATCH_HEADER as u64 + body).next_multiple_of(ALIGN)
}

/// The checksum of one entry; it covers where the entry belongs, so that a right payload in a wrong
/// place is found, too.
pub(super) fn entry_checksum(
    seed: u32,
    region: u64,
    index: u64,
    term: u64,
    kind: u8,
    payload: &[u8],
) -> u32 {
    let mut head = [0; 29];
    let mut fields = head.as_mut_slice();
    fields.put_u64_le(region);
    fields.put_u64_le(index);
    fields.put_u64_le(term);
    fields.put_u32_le(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    fields.put_u8(kind);
    crc32c_append(crc32c_append(seed, &head), payload)
}
