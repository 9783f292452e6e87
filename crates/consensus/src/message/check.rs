//! What every message must be like, whoever gets it (rule 7). What depends on the receiving replica
//! is in `replica/inbound.rs`.

use raft::eraftpb::{Entry, EntryType, Message, MessageType};

use super::{BINDS, MAX_NUMBER, MessageKind, READ_CONTEXT_BYTES};
use crate::{check_conf_state, convert};

pub(super) fn check(message: &Message) -> Result<(), &'static str> {
    let Some(kind) = MessageKind::from_raft(message.get_msg_type()) else {
        return Err("a local message");
    };
    if message.from == 0 || message.to == 0 || message.from == message.to {
        return Err("sender or recipient");
    }
    let numbers = [
        message.term,
        message.log_term,
        message.index,
        message.commit,
        message.commit_term,
        message.reject_hint,
    ];
    if numbers.iter().any(|number| *number >= MAX_NUMBER) {
        return Err("a number out of bounds");
    }
    // The library takes term 0 for a message of its own making.
    if (message.term == 0) != (kind == MessageKind::ReadIndex) {
        return Err("term 0");
    }
    if message.request_snapshot != 0 {
        return Err("asks for a snapshot");
    }
    check_read_context(kind, message)?;
    match kind {
        MessageKind::Append => check_append(message),
        MessageKind::Snapshot => check_snapshot(message),
        MessageKind::Vote | MessageKind::PreVote => check_vote(message),
        MessageKind::Heartbeat if message.reject_hint > BINDS => Err("what a heartbeat binds to"),
        MessageKind::AppendResponse if message.log_term > message.term => {
            Err("an entry of a term not yet reached")
        }
        _ => Ok(()),
    }
}

fn check_append(message: &Message) -> Result<(), &'static str> {
    // With term 0 the library finds any entry after its own log's end to match.
    if (message.index == 0) != (message.log_term == 0) {
        return Err("exactly the beginning of the log has term 0");
    }
    if message.log_term > message.term {
        return Err("an entry of a term not yet reached");
    }
    let (mut index, mut term) = (message.index, message.log_term.max(1));
    for entry in message.get_entries() {
        if entry.index != index + 1 {
            return Err("entries do not follow one another");
        }
        if entry.term < term || entry.term > message.term {
            return Err("an entry's term");
        }
        if entry.get_entry_type() == EntryType::EntryConfChange || !entry.context.is_empty() {
            return Err("an entry this crate does not write");
        }
        (index, term) = (entry.index, entry.term);
    }
    if index >= MAX_NUMBER { Err("a number out of bounds") } else { Ok(()) }
}

fn check_snapshot(message: &Message) -> Result<(), &'static str> {
    let meta = message.get_snapshot().get_metadata();
    if meta.index == 0 || meta.index >= MAX_NUMBER || meta.term == 0 || meta.term > message.term {
        return Err("a snapshot's position");
    }
    if meta.get_conf_state().get_voters().is_empty() {
        return Err("a snapshot without voters");
    }
    check_conf_state(&convert::conf_state_from_raft(meta.get_conf_state()))
}

fn check_vote(message: &Message) -> Result<(), &'static str> {
    if (message.index == 0) != (message.log_term == 0) || message.log_term > message.term {
        return Err("the log's end");
    }
    if message.commit > message.index || message.commit_term > message.log_term {
        return Err("committed after the log's end");
    }
    let transfer = message.context == raft::CAMPAIGN_TRANSFER;
    let known = message.context.is_empty() || transfer;
    if known { Ok(()) } else { Err("a kind of campaign") }
}

fn check_read_context(kind: MessageKind, message: &Message) -> Result<(), &'static str> {
    let is_context = |bytes: &[u8]| bytes.len() == READ_CONTEXT_BYTES;
    let fine = match kind {
        MessageKind::ReadIndex | MessageKind::ReadIndexResponse => {
            let one = |entry: &Entry| is_context(&entry.data) && entry.context.is_empty();
            matches!(message.get_entries(), [entry] if one(entry)) && message.context.is_empty()
        }
        MessageKind::Heartbeat | MessageKind::HeartbeatResponse => {
            message.get_entries().is_empty()
                && (message.context.is_empty() || is_context(&message.context))
        }
        MessageKind::Append => message.context.is_empty(),
        MessageKind::Vote | MessageKind::PreVote => message.get_entries().is_empty(),
        _ => message.get_entries().is_empty() && message.context.is_empty(),
    };
    if !fine {
        return Err("a read context");
    }
    let carries = message.get_msg_type() == MessageType::MsgSnapshot;
    if message.has_snapshot() != carries { Err("a snapshot") } else { Ok(()) }
}
