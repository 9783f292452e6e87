//! One page with those that belong to it. Numbers are little-endian.

use super::error::Error;

/// Bytes in front of a page's content.
pub(super) const HEADER: usize = 16;
/// Bytes of an element, beside its key and value.
const ELEMENT: usize = 16;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
/// An element's flag: its value is a bucket.
pub(super) const BUCKET: u32 = 0x01;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A page's bytes.
pub(super) struct Page {
    /// Its number; that of its bucket for one that lies in a bucket's value.
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
}

/// What a page holds.
pub(super) enum Node {
    Branch,
    Leaf,
}

/// An entry of a leaf.
pub(super) struct Entry<'a> {
    pub(super) is_bucket: bool,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
}

impl Page {
    pub(super) fn damaged(&self, what: &'static str) -> Error {
        Error::Page { page: self.id, what }
    }

    pub(super) fn node(&self) -> Result<Node, Error> {
        match u16_at(&self.bytes, 8) {
            Some(BRANCH) => Ok(Node::Branch),
            Some(LEAF) => Ok(Node::Leaf),
            _ => Err(self.damaged("it holds no keys")),
        }
    }

    pub(super) fn count(&self) -> usize {
        u16_at(&self.bytes, 10).map_or(0, usize::from)
    }

    /// The page below that the branch's element names.
    pub(super) fn child(&self, number: usize) -> Result<u64, Error> {
        let at = HEADER + number * ELEMENT;
        u64_at(&self.bytes, at + 8).ok_or_else(|| self.damaged("an element lies behind its end"))
    }

    /// The leaf's element.
    pub(super) fn entry(&self, number: usize) -> Result<Entry<'_>, Error> {
        let at = HEADER + number * ELEMENT;
        let field = |place: usize| u32_at(&self.bytes, at + 4 * place);
        let read = || {
            let (flags, place, key, value) = (field(0)?, field(1)?, field(2)?, field(3)?);
            let start = at.checked_add(usize::try_from(place).ok()?)?;
            let middle = start.checked_add(usize::try_from(key).ok()?)?;
            let end = middle.checked_add(usize::try_from(value).ok()?)?;
            Some(Entry {
                is_bucket: flags & BUCKET != 0,
                key: self.bytes.get(start..middle)?,
                value: self.bytes.get(middle..end)?,
            })
        };
        read().ok_or_else(|| self.damaged("an entry lies behind its end"))
    }
}
