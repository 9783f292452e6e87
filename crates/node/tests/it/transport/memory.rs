use std::sync::Arc;

use bytes::Bytes;
use env::{Net, Refused, ThreadSpawn};
use node::transport::memory::{MemoryCarrier, MemoryNet};
use node::transport::{Carrier, Limits};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use types::{Code, Fault, NodeId};

use super::world::{Event, PATIENCE, Record};

struct Member {
    carrier: Arc<MemoryCarrier>,
    record: Arc<Record>,
    events: UnboundedReceiver<Event>,
}

impl Member {
    fn join(net: &MemoryNet, node: u64) -> Self {
        let (record, events) = Record::new();
        let carrier = net.join(NodeId(node), record.clone(), record.clone(), &ThreadSpawn);
        Self { carrier: carrier.unwrap(), record, events }
    }

    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }
}

fn frame(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

#[tokio::test]
async fn frames_keep_their_order_and_queues_their_bounds() {
    let limits = Limits { queue_frames: 100, queue_bytes: 8 * 50, ..Limits::default() };
    let net = MemoryNet::new(limits);
    let (mut one, mut two) = (Member::join(&net, 1), Member::join(&net, 2));
    assert_eq!(one.event().await, Event::Link(NodeId(2), true));
    assert_eq!(two.event().await, Event::Link(NodeId(1), true));

    let record = two.record.clone();
    let gate = record.gate.lock();
    let taken = (0..1_000).take_while(|n| one.carrier.send(NodeId(2), frame(*n)).is_ok()).count();
    assert!((50..=51).contains(&taken), "one may be on its way to the inbox: {taken}");
    // One sender's full queue is not another's.
    let three = Member::join(&net, 3);
    three.carrier.send(NodeId(2), frame(7)).unwrap();
    drop(gate);
    for number in 0..taken {
        assert_eq!(two.event().await, Event::Frame(NodeId(1), frame(number as u64)));
    }
    assert_eq!(two.event().await, Event::Link(NodeId(3), true));
    assert_eq!(two.event().await, Event::Frame(NodeId(3), frame(7)));
    assert_eq!(one.carrier.send(NodeId(1), frame(0)), Err(Refused));
    assert_eq!(one.carrier.send(NodeId(9), frame(0)), Err(Refused));
}

#[tokio::test]
async fn links_go_down_and_up_and_nodes_leave_and_come_back() {
    let net = MemoryNet::new(Limits::default());
    let (mut one, mut two) = (Member::join(&net, 1), Member::join(&net, 2));
    for member in [&mut one, &mut two] {
        assert!(matches!(member.event().await, Event::Link(_, true)));
    }
    net.set_link(NodeId(2), NodeId(1), false);
    assert_eq!(one.carrier.send(NodeId(2), frame(0)), Err(Refused));
    assert_eq!(one.event().await, Event::Link(NodeId(2), false));
    assert_eq!(two.event().await, Event::Link(NodeId(1), false));
    net.set_link(NodeId(1), NodeId(2), true);
    assert_eq!(one.event().await, Event::Link(NodeId(2), true));
    assert_eq!(two.event().await, Event::Link(NodeId(1), true));

    two.carrier.clone().shutdown().await;
    assert_eq!(one.event().await, Event::Link(NodeId(2), false));
    assert_eq!(two.carrier.send(NodeId(1), frame(0)), Err(Refused));
    let mut two = Member::join(&net, 2);
    assert_eq!(one.event().await, Event::Link(NodeId(2), true));
    assert_eq!(two.event().await, Event::Link(NodeId(1), true));
    one.carrier.send(NodeId(2), frame(1)).unwrap();
    assert_eq!(two.event().await, Event::Frame(NodeId(1), frame(1)));
}

#[tokio::test]
async fn snapshots_go_the_same_way() {
    let net = MemoryNet::new(Limits::default());
    let (one, mut two) = (Member::join(&net, 1), Member::join(&net, 2));
    assert_eq!(two.event().await, Event::Link(NodeId(1), true));
    let chunks = || Box::new((0..3).map(|n| Ok(frame(n))));
    one.carrier.send_snapshot(NodeId(2), chunks(), None).await.unwrap();
    let whole = (0..3).flat_map(|n| frame(n).to_vec()).collect();
    assert_eq!(two.event().await, Event::Snapshot(whole));

    *two.record.fail_after.lock() = Some(8);
    let failed = one.carrier.send_snapshot(NodeId(2), chunks(), None).await;
    assert_eq!(failed, Err(Fault::new(Code::NoSpace, "disk full")));
    assert_eq!(two.event().await, Event::Aborted);
    let nobody = one.carrier.send_snapshot(NodeId(9), chunks(), None).await;
    assert_eq!(nobody.unwrap_err().code, Code::Timeout);
}
