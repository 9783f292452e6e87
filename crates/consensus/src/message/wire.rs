//! A message's bytes. The one format there is has version 1; `docs/architecture/consensus.md` draws
//! it. Written by hand because it must refuse every other input without recursion or allocation by
//! claimed lengths, and because payloads are to be shared, not copied.

use bytes::{Buf, Bytes};
use raft::eraftpb;

use super::{Message, MessageKind};
use crate::{SnapshotMeta, convert};
use types::{ConfState, Index, PeerId, Term};

const VERSION: u8 = 1;
const REJECT: u8 = 1;
const TRANSFER: u8 = 2;
const AUTO_LEAVE: u8 = 1;

pub(super) fn encode(message: &Message, out: &mut Vec<u8>) {
    let raw = &message.0;
    let kind = message.kind();
    let transfer = raw.context == raft::CAMPAIGN_TRANSFER;
    out.push(VERSION);
    out.push(kind as u8);
    out.push(if raw.reject { REJECT } else { 0 } | if transfer { TRANSFER } else { 0 });
    for number in [
        raw.to,
        raw.from,
        raw.term,
        raw.log_term,
        raw.index,
        raw.commit,
        raw.commit_term,
        raw.reject_hint,
    ] {
        put_number(out, number);
    }
    match kind {
        MessageKind::Append => put_entries(out, raw.get_entries()),
        MessageKind::Snapshot => {
            put_snapshot(out, &convert::snapshot_from_raft(raw.get_snapshot()))
        }
        MessageKind::Heartbeat | MessageKind::HeartbeatResponse => put_bytes(out, &raw.context),
        MessageKind::ReadIndex | MessageKind::ReadIndexResponse => {
            put_bytes(out, raw.get_entries().first().map_or(&[], |entry| &entry.data));
        }
        _ => {}
    }
}

pub(super) fn decode(mut input: Bytes) -> Result<Message, &'static str> {
    if byte(&mut input)? != VERSION {
        return Err("an unknown version");
    }
    let kind = MessageKind::from_u8(byte(&mut input)?).ok_or("an unknown kind")?;
    let flags = byte(&mut input)?;
    if flags & !(REJECT | TRANSFER) != 0 {
        return Err("unknown flags");
    }
    let mut raw = eraftpb::Message::default();
    raw.set_msg_type(kind.to_raft());
    raw.reject = flags & REJECT != 0;
    for field in [
        &mut raw.to,
        &mut raw.from,
        &mut raw.term,
        &mut raw.log_term,
        &mut raw.index,
        &mut raw.commit,
        &mut raw.commit_term,
        &mut raw.reject_hint,
    ] {
        *field = number(&mut input)?;
    }
    match kind {
        MessageKind::Append => raw.set_entries(entries(&mut input)?.into()),
        MessageKind::Snapshot => {
            raw.set_snapshot(convert::snapshot_to_raft(&snapshot(&mut input)?));
        }
        MessageKind::Heartbeat | MessageKind::HeartbeatResponse => {
            raw.context = chunk(&mut input)?;
        }
        MessageKind::ReadIndex | MessageKind::ReadIndexResponse => {
            let data = chunk(&mut input)?;
            let entry = eraftpb::Entry { data, ..eraftpb::Entry::default() };
            raw.set_entries(vec![entry].into());
        }
        _ => {}
    }
    if flags & TRANSFER != 0 {
        if !matches!(kind, MessageKind::Vote | MessageKind::PreVote) {
            return Err("unknown flags");
        }
        raw.context = Bytes::from_static(raft::CAMPAIGN_TRANSFER);
    }
    if input.is_empty() { Ok(Message(raw)) } else { Err("bytes after the end") }
}

fn put_entries(out: &mut Vec<u8>, entries: &[eraftpb::Entry]) {
    put_number(out, entries.len() as u64);
    for entry in entries {
        let change = entry.get_entry_type() != eraftpb::EntryType::EntryNormal;
        out.push(u8::from(change));
        put_number(out, entry.term);
        put_number(out, entry.index);
        put_bytes(out, &entry.data);
    }
}

fn entries(input: &mut Bytes) -> Result<Vec<eraftpb::Entry>, &'static str> {
    /// Bytes of the smallest entry: kind, term, index and length of the payload.
    const SMALLEST: u64 = 4;
    let count = number(input)?;
    if count > input.len() as u64 / SMALLEST {
        return Err("more entries than bytes");
    }
    let mut entries = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let mut entry = eraftpb::Entry::default();
        entry.set_entry_type(match byte(input)? {
            0 => eraftpb::EntryType::EntryNormal,
            1 => eraftpb::EntryType::EntryConfChangeV2,
            _ => return Err("an unknown kind of entry"),
        });
        entry.term = number(input)?;
        entry.index = number(input)?;
        entry.data = chunk(input)?;
        entries.push(entry);
    }
    Ok(entries)
}

fn put_snapshot(out: &mut Vec<u8>, snapshot: &SnapshotMeta) {
    put_number(out, snapshot.index.get());
    put_number(out, snapshot.term.get());
    let conf = &snapshot.conf_state;
    out.push(if conf.auto_leave { AUTO_LEAVE } else { 0 });
    for list in [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next] {
        put_number(out, list.len() as u64);
        for peer in list {
            put_number(out, peer.get());
        }
    }
    put_bytes(out, &snapshot.data);
}

fn snapshot(input: &mut Bytes) -> Result<SnapshotMeta, &'static str> {
    let (index, term) = (Index(number(input)?), Term(number(input)?));
    let auto_leave = match byte(input)? {
        0 => false,
        AUTO_LEAVE => true,
        _ => return Err("unknown flags"),
    };
    let conf_state = ConfState {
        voters: peers(input)?,
        learners: peers(input)?,
        voters_outgoing: peers(input)?,
        learners_next: peers(input)?,
        auto_leave,
    };
    Ok(SnapshotMeta { index, term, conf_state, data: chunk(input)? })
}

fn peers(input: &mut Bytes) -> Result<Vec<PeerId>, &'static str> {
    let count = number(input)?;
    if count > input.len() as u64 {
        return Err("more peers than bytes");
    }
    let peers = (0..count).map(|_| number(input).map(PeerId)).collect::<Result<Vec<_>, _>>()?;
    // One form for one set, so that the same message has the same bytes everywhere.
    if peers.is_sorted() { Ok(peers) } else { Err("peers out of order") }
}

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        #[allow(clippy::cast_possible_truncation, reason = "the low seven bits are wanted")]
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    #[allow(clippy::cast_possible_truncation, reason = "less than 0x80")]
    out.push(number as u8);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn byte(input: &mut Bytes) -> Result<u8, &'static str> {
    if input.is_empty() { Err("cut off") } else { Ok(input.get_u8()) }
}

/// LEB128, in its shortest form only.
pub(super) fn number(input: &mut Bytes) -> Result<u64, &'static str> {
    let mut value = 0_u64;
    for at in 0..10 {
        let byte = byte(input)?;
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return Err("a number over 64 bits");
        }
        value |= bits << (7 * at);
        if byte < 0x80 {
            return if byte == 0 && at > 0 { Err("a padded number") } else { Ok(value) };
        }
    }
    Err("a number over 64 bits")
}

pub(super) fn chunk(input: &mut Bytes) -> Result<Bytes, &'static str> {
    let len = usize::try_from(number(input)?).map_err(|_| "cut off")?;
    if len <= input.len() { Ok(input.split_to(len)) } else { Err("cut off") }
}
