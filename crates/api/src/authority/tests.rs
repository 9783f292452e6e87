use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Inspected;
use super::inspection::Inspection;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The block etcdctl 3.4.23 sent first for `endpoint status`, from its `:authority` on.
const ETCDCTL: &[u8] = &[
    0x41, 0x90, 0x9d, 0x29, 0xae, 0xe3, 0x0c, 0x04, 0x4e, 0xae, 0x05, 0xc0, 0xb8, 0x6e, 0x09, 0xd0,
    0x80, 0x1f, 0x5f, 0x8b, 0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x4d, 0x65, 0x64,
];

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

/// A connection whose first header block is `block`; then some data and the block once more.
fn connection(block: &[u8]) -> Vec<u8> {
    let (settings, data) = (frame(4, 0, &[]), frame(0, 1, b"\0\0\0\0\0"));
    let headers = frame(1, 4, block);
    [PREFACE, &settings, &settings, &headers, &data, &headers].concat()
}

/// What comes out when the bytes come in pieces, and whether the connection is still looked at.
async fn through(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let mut server = Inspected::new(server);
    let mut out = Vec::new();
    for piece in pieces {
        client.write_all(piece).await.unwrap();
        let mut buffer = [0; 7];
        // Small reads, and more of them than there are bytes; those that must wait are given up.
        for _ in 0..=piece.len() {
            let read = futures::FutureExt::now_or_never(server.read(&mut buffer));
            let Some(Ok(bytes)) = read else { break };
            out.extend_from_slice(&buffer[..bytes]);
        }
    }
    let looked_at = !server.is_passed_through();
    drop(client);
    server.read_to_end(&mut out).await.unwrap();
    (out, looked_at)
}

fn plain(authority: &str) -> Vec<u8> {
    let length = u8::try_from(authority.len()).unwrap();
    [&[0x83, 0x86, 0x01, length][..], authority.as_bytes()].concat()
}

#[tokio::test]
async fn etcdctls_authority_is_changed_however_it_is_cut() {
    let path = [&[0x83, 0x86, 0x45, 0x02, b'/', b'x'], ETCDCTL].concat();
    let sent = connection(&path);
    let at = path.windows(2).position(|pair| pair == [0x41, 0x90]).unwrap() + 2;
    let mut changed = path.clone();
    // http:// 100111 01001 01001 101011 1011100 011000 011000 and httpx-- with 1111001 010110 010110
    changed[at..at + 6].copy_from_slice(&[0x9d, 0x29, 0xaf, 0xca, 0xcb, 0x04]);
    let expected = connection(&changed);
    for cut in 0..sent.len() {
        let (out, looked_at) = through(&[&sent[..cut], &sent[cut..]]).await;
        assert_eq!(out, expected, "cut at {cut}");
        assert!(looked_at, "the peer may send the header once more");
    }
    let single: Vec<&[u8]> = sent.chunks(1).collect();
    assert_eq!(through(&single).await.0, expected);
}

#[tokio::test]
async fn every_form_of_it_is_found() {
    let cases = [
        ("http://127.0.0.1:2379", "httpx--127.0.0.1:2379"),
        ("https://n1.example:2379", "httpsx--n1.example:2379"),
        ("http://[::1]:2379", "httpx--[::1]:2379"),
    ];
    for (sent, expected) in cases {
        let out = through(&[&connection(&plain(sent))]).await.0;
        assert_eq!(out, connection(&plain(expected)));
        let authority: hyper::http::uri::Authority = expected.parse().unwrap();
        assert_eq!(authority.port_u16(), Some(2379));
    }
    let decorated = |authority| {
        let block = [&[0x3f, 0xe1, 0x1f, 0x00, 1, b'a', 1, b'b'][..], &plain(authority)].concat();
        let payload = [&[2, 0, 0, 0, 0, 9][..], &block, &[0, 0]].concat();
        [PREFACE, &frame(1, 0x2c, &payload)].concat()
    };
    let out = through(&[&decorated(cases[0].0)]).await.0;
    assert_eq!(out, decorated(cases[0].1), "a padded frame with a priority");
}

#[tokio::test]
async fn what_is_in_order_passes_and_is_not_looked_at_again() {
    let ordinary = connection(&plain("127.0.0.1:2379"));
    // An authority that comes later is none of ours: the first request said what client this is.
    let sent = [ordinary, frame(1, 4, &plain("http://127.0.0.1:2379"))].concat();
    assert_eq!(through(&[&sent]).await, (sent, false));
    let http = b"GET /health HTTP/1.1\r\n\r\n";
    assert_eq!(through(&[http]).await, (http.to_vec(), false));
    let long = [PREFACE, &[0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 1, 2]].concat();
    assert_eq!(through(&[&long]).await, (long, false));
}

proptest! {
    /// Whatever comes, as much goes out as came in, and no more than a frame is held back.
    #[test]
    fn garbage_keeps_its_length(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..20),
        kinds in prop::collection::vec(0_u8..3, 20),
        preface: bool,
    ) {
        let mut inspection = Inspection::new();
        let (mut sent, mut out) = (Vec::new(), Vec::new());
        let start = if preface { PREFACE } else { b"" };
        let framed = pieces.iter().zip(&kinds).map(|(piece, kind)| match kind {
            0 => piece.clone(),
            _ => frame(1, piece[0], piece),
        });
        for piece in std::iter::once(start.to_vec()).chain(framed).chain([Vec::new()]) {
            if piece.is_empty() && sent.is_empty() {
                continue;
            }
            sent.extend_from_slice(&piece);
            inspection.take(&piece);
            let mut buffer = vec![0; 1 << 20];
            let mut buffer = tokio::io::ReadBuf::new(&mut buffer);
            inspection.hand_on(&mut buffer);
            out.extend_from_slice(buffer.filled());
            prop_assert!(sent.len() - out.len() <= 9 + 16_384);
        }
        prop_assert_eq!(sent.len(), out.len());
        prop_assert!(inspection.is_over());
        if !preface && !PREFACE.starts_with(&sent[..1]) {
            prop_assert_eq!(sent, out);
        }
    }
}
