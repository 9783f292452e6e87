//! Clients that mean harm, by hand over real sockets: the server's memory stays bounded, others are served
//! as if nothing were, and the log tells who it was. What is ignored fails: it is still to be mended.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{Client, Put};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;

use crate::server::Single;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// MiB the server may take more than before the attack.
const MEMORY: u64 = 500;
/// Others may wait so long, on machines that test: slow, and busy with the attack itself.
const PATIENCE: Duration = Duration::from_secs(3);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The header block of a gRPC request.
fn request(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0], &length[..], bytes].concat()
}

/// A request on a stream of its own.
fn call(stream: u32, path: &str, body: &[u8], ends: bool) -> Vec<u8> {
    let flags = if ends { END_STREAM } else { 0 };
    let mut both = frame(HEADERS, END_HEADERS, stream, &request(path));
    both.extend(frame(DATA, flags, stream, &message(body)));
    both
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A server, somebody who attacks it, and somebody who works with it.
struct Scene {
    single: Single,
    worker: Client,
    memory: u64,
}

impl Scene {
    async fn set() -> Self {
        let single = Single::start().await;
        let worker = single.client().await;
        worker.put(Put::new("a key", "a value")).await.unwrap();
        let memory = single.server.resident_mebibytes();
        Self { single, worker, memory }
    }

    /// A connection that said hello, with these settings.
    async fn connect(&self, settings: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.single.server.client).await.unwrap();
        let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        stream.write_all(&[&hello[..], &frame(SETTINGS, 0, 0, settings)].concat()).await.unwrap();
        stream
    }

    /// Others are served, now and in bounded memory.
    async fn holds(&self) {
        for turn in 0..40 {
            let began = Instant::now();
            self.worker.put(Put::new("a key", turn.to_string())).await.unwrap();
            let value = self.worker.get("a key").await.unwrap().kvs[0].value.clone();
            assert_eq!(value, turn.to_string());
            let took = began.elapsed();
            assert!(took < PATIENCE, "others wait {took:?}");
        }
        let now = self.single.server.resident_mebibytes();
        let before = self.memory;
        assert!(now < before + MEMORY, "{now} MiB of memory; {before} MiB before");
    }

    /// The log names the client, once the server has read as much of what it sent as it takes.
    async fn is_named(&self, address: SocketAddr) {
        let server = &self.single.server;
        let named = async {
            while !server.log().contains(&address.to_string()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(Duration::from_secs(20), named).await.is_err() {
            panic!("{address} is not in the log:\n{}", server.log());
        }
    }

    fn ends_well(mut self) {
        drop(self.worker);
        self.single.server.stop();
        let log = self.single.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Sends as much as is taken; a server that stops reading, or leaves, is a server that defends itself.
async fn pour(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = timeout(Duration::from_secs(2), stream.write_all(bytes)).await;
}

/// Reads until the connection ends, or the first frame of this kind.
async fn until_frame(reader: &mut OwnedReadHalf, wanted: u8) -> bool {
    let mut head = [0; 9];
    let found = async {
        while reader.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            if reader.read_exact(&mut payload).await.is_err() {
                return false;
            }
            if head[3] == wanted {
                return true;
            }
        }
        false
    };
    timeout(crate::program::DEADLINE, found).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_watch_streams_of_one_client_that_reads_nothing() {
    let scene = Scene::set().await;
    // 64 KiB in all, then silence: the client opens no window.
    let mut stream = scene.connect(&setting(4, 0)).await;
    let address = stream.local_addr().unwrap();
    // Watch "a key" from now on.
    let create = [&[0x0a, 7, 0x0a, 5][..], b"a key"].concat();
    for number in 0..10_000 {
        pour(&mut stream, &call(number * 2 + 1, "/etcdserverpb.Watch/Watch", &create, false)).await;
    }
    let large = vec![b'x'; 100_000];
    for _ in 0..100 {
        scene.worker.put(Put::new("a key", large.clone())).await.unwrap();
    }
    scene.holds().await;
    scene.is_named(address).await;
    drop(stream);
    scene.holds().await;
    scene.ends_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_large_answers_that_nobody_reads() {
    let scene = Scene::set().await;
    scene.worker.put(Put::new("large", vec![b'x'; 1_000_000])).await.unwrap();
    let mut stream = scene.connect(&setting(4, 0)).await;
    let address = stream.local_addr().unwrap();
    let range = [&[0x0a, 5][..], b"large"].concat();
    for number in 0..10_000 {
        pour(&mut stream, &call(number * 2 + 1, "/etcdserverpb.KV/Range", &range, true)).await;
    }
    scene.holds().await;
    scene.is_named(address).await;
    drop(stream);
    scene.ends_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_second_half_never_comes() {
    let scene = Scene::set().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut stream = scene.connect(&[]).await;
        for number in 0..500_u32 {
            // A message of 2 MB, it says.
            let mut half =
                frame(HEADERS, END_HEADERS, number * 2 + 1, &request("/etcdserverpb.KV/Put"));
            half.extend(frame(DATA, 0, number * 2 + 1, b"\0\0\x1e\x84\x80\x0a\x01"));
            pour(&mut stream, &half).await;
        }
        open.push(stream);
    }
    scene.holds().await;
    // They are given up 30 s later, though these connections say nothing more.
    let given_up = async {
        while !scene
            .single
            .server
            .log()
            .contains("a client sent part of a request and nothing more")
        {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(45), given_up).await.unwrap();
    drop(open);
    scene.ends_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_block_without_end_ends_the_connection() {
    let scene = Scene::set().await;
    let mut stream = scene.connect(&[]).await;
    let address = stream.local_addr().unwrap();
    pour(&mut stream, &frame(HEADERS, 0, 1, &request("/etcdserverpb.KV/Put"))).await;
    let more = frame(CONTINUATION, 0, 1, &b"\0\x01x\x01y".repeat(3_000)).repeat(200);
    for _ in 0..20 {
        pour(&mut stream, &more).await;
    }
    let (mut reader, _writer) = stream.into_split();
    until_frame(&mut reader, GO_AWAY).await;
    scene.holds().await;
    scene.is_named(address).await;
    scene.ends_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_of_resets_pings_settings_and_window_updates() {
    let scene = Scene::set().await;
    let range = [&[0x0a, 5][..], b"a key"].concat();
    let reset = |number: u32| {
        let mut both = call(number * 2 + 1, "/etcdserverpb.KV/Range", &range, true);
        both.extend(frame(RST_STREAM, 0, number * 2 + 1, &8_u32.to_be_bytes()));
        both
    };
    let resets: Vec<u8> = (0..50_000).flat_map(reset).collect();
    let pings = frame(PING, 0, 0, &[1; 8]).repeat(200_000);
    let settings = frame(SETTINGS, 0, 0, &setting(4, 65_535)).repeat(200_000);
    let windows = frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()).repeat(200_000);
    let nothing = frame(DATA, 0, 1, &[]).repeat(200_000);
    for storm in [resets, pings, settings, windows, nothing] {
        let mut stream = scene.connect(&[]).await;
        // Without a look at what comes back.
        let pouring = tokio::spawn(async move {
            pour(&mut stream, &storm).await;
            stream
        });
        scene.holds().await;
        drop(pouring.await.unwrap());
    }
    scene.ends_well();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_goodbye_and_stays() {
    let scene = Scene::set().await;
    let range = [&[0x0a, 5][..], b"a key"].concat();
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut stream = scene.connect(&[]).await;
        let goodbye = frame(GO_AWAY, 0, 0, &[0; 8]);
        pour(&mut stream, &goodbye.repeat(10)).await;
        pour(&mut stream, &call(1, "/etcdserverpb.KV/Range", &range, true)).await;
        pour(&mut stream, &frame(SETTINGS, ACK, 0, &[]).repeat(100)).await;
        open.push(stream);
    }
    scene.holds().await;
    drop(open);
    scene.ends_well();
}
