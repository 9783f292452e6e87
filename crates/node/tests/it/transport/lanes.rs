//! Urgent frames do not wait behind the others.

use bytes::Bytes;
use env::{Net, ThreadSpawn};
use node::transport::Limits;
use node::transport::memory::MemoryNet;
use types::NodeId;

use super::world::{Event, Record, World};

fn bulk(number: u64) -> Bytes {
    let mut frame = number.to_be_bytes().to_vec();
    frame.resize(64 << 10, 0);
    frame.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_full_of_entries_still_brings_a_beat_and_brings_it_first() {
    let mut world = World::new(2);
    world.limits.queue_bytes = 16 << 20;
    let (mut one, mut two) = (world.start(1, Some(5)).await, world.start(2, Some(5)).await);
    one.up(2).await;
    two.up(1).await;
    let record = two.record.clone();
    let gate = record.gate.lock();
    let mut taken = 0;
    // What is on the wire is bounded, too: some time nothing moves any more.
    let mut refused = 0;
    while refused < 50 {
        if one.transport.send(NodeId(2), bulk(taken)).is_ok() {
            (taken, refused) = (taken + 1, 0);
        } else {
            refused += 1;
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
    let beat = Bytes::from_static(b"beat");
    one.transport.send_urgent(NodeId(2), beat.clone()).expect("room for what is urgent");
    drop(gate);
    let mut before = 0;
    let mut next = 0;
    while next < taken {
        match two.event().await {
            Event::Frame(_, frame) if frame == beat => before = next,
            Event::Frame(_, frame) => {
                assert_eq!(frame, bulk(next), "the others keep their order");
                next += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // All that it could not overtake was under way already; 16 MiB were in the queue.
    assert!(before > 0 && before <= taken - 200, "the beat came after {before} of {taken}");
}

#[tokio::test]
async fn a_full_queue_in_memory_still_brings_a_beat_and_brings_it_first() {
    let limits = Limits { queue_frames: 100, ..Limits::default() };
    let net = MemoryNet::new(limits);
    let (one, _events) = Record::new();
    let (two, mut events) = Record::new();
    let one = net.join(NodeId(1), one.clone(), one, &ThreadSpawn).unwrap();
    let _two = net.join(NodeId(2), two.clone(), two.clone(), &ThreadSpawn).unwrap();
    assert_eq!(events.recv().await, Some(Event::Link(NodeId(1), true)));
    let gate = two.gate.lock();
    let taken = (0..1_000).take_while(|n| one.send(NodeId(2), bulk(*n)).is_ok()).count();
    let beat = Bytes::from_static(b"beat");
    one.send_urgent(NodeId(2), beat.clone()).expect("room for what is urgent");
    drop(gate);
    let mut first = Vec::new();
    for _ in 0..2 {
        first.push(events.recv().await.unwrap());
    }
    assert!(first.contains(&Event::Frame(NodeId(1), beat)), "of {taken} at most one was ahead");
    // News of a link is not overtaken: what comes after it came through another link.
    net.set_link(NodeId(1), NodeId(2), false);
    net.set_link(NodeId(1), NodeId(2), true);
    one.send_urgent(NodeId(2), Bytes::from_static(b"later")).unwrap();
    let mut rest = Vec::new();
    while rest.last() != Some(&Event::Frame(NodeId(1), Bytes::from_static(b"later"))) {
        rest.push(events.recv().await.unwrap());
    }
    let ups = rest.iter().position(|event| *event == Event::Link(NodeId(1), true));
    assert_eq!(ups, Some(rest.len() - 2));
}
