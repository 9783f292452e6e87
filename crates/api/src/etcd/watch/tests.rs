use bytes::Bytes;
use node::{Header, WatchCreate, WatchEvent, WatchMessage};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use prost::Message;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::watch_request::RequestUnion;
use state::response::{EventKind, KeyValue};
use types::{Code, KeyRange, NodeId, Revision, Term};

use super::frame::{Frame, encode, split};
use super::translate::{Answers, Order, order};
use crate::etcd::convert;

fn create(create: pb::WatchCreateRequest) -> Order {
    order(pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) })
}

/// The frame as a client reads it.
fn read(frame: &Frame) -> pb::WatchResponse {
    let mut bytes = [&frame.header[..], &frame.head.encode_to_vec()].concat();
    bytes.extend_from_slice(&frame.events);
    assert_eq!(bytes.len(), frame.encoded_len());
    pb::WatchResponse::decode(Bytes::from(bytes)).unwrap()
}

fn an_event() -> impl Strategy<Value = WatchEvent> {
    let kv = || {
        (vec(any::<u8>(), 1..20), 0..300_usize).prop_map(|(key, bytes)| KeyValue {
            key: key.into(),
            value: vec![7; bytes].into(),
            mod_revision: Revision(5),
            ..KeyValue::default()
        })
    };
    (any::<bool>(), kv(), proptest::option::of(kv())).prop_map(|(put, kv, prev_kv)| WatchEvent {
        kind: if put { EventKind::Put } else { EventKind::Delete },
        kv,
        prev_kv,
    })
}

proptest! {
    #[test]
    fn parts_are_small_and_make_up_the_whole(
        events in vec(an_event(), 1..40),
        limit in 1..4_000_usize,
    ) {
        let head = pb::WatchResponse {
            header: Some(pb::ResponseHeader { revision: 5, ..Default::default() }),
            watch_id: 3,
            ..Default::default()
        };
        let encoded = encode(&events);
        let parts: Vec<_> = split(&head, &encoded, limit).iter().map(read).collect();

        let whole: Vec<_> = events.into_iter().map(convert::event).collect();
        let joined: Vec<_> = parts.iter().flat_map(|part| part.events.clone()).collect();
        prop_assert_eq!(&joined, &whole);
        for (at, part) in parts.iter().enumerate() {
            prop_assert!(part.encoded_len() < limit || part.events.len() == 1);
            prop_assert_eq!(part.fragment, at + 1 < parts.len());
            prop_assert_eq!((part.header, part.watch_id), (head.header, 3));
            // No part could have taken the next one's first event, too.
            if let Some(next) = parts.get(at + 1) {
                let mut fuller = part.clone();
                fuller.events.push(next.events[0].clone());
                prop_assert!(fuller.encoded_len() >= limit);
            }
        }
    }
}

#[test]
fn creations_mean_what_etcd_takes_them_for() {
    let plain = create(pb::WatchCreateRequest::default());
    let smallest = Bytes::from_static(b"\0");
    let watch = WatchCreate { range: KeyRange::single(&smallest), ..WatchCreate::default() };
    assert_eq!(plain, Order::Create { watch, fragment: false });

    let every = create(pb::WatchCreateRequest {
        range_end: "\0".into(),
        start_revision: 6,
        progress_notify: true,
        filters: vec![1, 77],
        prev_kv: true,
        watch_id: 12,
        fragment: true,
        ..Default::default()
    });
    let watch = WatchCreate {
        id: Some(12),
        range: KeyRange { start: smallest, end: None },
        start: Revision(6),
        prev_kv: true,
        progress_notify: true,
        no_put: false,
        no_delete: true,
    };
    assert_eq!(every, Order::Create { watch, fragment: true });

    let past = pb::WatchCreateRequest { start_revision: -1, ..Default::default() };
    assert_eq!(create(past), Order::Refuse(Code::Compacted));
    let backwards =
        pb::WatchCreateRequest { key: "b".into(), range_end: "a".into(), ..Default::default() };
    assert_eq!(create(backwards), Order::Refuse(Code::EmptyWatchRange));
    assert_eq!(order(pb::WatchRequest::default()), Order::Nothing);
}

fn header() -> Header {
    Header { member: NodeId(2), revision: Revision(99), term: Term(3), ..Header::default() }
}

fn answers(messages: Vec<WatchMessage>) -> Vec<pb::WatchResponse> {
    let mut answers = Answers::new(1 << 20);
    for message in messages {
        answers.message(&header(), message);
    }
    answers.ready.iter().map(read).collect()
}

fn wire(revision: i64) -> pb::WatchResponse {
    let header = pb::ResponseHeader { revision, ..convert::header(&header()) };
    pb::WatchResponse { header: Some(header), ..Default::default() }
}

#[test]
fn a_watchs_life_is_told_in_etcds_words() {
    let canceled = |id, compacted, fault: Option<Code>| WatchMessage::Canceled {
        id,
        revision: Revision(8),
        compacted: Revision(compacted),
        fault: fault.map(Into::into),
    };
    let told = answers(vec![
        WatchMessage::Created { id: 4, revision: Revision(7) },
        WatchMessage::Progress { id: -1, revision: Revision(8) },
        canceled(4, 0, None),
        canceled(5, 6, Some(Code::Compacted)),
        canceled(-1, 0, Some(Code::DuplicateWatch)),
    ]);
    let duplicate = "mvcc: duplicate watch ID provided on the WatchStream";
    assert_eq!(
        told,
        [
            pb::WatchResponse { watch_id: 4, created: true, ..wire(7) },
            pb::WatchResponse { watch_id: -1, ..wire(8) },
            pb::WatchResponse { watch_id: 4, canceled: true, ..wire(8) },
            pb::WatchResponse { watch_id: 5, canceled: true, compact_revision: 6, ..wire(8) },
            pb::WatchResponse {
                watch_id: -1,
                created: true,
                canceled: true,
                cancel_reason: duplicate.to_owned(),
                ..wire(8)
            },
        ]
    );
}

#[test]
fn a_watch_that_was_denied_is_told_its_end_and_nothing_else() {
    let mut answers = Answers::new(1_000);
    let header = Header { term: Term(1), ..Header::default() };
    let events = |answers: &mut Answers, id| {
        answers.events(wire(5).header.unwrap(), id, Bytes::from_static(b"\x5a\x00"));
        answers.ready.drain(..).count()
    };
    for id in [1, 2] {
        answers.asked(false, KeyRange::single(&Bytes::from_static(b"k")));
        answers.message(&header, WatchMessage::Created { id, revision: Revision(1) });
    }
    answers.ready.clear();
    answers.review(|id, _| if id == 1 { Err(Code::PermissionDenied.into()) } else { Ok(()) });
    assert_eq!((events(&mut answers, 1), events(&mut answers, 2)), (0, 1));
    let (revision, compacted) = (Revision(5), Revision(0));
    let end = WatchMessage::Canceled { id: 1, revision, compacted, fault: None };
    answers.message(&header, end);
    let end = read(&answers.ready.pop_front().unwrap());
    assert!(end.canceled && end.cancel_reason.contains("permission denied"), "{end:?}");
    assert_eq!(events(&mut answers, 1), 1, "another watch of the same number");
}

/// The encoded header is kept from message to message; each must still have its own.
#[test]
fn events_have_the_header_of_their_own_revision() {
    let event = WatchEvent {
        kind: EventKind::Put,
        kv: KeyValue { key: "k".into(), ..KeyValue::default() },
        prev_kv: None,
    };
    let events = encode(&[event]);
    let mut answers = Answers::new(1_000);
    for (revision, id) in [(0, 1), (5, 1), (5, 2), (6, 0), (5, 3)] {
        answers.events(wire(revision).header.unwrap(), id, events.clone());
    }
    let told = answers.ready.iter().map(read);
    let told: Vec<_> = told.map(|it| (it.header.unwrap(), it.watch_id, it.events.len())).collect();
    let header = |revision| wire(revision).header.unwrap();
    let wanted = [(0, 1), (5, 1), (5, 2), (6, 0), (5, 3)].map(|(at, id)| (header(at), id, 1));
    assert_eq!(told, wanted);
}

#[test]
fn what_is_refused_at_once_is_told_in_its_turn() {
    let mut answers = Answers::new(1_000);
    let refuse = |answers: &mut Answers| {
        answers.refuse(convert::header(&header()), &Code::PermissionDenied.into());
    };
    refuse(&mut answers);
    answers.asked(false, KeyRange::all());
    answers.asked(false, KeyRange::all());
    refuse(&mut answers);
    assert!(answers.holds_a_refusal());
    for id in [1, 2] {
        answers.message(&header(), WatchMessage::Created { id, revision: Revision(5) });
    }
    assert!(!answers.holds_a_refusal());
    let told = answers.ready.iter().map(|frame| (frame.head.watch_id, frame.head.canceled));
    assert_eq!(told.collect::<Vec<_>>(), [(-1, true), (1, false), (2, false), (-1, true)]);
}

#[test]
fn only_who_asked_gets_parts() {
    let event = |value: usize| WatchEvent {
        kind: EventKind::Put,
        kv: KeyValue { key: "k".into(), value: vec![1; value].into(), ..KeyValue::default() },
        prev_kv: None,
    };
    let events = encode(&[event(600), event(600)]);
    let mut answers = Answers::new(1_000);
    // The second creation fails; were it not counted, the third would get the second's wish.
    for fragment in [false, false, true] {
        answers.asked(fragment, KeyRange::all());
    }
    for id in [1, -1, 3] {
        let message = match id {
            -1 => WatchMessage::Canceled {
                id,
                revision: Revision(5),
                compacted: Revision(0),
                fault: Some(Code::DuplicateWatch.into()),
            },
            _ => WatchMessage::Created { id, revision: Revision(5) },
        };
        answers.message(&header(), message);
    }
    answers.ready.clear();
    let now = wire(5).header.unwrap();
    answers.events(now, 1, events.clone());
    answers.events(now, 3, events);
    assert!(answers.ready.iter().map(read).all(|response| response.header == Some(now)));
    let told: Vec<_> = answers
        .ready
        .iter()
        .map(read)
        .map(|response| (response.watch_id, response.events.len(), response.fragment))
        .collect();
    assert_eq!(told, [(1, 2, false), (3, 1, true), (3, 1, false)]);
}
