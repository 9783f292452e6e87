//! HTTP/2 by hand.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::Server;

pub(crate) fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap();
    (0..hexadecimal.len()).step_by(2).map(digits).collect()
}

/// The next frame's kind, stream and payload.
pub(crate) async fn frame(stream: &mut TcpStream) -> (u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.unwrap();
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

/// Go clients with `PermitWithoutStream` ask again and again whether the server is there. Servers of
/// grpc-go, etcd's among them, end the connections of those that ask too often; here asking is free.
#[tokio::test(flavor = "multi_thread")]
async fn pings_without_a_request_are_answered_however_many() {
    const PING: u8 = 6;
    const GO_AWAY: u8 = 7;
    const PINGS: u64 = 2_000;
    let server = Server::start().await;
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(&bytes("000000040000000000")).await.unwrap();
    for number in 0..PINGS {
        let ping = [&bytes("000008060000000000"), &number.to_be_bytes()[..]].concat();
        stream.write_all(&ping).await.unwrap();
        loop {
            let (kind, _, payload) = frame(&mut stream).await;
            assert_ne!(kind, GO_AWAY, "after {number} pings: {payload:x?}");
            // The server may ask too, with bytes of its own.
            if kind == PING && payload == number.to_be_bytes() {
                break;
            }
        }
    }
    drop(stream);
    server.stop().await;
}
