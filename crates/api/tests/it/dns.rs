//! DNS over real sockets: what was registered is found, and broken clients harm nobody.

use std::net::SocketAddr;
use std::time::Duration;

use api::{DnsSockets, Zone, serve_dns};
use node::Handle;
use state::command::Command;
use state::registry::{
    DEFAULT_NAMESPACE, Instance, InstanceKey, Node, Registration, RegistryCommand, Target, Weights,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::time::timeout;
use types::Revision;

use crate::server::Server;

const A: u16 = 1;
const NOTHING: u8 = 3;
const TRUNCATED: u8 = 0x02;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&A.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet
}

/// The code, and how many answers.
fn outcome(answer: &[u8]) -> (u8, u16) {
    (answer[3] & 0x0f, u16::from_be_bytes([answer[6], answer[7]]))
}

pub(crate) async fn over_udp(at: SocketAddr, name: &str) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    socket.send(&query(7, name)).await.unwrap();
    let mut packet = vec![0; 65_535];
    let length = timeout(PATIENCE, socket.recv(&mut packet)).await.unwrap().unwrap();
    packet.truncate(length);
    assert_eq!(packet[..2], [0, 7]);
    packet
}

pub(crate) async fn send(stream: &mut TcpStream, packet: &[u8]) {
    stream.write_u16(u16::try_from(packet.len()).unwrap()).await.unwrap();
    stream.write_all(packet).await.unwrap();
}

pub(crate) async fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
    let mut packet = vec![0; usize::from(length)];
    timeout(PATIENCE, stream.read_exact(&mut packet)).await.unwrap().unwrap();
    packet
}

async fn register(handle: &Handle, service: &str, number: u8) {
    let (zero, node) = (Revision(0), format!("node{number}"));
    let instance = Instance {
        node: node.as_str().into(),
        namespace: DEFAULT_NAMESPACE.into(),
        id: format!("{service}-{number}").as_str().into(),
        service: service.into(),
        tags: [].into(),
        address: "".into(),
        port: 80,
        meta: [].into(),
        weights: Weights::default(),
        enable_tag_override: false,
        tagged_addresses: [].into(),
        zone: "".into(),
        extra: [].into(),
        created: zero,
        modified: zero,
    };
    let node = Node {
        name: node.as_str().into(),
        id: "".into(),
        address: format!("10.0.0.{number}").as_str().into(),
        tagged_addresses: [].into(),
        meta: [].into(),
        created: zero,
        modified: zero,
    };
    let registration = Registration {
        node,
        skip_node_update: false,
        instance: Some(instance),
        checks: Vec::new(),
        replace_checks: false,
    };
    propose(handle, RegistryCommand::Register(Box::new(registration))).await;
}

async fn propose(handle: &Handle, command: RegistryCommand) {
    let keyspace = handle.registry_keyspace().await.unwrap();
    handle.propose(keyspace, Command::Registry(command)).await.unwrap();
}

#[tokio::test]
async fn what_is_registered_is_found_over_udp_and_tcp() {
    let server = Server::start().await;
    let handle = server.handle();
    let sockets = DnsSockets::bind("127.0.0.1:0").await.unwrap();
    let at = sockets.address().unwrap();
    let zone = Zone::new("consul", "dc1", 0).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async { drop(stopped.await) };
    let serving = tokio::spawn(serve_dns(handle.clone(), sockets, zone, shutdown));

    // Nobody registered anything: there is no registry yet, and that is known.
    assert_eq!(outcome(&over_udp(at, "web.service.consul").await), (NOTHING, 0));
    for number in 1..=60 {
        register(&handle, "web", number).await;
    }
    register(&handle, "single", 61).await;
    assert_eq!(outcome(&over_udp(at, "single.service.consul").await), (0, 1));
    assert_eq!(outcome(&over_udp(at, "node9.node.consul").await), (0, 1));

    // As much as fits, in another order each time; all of it over TCP.
    let mut firsts = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let answer = over_udp(at, "web.service.consul").await;
        assert!(answer.len() <= 512 && answer[2] & TRUNCATED != 0);
        firsts.insert(answer[48..52].to_vec());
    }
    assert!(firsts.len() > 3, "{firsts:?}");
    let mut stream = TcpStream::connect(at).await.unwrap();
    for id in 0..3 {
        send(&mut stream, &query(id, "web.service.consul")).await;
    }
    for id in 0..3_u16 {
        let answer = receive(&mut stream).await;
        assert_eq!((&answer[..2], outcome(&answer)), (&id.to_be_bytes()[..], (0, 60)));
        assert_eq!(answer[2] & TRUNCATED, 0);
    }

    // Broken clients get what they deserve, and others are served.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for length in [0, 1, 11, 12, 40, 5_000] {
        socket.send_to(&vec![0; length], at).await.unwrap();
    }
    stream.write_all(&[0xff, 0xff, 1, 2]).await.unwrap();
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(end.is_err() || rest.is_empty());
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(TcpStream::connect(at).await.unwrap());
    }
    let answer = silent.last_mut().unwrap().read_u8();
    assert!(timeout(PATIENCE, answer).await.unwrap().is_err(), "one address has no more than 64");
    assert_eq!(outcome(&over_udp(at, "single.service.consul").await), (0, 1));

    let key = InstanceKey::new("node61", DEFAULT_NAMESPACE, "single-61");
    propose(&handle, RegistryCommand::Deregister(Target::Instance(key))).await;
    assert_eq!(outcome(&over_udp(at, "single.service.consul").await), (NOTHING, 0));

    drop(stop);
    timeout(PATIENCE, serving).await.unwrap().unwrap();
    assert!(timeout(PATIENCE, silent[0].read_u8()).await.unwrap().is_err(), "its end is told");
    server.stop().await;
}

/// A copy answers alone, without the others and without a leader.
#[tokio::test]
async fn a_copy_without_a_leader_still_answers() {
    let mut servers = Server::start_cluster(3).await;
    let handle = servers[0].handle();
    register(&handle, "web", 1).await;
    let others = servers.split_off(1);
    let left = servers.remove(0);
    let sockets = DnsSockets::bind("127.0.0.1:0").await.unwrap();
    let at = sockets.address().unwrap();
    let zone = Zone::new("consul", "dc1", 0).unwrap();
    let serving = tokio::spawn(serve_dns(handle, sockets, zone, std::future::pending()));
    for other in others {
        other.stop().await;
    }
    assert_eq!(outcome(&over_udp(at, "web.service.consul").await), (0, 1));
    serving.abort();
    left.stop().await;
}
