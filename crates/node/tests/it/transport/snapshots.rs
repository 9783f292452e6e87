use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bytes::Bytes;
use env::Net;
use node::transport::{Carrier, Chunks};
use types::{Code, Fault, NodeId};

use super::world::{Event, Node, World};

async fn linked() -> (Node, Node) {
    let world = World::new(2);
    let (mut one, mut two) = (world.start(1, Some(5)).await, world.start(2, Some(5)).await);
    one.up(2).await;
    two.up(1).await;
    (one, two)
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

fn chunks(data: &[u8], size: usize) -> Chunks {
    let chunks: Vec<_> = data.chunks(size).map(Bytes::copy_from_slice).map(Ok).collect();
    Box::new(chunks.into_iter())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_arrives_whole_beside_the_frames_and_against_the_direction_of_dialling() {
    let (one, mut two) = linked().await;
    let data = data(20 << 20);
    one.transport.send_snapshot(NodeId(2), chunks(&data, 300_007), None).await.unwrap();
    assert_eq!(two.event().await, Event::Snapshot(data.clone()));

    let mut one = one;
    let sending = two.transport.send_snapshot(NodeId(1), chunks(&data, 1 << 20), None);
    two.transport.send(NodeId(1), Bytes::from_static(b"frame")).unwrap();
    sending.await.unwrap();
    let mut events = [one.event().await, one.event().await];
    events.sort_by_key(|event| matches!(event, Event::Snapshot(_)));
    let frame = Event::Frame(NodeId(2), Bytes::from_static(b"frame"));
    assert_eq!(events, [frame, Event::Snapshot(data)]);

    one.transport.send_snapshot(NodeId(2), chunks(&[], 1), None).await.unwrap();
    assert_eq!(two.event().await, Event::Snapshot(Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_sink_says_reaches_the_sender() {
    let (one, mut two) = linked().await;
    let full = Fault::new(Code::NoSpace, "disk full");
    *two.record.fail_after.lock() = Some(1 << 20);
    // More than all queues between the two hold: the sender is stopped in the middle.
    let endless: Chunks = Box::new(std::iter::repeat_n(Ok(Bytes::from(vec![7; 1 << 20])), 200));
    let sent = one.transport.send_snapshot(NodeId(2), endless, None).await;
    assert_eq!(sent, Err(full));
    assert_eq!(two.event().await, Event::Aborted);

    *two.record.fail_after.lock() = None;
    let bad = Fault::new(Code::Corrupt, "checksum");
    *two.record.fail_finish.lock() = Some(bad.clone());
    let sent = one.transport.send_snapshot(NodeId(2), chunks(b"abc", 2), None).await;
    assert_eq!(sent, Err(bad));
    assert_eq!(two.event().await, Event::Snapshot(b"abc".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_cannot_be_completed_is_never_finished() {
    let (one, mut two) = linked().await;
    let broken: Chunks =
        Box::new([Ok(Bytes::from_static(b"ab")), Err("bad sector".to_owned())].into_iter());
    let fault = one.transport.send_snapshot(NodeId(2), broken, None).await.unwrap_err();
    assert_eq!(fault.code, Code::Internal);
    assert!(fault.detail.contains("bad sector"), "{fault}");
    assert_eq!(two.event().await, Event::Aborted);

    let large: Chunks = Box::new(std::iter::once(Ok(Bytes::from(vec![0; (16 << 20) + 1]))));
    let fault = one.transport.send_snapshot(NodeId(2), large, None).await.unwrap_err();
    assert!(fault.detail.contains("a chunk of 16777217 bytes"), "{fault}");
    assert_eq!(two.event().await, Event::Aborted);

    // The sender gives up, or goes down, in the middle.
    for (go_down, begun) in [(false, 3), (true, 4)] {
        let slow: Chunks = Box::new(std::iter::repeat_with(|| Ok(Bytes::from_static(b"chunk"))));
        let rate = NonZeroU64::new(1_000);
        let sending = tokio::spawn(one.transport.send_snapshot(NodeId(2), slow, rate));
        two.record.begun(begun).await;
        if go_down {
            one.transport.clone().shutdown().await;
            assert!(sending.await.unwrap().is_err());
            // The link goes down at the same time, before or after.
            let events = [two.event().await, two.event().await];
            assert!(events.contains(&Event::Aborted), "{events:?}");
        } else {
            sending.abort();
            assert_eq!(two.event().await, Event::Aborted);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_keep_to_their_rate_and_number() {
    let (one, mut two) = linked().await;
    let data = data(100_000);
    let rate = NonZeroU64::new(200_000);
    let start = Instant::now();
    let slow =
        |_| tokio::spawn(one.transport.send_snapshot(NodeId(2), chunks(&data, 10_000), rate));
    let both = [0, 1].map(slow);
    two.record.begun(2).await;
    let refused = one.transport.send_snapshot(NodeId(2), chunks(&[], 1), None).await.unwrap_err();
    assert_eq!(refused.code, Code::TooManyRequests);
    for slow in both {
        slow.await.unwrap().unwrap();
        assert_eq!(two.event().await, Event::Snapshot(data.clone()));
    }
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    one.transport.send_snapshot(NodeId(2), chunks(&[], 1), None).await.unwrap();
}
