//! DNS through a gateway.

use std::net::SocketAddr;
use std::time::Duration;

use gateway::{DnsSockets, DnsZone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::calls::http;
use super::cluster::{gateway, members};

const PATIENCE: Duration = Duration::from_secs(10);
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;
const TRUNCATED: u8 = 0x02;

fn query(name: &str) -> Vec<u8> {
    let mut packet = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        packet.push(u8::try_from(label.len()).unwrap());
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, 1, 0, 1]);
    packet
}

/// The code, and how many answers.
fn outcome(answer: &[u8]) -> (u8, u16) {
    assert_eq!(answer[..2], [0, 7]);
    (answer[3] & 0x0f, u16::from_be_bytes([answer[6], answer[7]]))
}

async fn over_udp(at: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(at).await.unwrap();
    socket.send(packet).await.unwrap();
    let mut answer = vec![0; 65_535];
    // Only what is no query is not answered, and that at once.
    let patience = if packet.len() < 12 { Duration::from_millis(300) } else { PATIENCE };
    let length = timeout(patience, socket.recv(&mut answer)).await.ok()?.unwrap();
    answer.truncate(length);
    Some(answer)
}

async fn over_tcp(at: SocketAddr, packet: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_u16(u16::try_from(packet.len()).unwrap()).await.unwrap();
    stream.write_all(packet).await.unwrap();
    let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_while_any_member_is_there() {
    let mut members = members(3).await;
    let (gateway, address) = gateway(members.iter().map(|it| it.address.clone())).await;
    gateway.ready().await;
    let sockets = DnsSockets::bind("127.0.0.1:0").await.unwrap();
    let at = sockets.address().unwrap();
    let zone = DnsZone { domain: "example".to_owned(), ttl_seconds: 5 };
    tokio::spawn(async move { gateway.serve_dns(sockets, &zone, std::future::pending()).await });
    for number in 0..40 {
        let body =
            format!(r#"{{"Name":"web","ID":"{number}","Address":"10.0.0.{number}","Port":80}}"#);
        http(&address, "PUT /v1/agent/service/register", &body).await;
    }
    let web = query("web.service.example");
    let cut = over_udp(at, &web).await.unwrap();
    assert!(cut[2] & TRUNCATED != 0 && cut.len() <= 512, "what fits into a packet");
    assert_eq!(outcome(&over_tcp(at, &web).await), (0, 40));
    let nobody = over_udp(at, &query("nobody.service.example")).await.unwrap();
    assert_eq!(outcome(&nobody), (NO_SUCH_NAME, 0));
    assert!(over_udp(at, b"rubbish").await.is_none());

    while let Some(member) = members.pop() {
        member.kill().await;
        // Its own copy is enough for the last one.
        let left = !members.is_empty();
        let expected = if left { (0, 40) } else { (SERVER_FAILURE, 0) };
        assert_eq!(outcome(&over_tcp(at, &web).await), expected);
    }
}
