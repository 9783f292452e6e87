//! gRPC requests: a message, in frames, under headers, each of them sometimes wrong.

use crate::input::{Call, Piece};
use crate::message::{Messages, varint};
use crate::random::Random;
use crate::schema::{Method, Schema};
use crate::shapes;

/// Draws gRPC requests.
pub(crate) struct Calls<'a> {
    pub(crate) schema: &'a Schema,
    /// What a request may say of who sends it; `None` among them for nobody.
    pub(crate) tokens: Vec<Option<String>>,
}

impl Calls<'_> {
    pub(crate) fn draw(&self, random: &mut Random) -> Call {
        let method = &self.schema.methods[random.below(self.schema.methods.len())];
        // Transactions are the largest part of what there is to get wrong.
        let method = match random.below(6) {
            0 => self.schema.methods.iter().find(|it| it.path.ends_with("/Txn")).unwrap_or(method),
            _ => method,
        };
        let mut headers = headers(random);
        if let Some(token) = &self.tokens[random.below(self.tokens.len())] {
            headers.push(("token".to_owned(), token.clone().into_bytes()));
        }
        Call {
            verb: if random.once_in(60) { "GET" } else { "POST" }.to_owned(),
            path: path(random, method),
            headers,
            data: self.data(random, method),
            ends: !random.once_in(40),
        }
    }

    fn data(&self, random: &mut Random, method: &Method) -> Vec<Piece> {
        if random.once_in(150)
            && let Some(payload) = shapes::extreme(random, &method.path)
        {
            let length: usize = payload.iter().map(Piece::len).sum();
            let mut pieces = vec![Piece::once(frame_head(0, length))];
            pieces.extend(payload);
            return pieces;
        }
        let messages = Messages { schema: self.schema };
        let frames = match random.below(20) {
            0 => 0,
            1 => 2,
            _ if method.client_streams => 1 + random.below(4),
            _ => 1,
        };
        let mut data = Vec::new();
        for _ in 0..frames {
            let mut message = messages.draw(random, &method.request);
            if random.once_in(4) {
                spoil(random, &mut message);
            }
            data.extend(frame(random, &message));
        }
        // One DATA frame, or as many as there are bytes.
        match random.below(12) {
            0 if data.len() < 200 => data.into_iter().map(|byte| Piece::once(vec![byte])).collect(),
            _ => vec![Piece::once(data)],
        }
    }
}

fn frame_head(flag: u8, length: usize) -> Vec<u8> {
    let mut head = vec![flag];
    head.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    head
}

fn frame(random: &mut Random, message: &[u8]) -> Vec<u8> {
    let (flag, length) = match random.below(60) {
        0 => (1, message.len()),
        1 => (random.byte(), message.len()),
        2 => (0, message.len() + 1 + random.below(50)),
        3 => (0, message.len().saturating_sub(1 + random.below(9))),
        4 => (0, random.one(&[0xffff_ffff, 0x7fff_ffff, 0x0100_0000, 4 << 20])),
        _ => (0, message.len()),
    };
    let mut frame = frame_head(flag, length);
    frame.extend_from_slice(message);
    frame
}

/// What storage and networks, and people with bad intentions, do to bytes.
pub(crate) fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.byte()),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 if at < bytes.len() => bytes[at] = random.one(&[0, 0x7f, 0x80, 0xff]),
            4 => {
                let (from, to) = (random.below(at + 1), at);
                let copy = bytes[from..to].to_vec();
                bytes.extend(copy);
            }
            5 => {
                // A length or a number that is far too large, or has more bytes than one can have.
                let mut number = Vec::new();
                varint(&mut number, random.one(&[u64::MAX, 1 << 31, 1 << 32, 1 << 63]));
                if random.once_in(3) {
                    number = vec![0xff; 12];
                }
                bytes.splice(at..at, number);
            }
            _ => {
                let more = random.below(16);
                bytes.extend(random.bytes(more));
            }
        }
    }
}

fn path(random: &mut Random, method: &Method) -> String {
    match random.below(80) {
        0 => format!("{}x", method.path),
        1 => method.path.replacen("/", "//", 1),
        2 => method.path.to_uppercase(),
        3 => random
            .pick(&["/", "/etcdserverpb.KV", "/etcdserverpb.KV/", "/x.Y/Z", "/a/b/c/d"])
            .into(),
        4 => format!("{}?{}", method.path, "q".repeat(random.below(4_000))),
        _ => method.path.clone(),
    }
}

/// Names and values that mean something here, each with values that mean nothing.
const METADATA: [(&str, &[&[u8]]); 14] = [
    ("hiraeth-keyspace", &[b"", b"default", b"ks1", b"none", b"\xff\xfe", b"a b"]),
    ("hiraeth-read", &[b"", b"stale", b"lease", b"follower", b"linearizable", b"\xff", b"other"]),
    ("hiraeth-max-stale-millis", &[b"0", b"1", b"-1", b"99999999999999999999", b"x", b"\xff"]),
    ("hasleader", &[b"true", b"false", b"", b"\xff"]),
    ("grpc-timeout", &[b"", b"1n", b"99999999S", b"-1S", b"1X", b"S", b"\xff", b"100000000000H"]),
    ("grpc-encoding", &[b"gzip", b"identity", b"", b"zstd", b"\xff"]),
    ("grpc-accept-encoding", &[b"gzip", b",,,", b"\xff"]),
    ("token", &[b"", b"x", b"a.1", b"\xff", b"simple.99999999999999999999"]),
    ("authorization", &[b"", b"x", b"Bearer x", b"\xff"]),
    ("client-api-version", &[b"3.5.0", b"\xff"]),
    ("x-bin", &[b"", b"====", b"AAA", b"\xff"]),
    ("content-length", &[b"0", b"5", b"99999999999999999999", b"x"]),
    ("user-agent", &[b"", b"\xff\xff"]),
    ("te", &[b"", b"trailers", b"gzip"]),
];

fn headers(random: &mut Random) -> Vec<(String, Vec<u8>)> {
    let mut headers = Vec::new();
    let content_type: &[u8] = match random.below(60) {
        0 => b"application/grpc+json",
        1 => b"application/json",
        2 => b"\xff",
        3 => b"application/grpc-web-text",
        _ => b"application/grpc",
    };
    if !random.once_in(60) {
        headers.push(("content-type".to_owned(), content_type.to_vec()));
    }
    headers.push(("te".to_owned(), b"trailers".to_vec()));
    if random.once_in(3) {
        for _ in 0..1 + random.below(3) {
            let (name, values) = random.one(&METADATA);
            headers.push((name.to_owned(), random.pick(values).to_vec()));
        }
    }
    match random.below(200) {
        0 => {
            for number in 0..random.one(&[100, 1_000]) {
                headers.push((format!("x-{number}"), vec![b'v'; 10]));
            }
        }
        1 => headers.push(("x-long".to_owned(), vec![b'v'; random.one(&[8_000, 15_000, 40_000])])),
        _ => {}
    }
    headers
}
