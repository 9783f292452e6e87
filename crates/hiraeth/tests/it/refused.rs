//! A server that says that it did not begin with a request, as one that stops does: the client sends it
//! again, once. Where the server says anything less, it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::{Client, Get, Options, Put};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::server::Single;

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;
const PREFACE: usize = 24;

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, 0];
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn go_away(last: u32, code: u32) -> Vec<u8> {
    frame(GO_AWAY, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

fn reset(code: u32) -> Vec<u8> {
    frame(RST_STREAM, 1, &code.to_be_bytes())
}

/// Takes the first request that comes, whole, and says this of it. Then the connection is closed.
async fn sabotage(mut stream: TcpStream, say: &[u8]) {
    let mut preface = [0; PREFACE];
    stream.read_exact(&mut preface).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, &[])).await.unwrap();
    loop {
        let mut front = [0; 9];
        stream.read_exact(&mut front).await.unwrap();
        let length =
            usize::from(front[0]) << 16 | usize::from(front[1]) << 8 | usize::from(front[2]);
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        if front[3] == DATA && front[4] & END_STREAM != 0 {
            break;
        }
    }
    stream.write_all(say).await.unwrap();
    // What it still says is not cut off by a reset of the socket.
    stream.shutdown().await.unwrap();
    let mut left = Vec::new();
    let rest = stream.read_to_end(&mut left);
    let _ = tokio::time::timeout(Duration::from_secs(2), rest).await;
}

/// In front of `server`; says this to the first who comes.
async fn in_front_of(server: String, say: Vec<u8>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (server, say) = (server.clone(), say.clone());
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                tokio::spawn(async move { sabotage(stream, &say).await });
            } else {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        }
    });
    (address, connections)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_did_not_begin_is_sent_again_and_nothing_else() {
    const NO_ERROR: u32 = 0;
    const PROTOCOL_ERROR: u32 = 1;
    const INTERNAL_ERROR: u32 = 2;
    const REFUSED_STREAM: u32 = 7;
    let single = Single::start().await;
    let own = single.client().await;
    let cases = [
        ("it answers none any more", go_away(0, NO_ERROR), true),
        ("it refused the request", reset(REFUSED_STREAM), true),
        ("it may be at work on it", go_away(1, NO_ERROR), false),
        ("it found fault with the client", go_away(0, PROTOCOL_ERROR), false),
        ("it failed at it", reset(INTERNAL_ERROR), false),
        ("it says nothing", Vec::new(), false),
    ];
    for (at, (what, say, is_sent_again)) in cases.into_iter().enumerate() {
        let (address, connections) = in_front_of(single.server.client.clone(), say).await;
        let options = Options { timeout: Duration::from_secs(10), ..Options::default() };
        let client = Client::lazy([address], options).unwrap();
        let key = format!("key {at}");
        let put = client.put(Put::new(key.clone(), "1")).await;
        let found = own.get(Get::key(key.clone())).await.unwrap().kvs;
        if is_sent_again {
            put.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(found[0].version, 1, "{what}: written once");
            assert_eq!(connections.load(Ordering::Relaxed), 2, "{what}");
        } else {
            let error = put.map(drop).unwrap_err();
            assert!(error.outcome_unknown(), "{what}: {error:?}");
            assert!(found.is_empty(), "{what}");
            // The client goes on; only what it does not know is not done again.
            client.put(Put::new(key.clone(), "2")).await.unwrap();
        }
    }
}
