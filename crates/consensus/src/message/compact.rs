//! Heartbeats and their answers in a few bytes: a node sends one for each of its regions to each of
//! its peers, over and over, and most of what a message can carry is empty in them.

use bytes::Bytes;
use raft::eraftpb;

use super::{Message, MessageKind, wire};

/// An answer, not a question.
const RESPONSE: u8 = 1;
/// A read context follows.
const CONTEXT: u8 = 2;
/// It binds who hears it.
const BINDS: u8 = 4;

/// `false`, and nothing in `out`, for whatever does not fit this form.
pub(super) fn encode(message: &Message, out: &mut Vec<u8>) -> bool {
    let raw = &message.0;
    let kind = match message.kind() {
        MessageKind::Heartbeat => 0,
        MessageKind::HeartbeatResponse => RESPONSE,
        _ => return false,
    };
    let hint = if message.binds() { super::BINDS } else { 0 };
    let others = [raw.log_term, raw.index, raw.commit_term, raw.reject_hint ^ hint];
    if raw.reject || others.iter().any(|number| *number != 0) {
        return false;
    }
    let context = if raw.context.is_empty() { 0 } else { CONTEXT };
    out.push(kind | context | if message.binds() { BINDS } else { 0 });
    for number in [raw.to, raw.from, raw.term, raw.commit] {
        wire::put_number(out, number);
    }
    if !raw.context.is_empty() {
        wire::put_bytes(out, &raw.context);
    }
    true
}

pub(super) fn decode(input: &mut Bytes) -> Result<Message, &'static str> {
    let flags = wire::byte(input)?;
    if flags & !(RESPONSE | CONTEXT | BINDS) != 0 || flags & (RESPONSE | BINDS) == RESPONSE | BINDS
    {
        return Err("unknown flags");
    }
    let kind =
        if flags & RESPONSE == 0 { MessageKind::Heartbeat } else { MessageKind::HeartbeatResponse };
    let mut raw = eraftpb::Message::default();
    raw.set_msg_type(kind.to_raft());
    for field in [&mut raw.to, &mut raw.from, &mut raw.term, &mut raw.commit] {
        *field = wire::number(input)?;
    }
    if flags & BINDS != 0 {
        raw.reject_hint = super::BINDS;
    }
    if flags & CONTEXT != 0 {
        raw.context = wire::chunk(input)?;
        if raw.context.is_empty() {
            return Err("a read context");
        }
        // So small a piece must not keep the whole frame alive.
        raw.context = Bytes::copy_from_slice(&raw.context);
    }
    Ok(Message(raw))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use raft::eraftpb;

    use super::super::{MAX_NUMBER, Message, MessageKind, READ_CONTEXT_BYTES};

    fn heartbeat() -> impl Strategy<Value = Message> {
        let context = prop_oneof![
            Just(Vec::new()),
            prop::collection::vec(any::<u8>(), READ_CONTEXT_BYTES..=READ_CONTEXT_BYTES)
        ];
        let numbers = (1..u64::MAX, 1..MAX_NUMBER, 0..MAX_NUMBER);
        let kinds = prop_oneof![Just((true, false)), Just((false, false)), Just((false, true))];
        (kinds, numbers, context).prop_map(|((response, binds), (to, term, commit), context)| {
            let kind =
                if response { MessageKind::HeartbeatResponse } else { MessageKind::Heartbeat };
            let mut raw = eraftpb::Message::default();
            raw.set_msg_type(kind.to_raft());
            (raw.to, raw.from, raw.term, raw.commit) = (to, to + 1, term, commit);
            raw.context = context.into();
            raw.reject_hint = u64::from(binds);
            Message(raw)
        })
    }

    proptest! {
        #[test]
        fn heartbeats_come_back_one_after_the_other(list in prop::collection::vec(heartbeat(), 1..9)) {
            let mut out = Vec::new();
            for message in &list {
                prop_assert!(message.encode_compact_into(&mut out));
            }
            let mut input = Bytes::from(out.clone());
            for message in &list {
                prop_assert_eq!(&Message::decode_compact(&mut input).unwrap(), message);
            }
            prop_assert!(input.is_empty());
            out.pop();
            let mut input = Bytes::from(out);
            let taken = list.iter().take_while(|_| Message::decode_compact(&mut input).is_ok());
            prop_assert_eq!(taken.count(), list.len() - 1);
        }

        #[test]
        fn garbage_is_refused_or_a_valid_heartbeat(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut input = Bytes::from(bytes);
            while let Ok(message) = Message::decode_compact(&mut input) {
                prop_assert!(message.check().is_ok());
            }
        }
    }

    #[test]
    fn other_messages_are_left_to_the_long_form() {
        for kind in MessageKind::ALL {
            let mut raw = eraftpb::Message::default();
            raw.set_msg_type(kind.to_raft());
            (raw.to, raw.from, raw.term) = (1, 2, 3);
            let is_short = matches!(kind, MessageKind::Heartbeat | MessageKind::HeartbeatResponse);
            let mut out = Vec::new();
            assert_eq!(Message(raw.clone()).encode_compact_into(&mut out), is_short, "{kind:?}");
            assert_eq!(out.is_empty(), !is_short);
            raw.index = 1;
            assert!(!Message(raw).encode_compact_into(&mut Vec::new()), "{kind:?} with more in it");
        }
    }
}
