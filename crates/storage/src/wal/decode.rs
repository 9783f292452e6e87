//! Bytes to items. Nothing here trusts a length before it was held against what is there.

use bytes::Buf;
use crc32c::crc32c_append;
use types::{EntryKind, HardState, Index, PeerId, RegionId, Term};

use super::encode::State;
use super::layout::{
    BATCH_HEADER, BatchHeader, ENTRIES_ITEM, REMOVE_ITEM, ROW, STATE_ITEM, entry_checksum, flag,
    kind,
};

/// An item as found, with what the index keeps of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    State(State),
    Entries(FoundEntries),
    Remove { region: RegionId },
}

/// Where entries lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FoundEntries {
    pub(super) region: RegionId,
    pub(super) first: Index,
    pub(super) count: u32,
    pub(super) last_term: Term,
    /// Bytes of rows and payloads.
    pub(super) bytes: u32,
    /// Bytes from the start of the batch to the item.
    pub(super) at: u32,
    pub(super) moved: bool,
}

/// Why a batch cannot be used.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    /// A checksum is wrong: torn or damaged.
    Checksum,
    /// The checksums are right and yet it makes no sense: never a torn write.
    Nonsense(&'static str),
}

/// The fixed part of an entries item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct EntriesItem {
    pub(super) region: u64,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) distance: u32,
    pub(super) data_len: u32,
    pub(super) moved: bool,
}

impl EntriesItem {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.get(..ENTRIES_ITEM)?;
        let moved = match fields.get_u8() {
            kind::ENTRIES => false,
            kind::MOVED => true,
            _ => return None,
        };
        fields.advance(3);
        let count = fields.get_u32_le();
        let (region, first) = (fields.get_u64_le(), fields.get_u64_le());
        let (distance, data_len) = (fields.get_u32_le(), fields.get_u32_le());
        first.checked_add(u64::from(count))?;
        (count > 0 && first > 0).then_some(Self { region, first, count, distance, data_len, moved })
    }
}

/// One entry without its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) term: u64,
    pub(super) len: u32,
    pub(super) checksum: u32,
    pub(super) kind: u8,
}

impl Row {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes.get(..ROW)?;
        Some(Self {
            term: fields.get_u64_le(),
            len: fields.get_u32_le(),
            checksum: fields.get_u32_le(),
            kind: fields.get_u8(),
        })
    }

    /// Whether `payload` is what was written for this entry.
    pub(super) fn fits(&self, seed: u32, region: u64, index: u64, payload: &[u8]) -> bool {
        entry_checksum(seed, region, index, self.term, self.kind, payload) == self.checksum
    }

    pub(super) fn kind(&self) -> Option<EntryKind> {
        match self.kind {
            0 => Some(EntryKind::Normal),
            1 => Some(EntryKind::ConfChange),
            _ => None,
        }
    }
}

/// The items of a batch whose header is good; `body` is what follows the header, without padding.
/// Nothing is held against its checksum if not `is_checked`.
pub(super) fn body(
    header: &BatchHeader,
    body: &[u8],
    seed: u32,
    is_checked: bool,
) -> Result<Vec<Found>, Flaw> {
    let Some((items, data)) = body.split_at_checked(header.items_len as usize) else {
        return Err(Flaw::Checksum);
    };
    let is_whole = data.len() == header.data_len as usize;
    if !is_whole || is_checked && crc32c_append(seed, items) != header.items_checksum {
        return Err(Flaw::Checksum);
    }
    let mut found = Vec::with_capacity((header.items as usize).min(items.len() / REMOVE_ITEM));
    let mut rest = items;
    let mut data_at = 0;
    for _ in 0..header.items {
        let at = items.len() - rest.len();
        let (item, taken) = match rest.first().copied() {
            Some(kind::STATE) => (state(rest)?, STATE_ITEM),
            Some(kind::ENTRIES | kind::MOVED) => {
                let whole = Body { items, data, seed, is_checked };
                whole.entries(at, &mut data_at)?
            }
            Some(kind::REMOVE) => (remove(rest)?, REMOVE_ITEM),
            Some(_) => return Err(Flaw::Nonsense("an item of unknown kind")),
            None => return Err(Flaw::Nonsense("fewer items than the header says")),
        };
        found.push(item);
        rest = rest.get(taken..).ok_or(Flaw::Nonsense("an item is cut short"))?;
    }
    if rest.is_empty() && data_at == data.len() {
        Ok(found)
    } else {
        Err(Flaw::Nonsense("more bytes than items"))
    }
}

struct Body<'a> {
    items: &'a [u8],
    data: &'a [u8],
    seed: u32,
    is_checked: bool,
}

impl Body<'_> {
    /// The entries item at `at`, its length, and its payloads held against their checksums.
    fn entries(&self, at: usize, data_at: &mut usize) -> Result<(Found, usize), Flaw> {
        let bytes = self.items.get(at..).unwrap_or_default();
        let item = EntriesItem::decode(bytes).ok_or(Flaw::Nonsense("a bad entries item"))?;
        let rows_len = (item.count as usize).saturating_mul(ROW);
        let rows = bytes
            .get(ENTRIES_ITEM..)
            .and_then(|rows| rows.get(..rows_len))
            .ok_or(Flaw::Nonsense("an entries item is cut short"))?;
        if at + item.distance as usize != self.items.len() + *data_at {
            return Err(Flaw::Nonsense("an entries item points elsewhere than to its data"));
        }
        let begin = *data_at;
        let mut last_term = 0;
        let rows_read = rows.chunks_exact(ROW).filter_map(Row::decode);
        for (index, row) in (item.first..).zip(rows_read) {
            let payload = self
                .data
                .get(*data_at..)
                .and_then(|rest| rest.get(..row.len as usize))
                .ok_or(Flaw::Nonsense("an entry is longer than the data"))?;
            if self.is_checked && !row.fits(self.seed, item.region, index, payload) {
                return Err(Flaw::Checksum);
            }
            if row.kind().is_none() {
                return Err(Flaw::Nonsense("an entry of unknown kind"));
            }
            *data_at += payload.len();
            last_term = row.term;
        }
        if *data_at - begin != item.data_len as usize {
            return Err(Flaw::Nonsense("an entries item's data has another length than its rows"));
        }
        let found = FoundEntries {
            region: RegionId(item.region),
            first: Index(item.first),
            count: item.count,
            last_term: Term(last_term),
            bytes: u32::try_from(rows_len + item.data_len as usize).unwrap_or(u32::MAX),
            at: u32::try_from(BATCH_HEADER + at).unwrap_or(u32::MAX),
            moved: item.moved,
        };
        Ok((Found::Entries(found), ENTRIES_ITEM + rows_len))
    }
}

fn state(bytes: &[u8]) -> Result<Found, Flaw> {
    let mut fields = bytes.get(..STATE_ITEM).ok_or(Flaw::Nonsense("a state is cut short"))?;
    fields.advance(1);
    let flags = fields.get_u8();
    if flags & !(flag::HARD_STATE | flag::VOTE | flag::RESET) != 0 {
        return Err(Flaw::Nonsense("a state with unknown flags"));
    }
    fields.advance(2);
    let generation = fields.get_u32_le().checked_sub(1);
    let region = RegionId(fields.get_u64_le());
    let term = Term(fields.get_u64_le());
    let vote = PeerId(fields.get_u64_le());
    let commit = Index(fields.get_u64_le());
    let vote = (flags & flag::VOTE != 0).then_some(vote);
    let hard_state = (flags & flag::HARD_STATE != 0).then_some(HardState { term, vote, commit });
    let base = Index(fields.get_u64_le());
    let base_term = Term(fields.get_u64_le());
    if base.get() == u64::MAX {
        return Err(Flaw::Nonsense("a state with a base beyond all indexes"));
    }
    let reset = flags & flag::RESET != 0;
    Ok(Found::State(State { region, hard_state, base, base_term, reset, generation }))
}

fn remove(bytes: &[u8]) -> Result<Found, Flaw> {
    let mut fields = bytes.get(..REMOVE_ITEM).ok_or(Flaw::Nonsense("a removal is cut short"))?;
    fields.advance(8);
    Ok(Found::Remove { region: RegionId(fields.get_u64_le()) })
}
