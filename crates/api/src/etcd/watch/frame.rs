use bytes::{Buf, Bytes, BytesMut};
use node::WatchEvent;
use prost::Message;
use proto::etcdserverpb as pb;

use super::super::convert;

/// The number of the field `events` in `WatchResponse`.
const EVENTS_FIELD: u32 = 11;

/// The number of the field `header` in `WatchResponse`.
const HEADER_FIELD: u32 = 1;

/// A `WatchResponse` on its way: what is its own, and the header and the events, as they are on the wire,
/// which it may share with many. Fields of a protobuf message may follow each other in any order, so
/// they are simply joined.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Frame {
    /// The field `header`; empty if it is in `head`.
    pub(super) header: Bytes,
    pub(super) head: pb::WatchResponse,
    pub(super) events: Bytes,
}

impl Frame {
    /// A response without events.
    pub(super) fn bare(head: pb::WatchResponse) -> Self {
        Self { header: Bytes::new(), head, events: Bytes::new() }
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.header.len() + self.head.encoded_len() + self.events.len()
    }
}

/// The field `header` as it is on the wire.
pub(super) fn encode_header(header: &pb::ResponseHeader) -> Bytes {
    let mut buffer = BytesMut::new();
    prost::encoding::message::encode(HEADER_FIELD, header, &mut buffer);
    buffer.freeze()
}

/// The field `events` as it is on the wire, from tag to last byte.
pub(super) fn encode(events: &[WatchEvent]) -> Bytes {
    let events: Vec<_> = events.iter().cloned().map(convert::event).collect();
    let bytes = prost::encoding::message::encoded_len_repeated(EVENTS_FIELD, &events);
    let mut buffer = BytesMut::with_capacity(bytes);
    prost::encoding::message::encode_repeated(EVENTS_FIELD, &events, &mut buffer);
    buffer.freeze()
}

/// Splits a response so that each part is smaller than `limit` bytes or has one event only; all but
/// the last say that more follows (etcd `sendFragments`). `events` comes from [`encode`].
pub(super) fn split(head: &pb::WatchResponse, events: &Bytes, limit: usize) -> Vec<Frame> {
    let head = pb::WatchResponse { fragment: true, ..head.clone() };
    let room = limit.saturating_sub(head.encoded_len());
    let mut frames = Vec::new();
    let mut start = 0;
    let mut end = 0;
    while end < events.len() {
        let next = end + first_event(&events[end..]);
        if end > start && next - start >= room {
            let events = events.slice(start..end);
            frames.push(Frame { header: Bytes::new(), head: head.clone(), events });
            start = end;
        }
        end = next;
    }
    let last = pb::WatchResponse { fragment: false, ..head };
    frames.push(Frame { header: Bytes::new(), head: last, events: events.slice(start..) });
    frames
}

/// Bytes of the first event, tag and length included.
fn first_event(mut encoded: &[u8]) -> usize {
    let whole = encoded.len();
    let length = prost::encoding::decode_key(&mut encoded)
        .and_then(|_| prost::encoding::decode_varint(&mut encoded))
        .ok()
        .and_then(|length| usize::try_from(length).ok());
    let prefix = whole - encoded.remaining();
    match length {
        Some(length) if length <= encoded.remaining() => prefix + length,
        _ => panic!("events encoded here do not read back, {whole} bytes from the end"),
    }
}
