use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use env::{Net, Refused};
use node::transport::Carrier;
use proto::peer::HelloRequest;
use proto::peer::peer_client::PeerClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use types::{ClusterId, Code, NodeId};

use super::world::{Event, Node, PATIENCE, Proxy, World, send};

fn numbered(number: u64) -> Bytes {
    // Lengths vary so that frames cross the borders of what is read and written at once.
    let mut frame = number.to_be_bytes().to_vec();
    frame.resize(8 + usize::try_from(number % 97).unwrap() * 31, 7);
    frame.into()
}

async fn linked(world: &World) -> (Node, Node) {
    let (mut one, mut two) = (world.start(1, Some(5)).await, world.start(2, Some(5)).await);
    one.up(2).await;
    two.up(1).await;
    (one, two)
}

async fn both_ways(one: &mut Node, two: &mut Node) {
    send(&one.transport, 2, numbered(1)).await;
    send(&two.transport, 1, numbered(2)).await;
    assert_eq!(two.event().await, Event::Frame(NodeId(1), numbered(1)));
    assert_eq!(one.event().await, Event::Frame(NodeId(2), numbered(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_in_order_both_ways() {
    const FRAMES: u64 = 10_000;
    let world = World::new(2);
    let (mut one, mut two) = linked(&world).await;
    let flow = |node: &Node, to: u64| {
        let transport = node.transport.clone();
        tokio::spawn(async move {
            for number in 0..FRAMES {
                send(&transport, to, numbered(number)).await;
            }
        })
    };
    let flows = [flow(&one, 2), flow(&two, 1)];
    for number in 0..FRAMES {
        assert_eq!(two.event().await, Event::Frame(NodeId(1), numbered(number)));
        assert_eq!(one.event().await, Event::Frame(NodeId(2), numbered(number)));
    }
    for flow in flows {
        flow.await.unwrap();
    }
    one.no_event();
    two.no_event();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_comes_back_after_either_side_restarts() {
    let world = World::new(2);
    let (mut one, mut two) = linked(&world).await;
    for restarted in [2, 1, 2] {
        let (stays, goes) =
            if restarted == 2 { (&mut one, &mut two) } else { (&mut two, &mut one) };
        // What was queued before the shutdown still arrives.
        send(&goes.transport, 3 - restarted, numbered(9)).await;
        goes.transport.clone().shutdown().await;
        goes.down(3 - restarted).await;
        assert_eq!(stays.event().await, Event::Frame(NodeId(restarted), numbered(9)));
        stays.down(restarted).await;
        assert_eq!(stays.transport.send(NodeId(restarted), numbered(0)), Err(Refused));
        *goes = world.start(restarted, None).await;
        one.up(2).await;
        two.up(1).await;
        both_ways(&mut one, &mut two).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_is_refused_on_both_sides() {
    let world = World::new(2);
    let (mut one, mut two) = (world.start(1, Some(5)).await, world.start(2, Some(6)).await);
    one.trouble(2, &format!("cluster {}", ClusterId(6))).await;
    two.trouble(1, &format!("belongs to cluster {}", ClusterId(5))).await;
    one.no_event();
    two.no_event();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_another_identity_is_refused_whoever_dials() {
    let world = World::new(3);
    let two = world.start(2, Some(5)).await;
    two.directory.0.lock().extend([(NodeId(1), 77), (NodeId(3), 88)]);
    let (mut one, mut three) = (world.start(1, Some(5)).await, world.start(3, Some(5)).await);
    let gone = "was a member with other data, and that is gone";
    one.trouble(2, gone).await;
    two.trouble(1, gone).await;
    // Node 2 dials node 3, and tells it why there will be no link.
    three.trouble(2, gone).await;
    two.trouble(3, gone).await;
    one.up(3).await;
    three.up(1).await;
    one.no_event();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_costs_bounded_memory_and_loses_nothing_taken() {
    let mut world = World::new(2);
    world.limits.queue_bytes = 8 << 20;
    let (one, mut two) = linked(&world).await;
    let record = two.record.clone();
    let gate = record.gate.lock();
    let frame = |number: u64| {
        let mut frame = number.to_be_bytes().to_vec();
        frame.resize(64 << 10, 0);
        Bytes::from(frame)
    };
    // Full means full for a while: the network's own buffers take some first.
    let mut taken = 0;
    let mut refused = Instant::now();
    while refused.elapsed() < Duration::from_millis(300) {
        if one.transport.send(NodeId(2), frame(taken)).is_ok() {
            taken += 1;
            refused = Instant::now();
        }
        std::thread::yield_now();
    }
    let bytes = taken << 16;
    assert!(bytes >= 8 << 20, "the queue takes what it says: {bytes}");
    assert!(bytes <= 24 << 20, "queue, one window and the socket, no more: {bytes}");
    drop(gate);
    for number in 0..taken {
        assert_eq!(two.event().await, Event::Frame(NodeId(1), frame(number)));
    }
    two.no_event();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_falls_silent_goes_down_on_both_sides_and_comes_back() {
    let mut world = World::new(2);
    world.limits.keepalive_interval = Duration::from_millis(200);
    world.limits.keepalive_timeout = Duration::from_millis(600);
    world.limits.connect = Duration::from_millis(300);
    let proxy = Proxy::start(world.address(2), 0).await;
    let via = vec![(NodeId(2), proxy.address.clone())];
    let mut one = world.start_with(1, Some(5), &world.initial, via).await;
    let mut two = world.start(2, Some(5)).await;
    one.up(2).await;
    two.up(1).await;
    both_ways(&mut one, &mut two).await;
    proxy.silent.send_replace(true);
    let cut = Instant::now();
    one.down(2).await;
    two.down(1).await;
    assert!(cut.elapsed() < Duration::from_secs(5), "{:?}", cut.elapsed());
    proxy.silent.send_replace(false);
    one.up(2).await;
    two.up(1).await;
    both_ways(&mut one, &mut two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_peer_has_no_link_until_it_is_named_again() {
    let world = World::new(2);
    let (mut one, mut two) = linked(&world).await;
    two.transport.set_peers(Vec::new());
    two.down(1).await;
    one.down(2).await;
    one.trouble(2, "is not a member that n2 knows of").await;
    two.transport.set_peers(world.initial.peers());
    one.up(2).await;
    two.up(1).await;
    both_ways(&mut one, &mut two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_peer_port_hurts_nobody() {
    let mut world = World::new(2);
    world.limits.connect = Duration::from_millis(300);
    let two = world.start(2, Some(5)).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let garbage: [Vec<u8>; 6] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        noise.clone(),
        preface[..10].to_vec(),
        preface.clone(),
        [&preface[..], &noise].concat(),
        Vec::new(),
    ];
    for bytes in garbage {
        let mut stream = TcpStream::connect(world.address(2)).await.unwrap();
        // It may close in the middle of our writing; either way it must close.
        drop(stream.write_all(&bytes).await);
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        closed.expect("a stranger's connection is closed").ok();
    }
    let mut client = PeerClient::connect(format!("http://{}", world.address(2))).await.unwrap();
    let status = client.hello(HelloRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    let status = client.link(futures::stream::empty()).await.unwrap_err();
    assert!(status.message().contains("no hello"), "{status:?}");

    let mut one = world.start(1, Some(5)).await;
    one.up(2).await;
    drop(two);
    one.down(2).await;
}

#[tokio::test]
async fn a_frame_over_the_limit_or_for_nobody_is_refused() {
    let mut world = World::new(2);
    world.limits.frame_bytes = 1_000;
    let (one, mut two) = linked(&world).await;
    assert_eq!(one.transport.send(NodeId(2), Bytes::from(vec![0; 1_001])), Err(Refused));
    assert_eq!(one.transport.send(NodeId(9), Bytes::new()), Err(Refused));
    let largest = Bytes::from(vec![1; 1_000]);
    send(&one.transport, 2, largest.clone()).await;
    assert_eq!(two.event().await, Event::Frame(NodeId(1), largest));
    let sent = one.transport.send_snapshot(NodeId(9), Box::new(std::iter::empty()), None).await;
    assert_eq!(sent.unwrap_err().code, Code::MemberNotFound);
    let _: Arc<dyn Carrier> = one.transport.clone();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_learned_later_ends_a_link_that_was_taken() {
    let world = World::new(2);
    let (mut one, mut two) = linked(&world).await;
    two.transport.review();
    two.directory.0.lock().insert(NodeId(1), 77);
    two.transport.review();
    two.down(1).await;
    one.down(2).await;
    one.trouble(2, "was a member with other data").await;
    one.no_event();
}

#[tokio::test]
async fn a_transport_that_was_shut_down_holds_nothing_of_the_driver() {
    let world = World::new(2);
    let (one, two) = linked(&world).await;
    let record = Arc::downgrade(&one.record);
    one.transport.clone().shutdown().await;
    let transport = one.transport.clone();
    drop(one);
    // The tasks of connections end by themselves a little later.
    let freed = timeout(PATIENCE, async {
        while record.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    });
    freed.await.expect("the driver's parts to be let go of");
    assert_eq!(transport.send(NodeId(2), Bytes::new()), Err(Refused));
    drop(two);
}
