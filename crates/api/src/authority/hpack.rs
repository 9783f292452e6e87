//! As much of HPACK (RFC 7541) as it takes to find one header.

use std::ops::Range;

/// `:authority` in the static table.
const AUTHORITY: usize = 1;

/// Bits to be found at the start of a value, and what takes their place.
struct Change {
    huffman: bool,
    length: u32,
    from: u64,
    to: u64,
}

const CHANGES: [Change; 4] = [
    Change::new(b"http://", b"httpx--", true),
    Change::new(b"http://", b"httpx--", false),
    Change::new(b"https://", b"httpsx--", true),
    Change::new(b"https://", b"httpsx--", false),
];

impl Change {
    const fn new(from: &[u8], to: &[u8], huffman: bool) -> Self {
        let ((from, length), (to, same)) = (coded(from, huffman), coded(to, huffman));
        assert!(length == same, "a change must not change lengths");
        Self { huffman, length, from, to }
    }

    fn make(&self, huffman: bool, value: &mut [u8]) -> bool {
        let mut word = [0; 8];
        let known = value.len().min(word.len());
        word[..known].copy_from_slice(&value[..known]);
        let start = u64::from_be_bytes(word);
        let rest = u64::MAX.checked_shr(self.length).unwrap_or(0);
        if huffman != self.huffman || start & !rest != self.from {
            return false;
        }
        let changed = (self.to | start & rest).to_be_bytes();
        value[..known].copy_from_slice(&changed[..known]);
        true
    }
}

/// `text` as it is on the wire, at the left end of a word, and its length in bits.
const fn coded(text: &[u8], huffman: bool) -> (u64, u32) {
    let (mut word, mut length, mut at) = (0, 0, 0);
    while at < text.len() {
        let (code, bits) = if huffman { huffman_code(text[at]) } else { (text[at], 8) };
        length += bits;
        word |= (code as u64) << (u64::BITS - length);
        at += 1;
    }
    (word, length)
}

/// RFC 7541, appendix B, for the letters needed here: the code and its length in bits.
const fn huffman_code(letter: u8) -> (u8, u32) {
    match letter {
        b's' => (0b0_1000, 5),
        b't' => (0b0_1001, 5),
        b'-' => (0b01_0110, 6),
        b'/' => (0b01_1000, 6),
        b'h' => (0b10_0111, 6),
        b'p' => (0b10_1011, 6),
        b':' => (0b101_1100, 7),
        b'x' => (0b111_1001, 7),
        _ => panic!("the code of this letter is not written down here"),
    }
}

/// Changes a literal `:authority` in a header block if it begins like a URL; says whether it did.
///
/// A block that is cut short or malformed is left as it is from there on. A literal that spells its
/// name out is not found: encoders take a name from the static table.
pub(super) fn change_authority(block: &mut [u8]) -> bool {
    let Some((huffman, value)) = authority(block) else { return false };
    CHANGES.iter().any(|change| change.make(huffman, &mut block[value.clone()]))
}

/// Where the value of the first literal `:authority` is, and whether it is Huffman coded.
fn authority(block: &[u8]) -> Option<(bool, Range<usize>)> {
    let mut cursor = Cursor { block, at: 0 };
    loop {
        // RFC 7541, 6: what a field is, is in its first bits.
        let name = match *block.get(cursor.at)? {
            0x80.. => {
                cursor.integer(7)?;
                continue;
            }
            0x40.. => cursor.integer(6)?,
            0x20.. => {
                cursor.integer(5)?;
                continue;
            }
            _ => cursor.integer(4)?,
        };
        if name == 0 {
            cursor.string()?;
        }
        let value = cursor.string()?;
        if name == AUTHORITY {
            return Some(value);
        }
    }
}

struct Cursor<'a> {
    block: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.block.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// RFC 7541, 5.1; no number here needs more than two bytes beyond the prefix.
    fn integer(&mut self, prefix: u32) -> Option<usize> {
        let most = (1 << prefix) - 1;
        let mut number = usize::from(self.byte()?) & most;
        if number < most {
            return Some(number);
        }
        for shift in [0, 7] {
            let byte = usize::from(self.byte()?);
            number += (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// RFC 7541, 5.2.
    fn string(&mut self) -> Option<(bool, Range<usize>)> {
        let huffman = *self.block.get(self.at)? >= 0x80;
        let length = self.integer(7)?;
        let value = self.at..self.at + length;
        self.at = value.end;
        (value.end <= self.block.len()).then_some((huffman, value))
    }
}
