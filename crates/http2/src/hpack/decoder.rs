use bytes::{Bytes, BytesMut};

use super::table::{Dynamic, Field};
use super::{huffman, integer};
use crate::error::ConnectionError;

/// Reads header blocks, one after the other as they came.
pub(crate) struct Decoder {
    table: Dynamic,
    most: usize,
    /// How often the table was changed.
    changes: u64,
}

/// One field of a block, or a change of the table.
enum Coded {
    Field(Field),
    Kept(Field),
    Resize(usize),
}

impl Decoder {
    /// With a dynamic table of `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { table: Dynamic::new(most), most, changes: 0 }
    }

    /// Two equal blocks mean the same while this number does not change.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Reads a block, and gives its fields to `take`.
    ///
    /// # Errors
    /// `COMPRESSION_ERROR`, after which the connection cannot go on.
    pub(crate) fn decode(
        &mut self,
        mut block: &[u8],
        mut take: impl FnMut(Field),
    ) -> Result<(), ConnectionError> {
        let mut resizes = Some(0);
        while !block.is_empty() {
            let coded = self.next(&mut block);
            let coded = coded.ok_or(ConnectionError::compression("a malformed header block"))?;
            match coded {
                Coded::Resize(most) => {
                    // Twice at most, at the start of a block, within what was agreed (RFC 7541, 4.2).
                    resizes = resizes.map(|so_far| so_far + 1).filter(|resizes| *resizes <= 2);
                    if resizes.is_none() || most > self.most {
                        let words = "a header table's size that was not agreed to";
                        return Err(ConnectionError::compression(words));
                    }
                    self.changes += 1;
                    self.table.resize(most);
                    continue;
                }
                Coded::Field(field) => take(field),
                Coded::Kept(field) => {
                    self.changes += 1;
                    self.table.insert(field.clone());
                    take(field);
                }
            }
            resizes = None;
        }
        Ok(())
    }

    /// RFC 7541, 6: what a field is, is in its first bits.
    fn next(&self, block: &mut &[u8]) -> Option<Coded> {
        Some(match *block.first()? {
            0x80.. => Coded::Field(self.table.get(integer::take(block, 7)?)?),
            0x40.. => Coded::Kept(self.literal(block, 6)?),
            0x20.. => Coded::Resize(integer::take(block, 5)?),
            _ => Coded::Field(self.literal(block, 4)?),
        })
    }

    fn literal(&self, block: &mut &[u8], prefix: u32) -> Option<Field> {
        let name = match integer::take(block, prefix)? {
            0 => string(block)?,
            number => self.table.get(number)?.0,
        };
        Some((name, string(block)?))
    }

    #[cfg(test)]
    pub(super) fn table_bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// RFC 7541, 5.2.
fn string(block: &mut &[u8]) -> Option<Bytes> {
    let is_huffman = *block.first()? >= 0x80;
    let length = integer::take(block, 7)?;
    let (text, rest) = block.split_at_checked(length)?;
    *block = rest;
    if !is_huffman {
        return Some(Bytes::copy_from_slice(text));
    }
    let mut decoded = BytesMut::new();
    huffman::decode(text, &mut decoded)?;
    Some(decoded.freeze())
}
