//! DNS messages, mostly almost good ones, over UDP and TCP.

use crate::calls::spoil;
use crate::input::{Piece, Port, Wire};
use crate::random::Random;

const LABELS: [&str; 16] = [
    "web", "_web", "_tcp", "v1", "service", "node", "addr", "query", "dc1", "dc", "n1", "consul",
    "0a000001", "_", "\u{fc}", "",
];
const KINDS: [u16; 12] = [1, 2, 5, 6, 12, 16, 28, 33, 41, 251, 252, 255];

/// Messages for one socket; over TCP with their lengths, which may lie.
pub(crate) fn draw(random: &mut Random) -> Wire {
    let port = if random.once_in(3) { Port::Dns } else { Port::DnsUdp };
    let mut data = Vec::new();
    for _ in 0..1 + random.below(8) {
        let mut message = match random.below(10) {
            0 => {
                let length = random.below(600);
                random.bytes(length)
            }
            _ => query(random),
        };
        if random.once_in(3) {
            spoil(random, &mut message);
        }
        if port == Port::Dns {
            let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
            let said =
                if random.once_in(8) { random.one(&[0, 1, 11, 4_097, 65_535]) } else { length };
            message.splice(..0, said.to_be_bytes());
        }
        let times = if random.once_in(10) { 200 } else { 1 };
        data.push(Piece { unit: message, times });
    }
    Wire { port, data }
}

fn query(random: &mut Random) -> Vec<u8> {
    let mut message = random.bytes(2);
    let opcode = if random.once_in(10) { random.byte() } else { 1 };
    message.extend([opcode, random.one(&[0, 0x10, 0x20])]);
    let extensions = random.below(3);
    let counts = [if random.once_in(10) { random.below(9) } else { 1 }, 0, 0, extensions];
    for count in counts {
        message.extend(u16::try_from(count).unwrap_or(0).to_be_bytes());
    }
    for _ in 0..random.below(7) {
        let label = random.pick(&LABELS);
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend_from_slice(label.as_bytes());
    }
    match random.below(10) {
        // A name that leads to itself, one that has no end, a label too long.
        0 => message.extend([0xc0, 12]),
        1 => message.extend([1, b'a'].repeat(200)),
        2 => message.extend([0x7f; 130]),
        _ => message.extend(b"\x06consul\0"),
    }
    message.extend(random.one(&KINDS).to_be_bytes());
    message.extend([0, random.one(&[1, 1, 1, 3, 255])]);
    for _ in 0..extensions {
        message.extend([0, 0, 41]);
        message.extend(random.one(&[0_u16, 1, 512, 1_232, 4_096, 65_535]).to_be_bytes());
        message.extend([0, u8::from(random.once_in(8)), 0, 0]);
        let options = random.one(&[&b""[..], b"\0\x08\0\x04\0\x01\0\0", b"\xff\xff\xff\xff"]);
        let length = if random.once_in(8) { 65_535 } else { options.len() };
        message.extend(u16::try_from(length).unwrap_or(0).to_be_bytes());
        message.extend_from_slice(options);
    }
    message
}
