//! Items to bytes.

use bytes::BufMut;
use crc32c::crc32c_append;
use types::{Entry, EntryKind, HardState, Index, RegionId, Term};

use super::layout::{
    ALIGN, BATCH_HEADER, BatchHeader, ENTRIES_ITEM, REMOVE_ITEM, ROW, STATE_ITEM, entry_checksum,
    flag, kind, stride,
};

/// One change of one region's log.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    State(State),
    Entries { region: RegionId, entries: &'a [Entry], moved: bool },
    Remove { region: RegionId },
}

/// All there is to know about a region besides its entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) region: RegionId,
    pub(crate) hard_state: Option<HardState>,
    pub(crate) base: Index,
    pub(crate) base_term: Term,
    pub(crate) reset: bool,
    pub(crate) generation: Option<u32>,
}

/// Where and in which segment a batch is about to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) mark: u64,
    pub(super) segment: u32,
    pub(super) seed: u32,
}

impl Item<'_> {
    fn items_len(&self) -> u64 {
        match self {
            Self::State(_) => STATE_ITEM as u64,
            Self::Entries { entries, .. } => (ENTRIES_ITEM + ROW * entries.len()) as u64,
            Self::Remove { .. } => REMOVE_ITEM as u64,
        }
    }

    fn data_len(&self) -> u64 {
        match self {
            Self::Entries { entries, .. } => entries.iter().map(|e| e.data.len() as u64).sum(),
            Self::State(_) | Self::Remove { .. } => 0,
        }
    }
}

/// Bytes a batch of `items` takes in a segment.
pub(super) fn batch_len(items: &[Item<'_>]) -> u64 {
    stride(items.iter().map(|item| item.items_len() + item.data_len()).sum())
}

/// Writes `items` as one batch into `buffer` and answers where each item lies in it. The caller has
/// checked that the batch stays below the limit, so every length fits 32 bits.
pub(super) fn batch(items: &[Item<'_>], place: Place, buffer: &mut Vec<u8>) -> Vec<u32> {
    let items_len: u64 = items.iter().map(Item::items_len).sum();
    let data_len: u64 = items.iter().map(Item::data_len).sum();
    buffer.clear();
    buffer.reserve(narrow(stride(items_len + data_len)) as usize);
    buffer.put_bytes(0, BATCH_HEADER);
    let mut offsets = Vec::with_capacity(items.len());
    let mut data_at = BATCH_HEADER as u64 + items_len;
    for item in items {
        let at = buffer.len() as u64;
        offsets.push(narrow(at));
        match item {
            Item::State(state) => put_state(buffer, state),
            Item::Entries { region, entries, moved } => {
                let lens = (narrow(data_at - at), narrow(item.data_len()));
                put_entries(buffer, *region, entries, *moved, lens, place.seed);
            }
            Item::Remove { region } => {
                buffer.put_u64_le(u64::from(kind::REMOVE));
                buffer.put_u64_le(region.get());
            }
        }
        data_at += item.data_len();
    }
    let items_checksum = crc32c_append(place.seed, buffer.get(BATCH_HEADER..).unwrap_or_default());
    for item in items {
        if let Item::Entries { entries, .. } = item {
            entries.iter().for_each(|entry| buffer.put_slice(&entry.data));
        }
    }
    let padded = buffer.len().next_multiple_of(narrow(ALIGN) as usize);
    buffer.resize(padded, 0);
    let header = BatchHeader {
        sequence: place.sequence,
        mark: place.mark,
        segment: place.segment,
        items_len: narrow(items_len),
        data_len: narrow(data_len),
        items_checksum,
        items: narrow(items.len() as u64),
    };
    buffer[..BATCH_HEADER].copy_from_slice(&header.encode(place.seed));
    offsets
}

fn put_state(buffer: &mut Vec<u8>, state: &State) {
    let hard = state.hard_state.unwrap_or_default();
    let mut flags = 0;
    if state.hard_state.is_some() {
        flags |= flag::HARD_STATE;
    }
    if hard.vote.is_some() {
        flags |= flag::VOTE;
    }
    if state.reset {
        flags |= flag::RESET;
    }
    buffer.put_u8(kind::STATE);
    buffer.put_u8(flags);
    buffer.put_bytes(0, 2);
    // One more, as 0 says that nothing is said; the last of all is left unsaid.
    buffer.put_u32_le(state.generation.map_or(0, |generation| generation.wrapping_add(1)));
    buffer.put_u64_le(state.region.get());
    buffer.put_u64_le(hard.term.get());
    buffer.put_u64_le(hard.vote.map_or(0, types::PeerId::get));
    buffer.put_u64_le(hard.commit.get());
    buffer.put_u64_le(state.base.get());
    buffer.put_u64_le(state.base_term.get());
}

fn put_entries(
    buffer: &mut Vec<u8>,
    region: RegionId,
    entries: &[Entry],
    moved: bool,
    (distance, data_len): (u32, u32),
    seed: u32,
) {
    buffer.put_u8(if moved { kind::MOVED } else { kind::ENTRIES });
    buffer.put_bytes(0, 3);
    buffer.put_u32_le(narrow(entries.len() as u64));
    buffer.put_u64_le(region.get());
    buffer.put_u64_le(entries.first().map_or(0, |entry| entry.index.get()));
    buffer.put_u32_le(distance);
    buffer.put_u32_le(data_len);
    for entry in entries {
        let kind = match entry.kind {
            EntryKind::Normal => 0,
            EntryKind::ConfChange => 1,
        };
        let (index, term) = (entry.index.get(), entry.term.get());
        buffer.put_u64_le(term);
        buffer.put_u32_le(narrow(entry.data.len() as u64));
        buffer.put_u32_le(entry_checksum(seed, region.get(), index, term, kind, &entry.data));
        buffer.put_u8(kind);
        buffer.put_bytes(0, 3);
    }
}

fn narrow(value: u64) -> u32 {
    let narrowed = u32::try_from(value);
    assert!(narrowed.is_ok(), "a batch below the limit has only lengths of 32 bits, not {value}");
    narrowed.unwrap_or_default()
}
