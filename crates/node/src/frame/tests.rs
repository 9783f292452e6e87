use bytes::Bytes;
use consensus::{Message, MessageKind};
use proptest::prelude::*;
use region::{RegionMessage, Sleep, SleepKind};
use types::{Code, Fault, Index, NodeId, PeerId, RegionId, Term};

use super::{FRAME_BYTES, Frame, Frames, Item, Question, decode};
use crate::liveness::{Beat, Summary};
use crate::traffic::Lane;

#[test]
fn frames_stay_short_and_every_item_arrives_in_order() {
    let mut frames = Frames::default();
    let body = vec![7; 300_000];
    for id in 0..40 {
        for to in [NodeId(1), NodeId(2)] {
            frames.request((to, id), RegionId(3), Question::Propose, &body, None);
        }
    }
    let mut next = [0, 0];
    for (to, Frame { bytes: frame, .. }) in frames.drain() {
        assert!(frame.len() < FRAME_BYTES + body.len() + 64, "{} bytes", frame.len());
        decode(frame.into(), |item| {
            let Item::Request { id, body: got, .. } = item else { panic!("{item:?}") };
            let next = &mut next[usize::from(to == NodeId(2))];
            assert_eq!((id, got.as_ref()), (*next, body.as_slice()));
            *next += 1;
        })
        .unwrap();
    }
    assert_eq!(next, [40, 40]);
}

#[test]
fn commands_and_their_refusals_arrive() {
    let mut frames = Frames::default();
    let fault = Fault::new(Code::NoSpace, "full");
    let header = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = spans::Context::parse(header);
    frames.command(NodeId(1), RegionId(300), 70_000, b"envelope", trace);
    frames.refused(NodeId(1), RegionId(300), 70_000, &fault);
    let (_, frame) = frames.drain().next().unwrap();
    let mut items = Vec::new();
    decode(frame.bytes.into(), |item| items.push(item)).unwrap();
    let [
        Item::Trace(told_trace),
        Item::Command { region: RegionId(300), sequence: 70_000, data },
        Item::Refused { region: RegionId(300), sequence: 70_000, fault: told },
    ] = &items[..]
    else {
        panic!("{items:?}")
    };
    assert_eq!((data.as_ref(), told), (&b"envelope"[..], &fault));
    assert!(trace.is_some() && *told_trace == trace);
}

/// A heartbeat as a leader far along sends it.
fn heartbeat(region: u64) -> RegionMessage {
    // Heartbeat, without context: flags, to, from, term 300, commit 1,000,000.
    let mut bytes = Bytes::from_static(&[0, 2, 1, 0xac, 2, 0xc0, 0x84, 0x3d]);
    let message = Message::decode_compact(&mut bytes).unwrap();
    RegionMessage { region: RegionId(region), message }
}

#[test]
fn one_frame_a_peer_carries_the_beat_and_the_heartbeats_in_few_bytes_each() {
    const REGIONS: u64 = 1_000;
    let mut frames = Frames::default();
    let beat =
        Beat { incarnation: 9, sequence: 4, echo: None, summary: Summary::default(), auth: 0 };
    frames.beat(NodeId(2), &beat);
    for region in 1..=REGIONS {
        frames.raft(NodeId(2), &heartbeat(region), region % 2 == 0);
    }
    let all: Vec<_> = frames.drain().collect();
    let [(NodeId(2), frame)] = &all[..] else { panic!("{} frames", all.len()) };
    assert_eq!((frame.lane, frame.contents.heartbeats), (Lane::Urgent, REGIONS));
    assert!(frame.bytes.len() as u64 <= 11 * REGIONS + 32, "{} bytes", frame.bytes.len());
    let mut items = Vec::new();
    decode(Bytes::copy_from_slice(&frame.bytes), |item| items.push(item)).unwrap();
    assert!(matches!(&items[0], Item::Beat(first) if *first == beat), "the beat comes first");
    for (region, item) in (1..).zip(&items[1..]) {
        let Item::Raft(item) = item else { panic!("{item:?}") };
        assert_eq!((item.message.region, item.is_current), (RegionId(region), region % 2 == 0));
        assert_eq!(item.message.message, heartbeat(region).message);
    }
    assert_eq!(items.len() as u64, 1 + REGIONS);
}

/// It comes with its records or not at all.
#[test]
fn a_snapshot_that_is_announced_in_a_frame_is_refused() {
    // Version, kind, flags; to, from, term; four that do not matter, and a hint; index 9 of term 2 with one
    // voter, no other peers, and no data.
    let bytes: &[u8] =
        &[1, MessageKind::Snapshot as u8, 0, 2, 1, 3, 0, 0, 0, 0, 0, 9, 2, 0, 1, 1, 0, 0, 0, 0];
    let message = Message::decode(bytes).unwrap();
    assert_eq!(message.snapshot_meta().map(|meta| meta.index), Some(Index(9)));
    let mut frames = Frames::default();
    frames.raft(NodeId(2), &RegionMessage { region: RegionId(3), message }, false);
    let (_, frame) = frames.drain().next().unwrap();
    let told = decode(frame.bytes.into(), |item| panic!("{item:?}")).unwrap_err();
    assert_eq!(told, "a snapshot is announced without its records");
}

#[test]
fn urgent_items_go_in_frames_of_their_own_ahead_of_the_others() {
    let mut frames = Frames::default();
    frames.request((NodeId(2), 1), RegionId(3), Question::Propose, b"command", None);
    frames.request((NodeId(2), 2), RegionId(3), Question::RenewLease, b"lease", None);
    frames.raft(NodeId(2), &heartbeat(3), true);
    let word = |kind| Sleep {
        region: RegionId(300),
        from: PeerId(1),
        to: PeerId(2),
        term: Term(7),
        index: Index(70_000),
        attempt: u32::MAX,
        kind,
    };
    frames.sleep(NodeId(2), &word(SleepKind::Ask));
    frames.sleep(NodeId(2), &word(SleepKind::Wake));
    let mut kinds = Vec::new();
    for (_, frame) in frames.drain() {
        decode(frame.bytes.into(), |item| {
            assert_eq!(item.lane(), frame.lane);
            kinds.push(match item {
                Item::Request { id: 1, .. } => "command",
                Item::Request { id: 2, .. } => "renewal",
                Item::Raft(_) => "heartbeat",
                Item::Sleep(got) if got == word(SleepKind::Ask) => "ask",
                Item::Sleep(got) if got == word(SleepKind::Wake) => "wake",
                other => panic!("{other:?}"),
            });
        })
        .unwrap();
    }
    assert_eq!(kinds, ["renewal", "heartbeat", "wake", "command", "ask"]);
}

proptest! {
    #[test]
    fn garbage_ends_a_frame_and_nothing_else(
        bytes in prop::collection::vec(prop_oneof![0_u8..12, any::<u8>()], 0..200),
    ) {
        let total = bytes.len();
        let mut items = 0;
        let _ = decode(bytes.into(), |_| items += 1);
        prop_assert!(items <= total, "more items than bytes");
    }
}
