//! Bytes on a connection: HTTP/2 frames that do not fit each other, HTTP/1, and noise.

use crate::calls::spoil;
use crate::input::{Piece, Port, Wire};
use crate::names;
use crate::random::Random;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Bytes for one connection.
pub(crate) fn draw(random: &mut Random) -> Wire {
    let port = match random.below(12) {
        10 | 11 => return names::draw(random),
        0 => Port::Peer,
        1 => Port::Http,
        _ => Port::Client,
    };
    let mut data = match random.below(10) {
        0 => {
            let length = random.below(2_000);
            vec![Piece::once(random.bytes(length))]
        }
        1 | 2 => first_version(random),
        _ => second_version(random),
    };
    if random.once_in(5)
        && let Some(last) = data.last_mut()
    {
        spoil(random, &mut last.unit);
    }
    Wire { port, data }
}

fn first_version(random: &mut Random) -> Vec<Piece> {
    let targets = ["/version", "/v3/kv/put", "/health", "*", "http://a/version", "/%", "/a b"];
    let verb = random.pick(&["GET", "POST", "PRI", "CONNECT", "get", ""]);
    let target = random.pick(&targets);
    let mut head = format!("{verb} {target} HTTP/1.1\r\nhost: a\r\n");
    head.push_str(random.pick(&[
        "",
        "content-length: 5\r\n",
        "content-length: 99999999999999999999\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        "connection: upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAAA\r\n",
        "expect: 100-continue\r\n",
        " folded: a\r\n b\r\n",
        ": nothing\r\n",
    ]));
    let mut pieces = vec![Piece::once(head.into_bytes())];
    match random.below(8) {
        0 => pieces.push(Piece { unit: b"x: y\r\n".to_vec(), times: random.one(&[150, 100_000]) }),
        1 => pieces.push(Piece { unit: b"x".to_vec(), times: 1_000_000 }),
        _ => {}
    }
    pieces.push(Piece::once(b"\r\n".to_vec()));
    let body = random.pick(&[
        "",
        "{}",
        "5\r\n{\"k\":\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "-1\r\n",
        "5;x\r\n",
        "GET /version HTTP/1.1\r\n\r\n",
    ]);
    pieces.push(Piece::once(body.as_bytes().to_vec()));
    pieces
}

fn second_version(random: &mut Random) -> Vec<Piece> {
    let mut pieces = vec![Piece::once(PREFACE.to_vec())];
    if !random.once_in(10) {
        pieces.push(Piece::once(frame(SETTINGS, 0, 0, &[])));
    }
    let mut stream = 1;
    for _ in 0..1 + random.below(12) {
        let piece = match random.below(16) {
            0 => Piece::once(frame(SETTINGS, 0, 0, &settings(random))),
            1 => flood(random, frame(SETTINGS, 0, 0, &[])),
            2 => flood(random, frame(PING, 0, 0, &[7; 8])),
            3 => {
                let kind = random.byte() % 12;
                flood(random, frame(kind, 0, stream, &[]))
            }
            // A header block that goes on and on.
            4 => {
                pieces.push(Piece::once(frame(HEADERS, 0, stream, &request(random))));
                flood(random, frame(CONTINUATION, 0, stream, &[0x00, 1, b'x', 1, b'y']))
            }
            5 => {
                let on = random.one(&[0, stream]);
                Piece::once(frame(WINDOW_UPDATE, 0, on, &window(random)))
            }
            // Any frame, with any flags, on any stream.
            6 | 7 => {
                let length = random.one(&[0, 1, 4, 5, 8, 9, 100, 16_384, 16_385]);
                let payload = random.bytes(length);
                let on = random.one(&[0, 1, 2, stream, 0x7fff_ffff, 0xffff_ffff]);
                Piece::once(frame(random.byte() % 16, random.byte(), on, &payload))
            }
            // A frame that says it is longer than it is.
            8 => {
                let mut lie = frame(HEADERS, END_HEADERS, stream, &request(random));
                lie[..3].copy_from_slice(&random.one(&[[0xff; 3], [0, 0x40, 1], [0, 0x40, 0]]));
                Piece::once(lie)
            }
            9 => Piece::once(frame(HEADERS, random.byte(), stream, &request(random))),
            10 => Piece { unit: vec![0; 16_384], times: random.one(&[1, 200]) },
            _ => {
                let mut both = frame(HEADERS, END_HEADERS, stream, &request(random));
                let body = random.one(&[&b"\0\0\0\0\0"[..], b"\0\0\0\0\x03\x0a\x01a", b"\x01"]);
                let flags = if random.once_in(4) { 0 } else { END_STREAM };
                both.extend(frame(DATA, flags, stream, body));
                stream += 2;
                Piece::once(both)
            }
        };
        pieces.push(piece);
    }
    pieces
}

fn flood(random: &mut Random, unit: Vec<u8>) -> Piece {
    Piece { unit, times: random.one(&[1, 10, 100, 5_000]) }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn settings(random: &mut Random) -> Vec<u8> {
    let mut payload = Vec::new();
    for _ in 0..random.below(5) {
        payload.extend(random.one(&[1_u16, 2, 3, 4, 5, 6, 8, 0xffff]).to_be_bytes());
        let value = random.one(&[0_u32, 1, 2, 16_384, 16_777_215, 0x7fff_ffff, 0xffff_ffff]);
        payload.extend(value.to_be_bytes());
    }
    payload
}

fn window(random: &mut Random) -> [u8; 4] {
    random.one(&[0_u32, 1, 0x7fff_ffff, 0xffff_ffff]).to_be_bytes()
}

/// The header block of a request, in literals only; sometimes it does not read.
fn request(random: &mut Random) -> Vec<u8> {
    if random.once_in(5) {
        let length = random.below(60);
        return random.bytes(length);
    }
    let paths =
        ["/etcdserverpb.KV/Range", "/etcdserverpb.KV/Txn", "/etcdserverpb.Watch/Watch", "/"];
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", random.pick(&["http", "https", ""])),
        (":path", random.pick(&paths)),
        (":authority", random.pick(&["a", "", "a:b:c", "#/ip", "\u{7f}"])),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        (random.pick(&["x", "X", ":path", ":status", "connection", ""]), "y"),
    ] {
        if random.once_in(15) {
            continue;
        }
        // Without indexing; both lengths are below 127.
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap_or(0));
            block.extend_from_slice(text.as_bytes());
        }
    }
    match random.below(12) {
        // An index that is not there, a table size beyond what was offered, a number without end.
        0 => block.extend([0xff, 0xff, 0xff, 0x7f]),
        1 => block.extend([0x3f, 0xe1, 0xff, 0xff, 0x07]),
        2 => block.extend([0xff; 20]),
        // Huffman that ends in the middle.
        3 => block.extend([0x00, 0x83, 0xff, 0xff, 0xff, 0x81, 0xff]),
        _ => {}
    }
    block
}
