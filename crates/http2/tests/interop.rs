//! The crate `h2` as the client, over a pipe.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};
use http2::{Connection, Event, Limits, Reason, StreamKey};
use hyper::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const LIMITS: Limits = Limits {
    streams: 2_000,
    stream_window: 65_535,
    connection_window: 65_535,
    header_bytes: 16_384,
    control_frames: 100_000,
    resets: 2_000,
};

/// Echoes what it gets, once all of it is there.
async fn echo(mut pipe: DuplexStream) {
    let mut connection = Connection::new(LIMITS);
    let mut input = BytesMut::new();
    let mut bodies: BTreeMap<u32, BytesMut> = BTreeMap::new();
    let mut rests: BTreeMap<u32, Bytes> = BTreeMap::new();
    loop {
        while let Some(event) = connection.next(&mut input).unwrap() {
            let ended = match event {
                Event::Request { stream, ends, head } => {
                    assert_eq!(head.path, "/echo");
                    bodies.insert(stream.id(), BytesMut::new());
                    ends.then_some(stream)
                }
                Event::Data { stream, bytes, ends } => {
                    bodies.get_mut(&stream.id()).unwrap().extend_from_slice(&bytes);
                    connection.used(stream, bytes.len());
                    ends.then_some(stream)
                }
                Event::Trailers { stream, .. } => Some(stream),
                Event::Reset { stream, reason } => {
                    assert_eq!(reason, Reason::CANCEL);
                    bodies.remove(&stream.id());
                    rests.remove(&stream.id());
                    None
                }
                Event::Capacity { stream } => {
                    go_on(&mut connection, &mut rests, stream);
                    None
                }
                Event::Pong => None,
            };
            if let Some(stream) = ended {
                connection.headers(stream, 200, &[("echoed", "yes")], false);
                rests.insert(stream.id(), bodies.remove(&stream.id()).unwrap().freeze());
                go_on(&mut connection, &mut rests, stream);
            }
        }
        let output = connection.output();
        if pipe.write_all(output).await.is_err() {
            return;
        }
        let written = output.len();
        output.advance(written);
        if !matches!(pipe.read_buf(&mut input).await, Ok(1..)) {
            return;
        }
    }
}

fn go_on(connection: &mut Connection, rests: &mut BTreeMap<u32, Bytes>, stream: StreamKey) {
    let Some(rest) = rests.get_mut(&stream.id()) else { return };
    connection.data(stream, rest, false);
    if rest.is_empty() {
        rests.remove(&stream.id());
        connection.trailers(stream, &[("grpc-status", "0")]);
    }
}

async fn client(window: u32) -> h2::client::SendRequest<Bytes> {
    let (ours, theirs) = tokio::io::duplex(1 << 22);
    tokio::spawn(echo(ours));
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window).initial_max_send_streams(1_500);
    let (client, connection) = builder.handshake(theirs).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn request() -> Request<()> {
    let request = Request::post("http://x/echo").header("te", "trailers").header("a", "b");
    request.body(()).unwrap()
}

async fn ask(mut client: h2::client::SendRequest<Bytes>, body: Bytes) -> Bytes {
    let (response, mut send) = client.send_request(request(), false).unwrap();
    send.send_data(body, true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["echoed"], "yes");
    let mut body = response.into_body();
    let mut all = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    all.freeze()
}

fn body(seed: usize, bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at * 31 + seed) as u8).collect()
}

#[tokio::test]
async fn big_messages_pass_through_tiny_windows() {
    let client = client(100).await;
    let asks = (0..4).map(|seed| {
        let (client, body) = (client.clone(), body(seed, 300_000));
        async move { assert_eq!(ask(client, body.clone()).await, body) }
    });
    futures::future::join_all(asks).await;
}

#[tokio::test]
async fn a_thousand_streams_at_once_and_some_are_given_up() {
    let mut client = client(65_535).await;
    let mut given_up = Vec::new();
    for number in 0..200 {
        let (response, mut send) = client.send_request(request(), false).unwrap();
        send.send_data(body(number, 1_000), false).unwrap();
        given_up.push((response, send));
    }
    let asks = (0..1_000).map(|seed| {
        let (client, body) = (client.clone(), body(seed, seed * 7 % 3_000));
        async move { assert_eq!(ask(client, body.clone()).await, body) }
    });
    let resets = async {
        for (response, mut send) in given_up {
            tokio::task::yield_now().await;
            send.send_reset(h2::Reason::CANCEL);
            drop(response);
        }
    };
    futures::join!(futures::future::join_all(asks), resets);
    assert_eq!(ask(client, body(1, 10)).await, body(1, 10));
}
