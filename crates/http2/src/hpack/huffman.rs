//! The Huffman code of RFC 7541, appendix B.
//!
//! It is canonical: among codes of one length, and from one length to the next, codes follow each
//! other as their symbols do. So lengths say everything, and the table that decodes four bits in one
//! step is made of them when this is compiled.

use bytes::{BufMut, BytesMut};

const SYMBOLS: usize = 257;
/// The end of a string, which is never written.
const END: u16 = 256;
const LONGEST: u8 = 30;

/// Bits of each symbol's code.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const CODES: [u32; SYMBOLS] = codes();
static STEPS: Steps = steps();

const fn codes() -> [u32; SYMBOLS] {
    let mut codes = [0; SYMBOLS];
    let (mut next, mut length) = (0, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] == length {
                codes[symbol] = next;
                next += 1;
            }
            symbol += 1;
        }
        next <<= 1;
        length += 1;
    }
    codes
}

/// What four bits do, from each inner node of the code's tree. As no code is shorter than five bits,
/// that is one symbol at most.
struct Steps {
    steps: [[Step; 16]; SYMBOLS - 1],
    /// Whether a string may end here: fewer than eight bits, all of them ones, follow the last symbol.
    may_end: [bool; SYMBOLS - 1],
}

#[derive(Clone, Copy)]
struct Step {
    to: u8,
    emits: Option<u8>,
    bad: bool,
}

const fn steps() -> Steps {
    /// Children beyond the inner nodes are leaves.
    const LEAF: u16 = 1 << 15;
    let mut tree = [[0_u16; 2]; SYMBOLS - 1];
    let (mut nodes, mut symbol) = (1, 0);
    while symbol < SYMBOLS {
        let (mut node, mut left) = (0, LENGTHS[symbol]);
        while left > 0 {
            left -= 1;
            let bit = (CODES[symbol] >> left & 1) as usize;
            if left == 0 {
                tree[node][bit] = LEAF | symbol as u16;
            } else {
                if tree[node][bit] == 0 {
                    tree[node][bit] = nodes;
                    nodes += 1;
                }
                node = tree[node][bit] as usize;
            }
        }
        symbol += 1;
    }
    let mut steps = [[Step { to: 0, emits: None, bad: false }; 16]; SYMBOLS - 1];
    let mut from = 0;
    while from < SYMBOLS - 1 {
        let mut bits = 0;
        while bits < 16 {
            let step = &mut steps[from][bits];
            let (mut node, mut left) = (from, 4);
            while left > 0 {
                left -= 1;
                let child = tree[node][bits >> left & 1];
                if child & LEAF == 0 {
                    node = child as usize;
                } else {
                    let symbol = child & !LEAF;
                    if symbol == END {
                        step.bad = true;
                    } else {
                        step.emits = Some(symbol as u8);
                    }
                    node = 0;
                }
            }
            step.to = node as u8;
            bits += 1;
        }
        from += 1;
    }
    let mut may_end = [false; SYMBOLS - 1];
    let (mut node, mut ones) = (0, 0);
    while ones < 8 {
        may_end[node] = true;
        node = tree[node][1] as usize;
        ones += 1;
    }
    Steps { steps, may_end }
}

/// Decodes a string; `None` if it is none. What it becomes is less than twice as long as `coded`.
pub(crate) fn decode(coded: &[u8], out: &mut BytesMut) -> Option<()> {
    out.reserve(coded.len() * 8 / 5);
    let mut node = 0;
    for byte in coded {
        for bits in [byte >> 4, byte & 0xf] {
            let step = &STEPS.steps[usize::from(node)][usize::from(bits)];
            if step.bad {
                return None;
            }
            if let Some(symbol) = step.emits {
                out.put_u8(symbol);
            }
            node = step.to;
        }
    }
    STEPS.may_end[usize::from(node)].then_some(())
}

/// Codes a string. Our answers do not: their few fields are constants.
#[cfg(test)]
pub(super) fn encode(text: &[u8], out: &mut BytesMut) {
    let (mut word, mut bits) = (0_u64, 0);
    for &symbol in text {
        let length = u32::from(LENGTHS[usize::from(symbol)]);
        word = word << length | u64::from(CODES[usize::from(symbol)]);
        bits += length;
        while bits >= 8 {
            bits -= 8;
            out.put_u8((word >> bits) as u8);
        }
    }
    if bits > 0 {
        out.put_u8((word << (8 - bits)) as u8 | 0xff >> bits);
    }
}
