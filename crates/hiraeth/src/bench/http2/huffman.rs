//! RFC 7541, appendix B. The code is canonical, so the lengths say it all: among codes of one length
//! they follow the order of the letters, and a longer one goes on where the shorter ones ended.

const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
const LONGEST: usize = 30;

struct Code {
    /// Letters by code.
    letters: [u8; 256],
    /// By length: the first code, and how many letters come before it.
    first: [u32; LONGEST + 1],
    before: [u16; LONGEST + 2],
}

const CODE: Code = Code::new();

impl Code {
    const fn new() -> Self {
        let mut code =
            Self { letters: [0; 256], first: [0; LONGEST + 1], before: [0; LONGEST + 2] };
        let (mut length, mut next, mut count) = (1, 0, 0);
        while length <= LONGEST {
            next <<= 1;
            code.first[length] = next;
            code.before[length] = count as u16;
            let mut letter = 0;
            while letter < LENGTHS.len() {
                if LENGTHS[letter] as usize == length {
                    code.letters[count] = letter as u8;
                    count += 1;
                    next += 1;
                }
                letter += 1;
            }
            length += 1;
        }
        code.before[LONGEST + 1] = count as u16;
        code
    }
}

/// The text `coded` stands for; `None` if it stands for nothing.
pub(super) fn decode(coded: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(coded.len() * 8 / 5);
    let (mut code, mut length) = (0_u32, 0);
    for bit in coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        if length > LONGEST {
            return None;
        }
        let letters = CODE.before[length + 1] - CODE.before[length];
        let Some(rank) = code.checked_sub(CODE.first[length]) else { continue };
        if rank < u32::from(letters) {
            text.push(CODE.letters[usize::from(CODE.before[length]) + rank as usize]);
            (code, length) = (0, 0);
        }
    }
    // The rest of the last byte is filled with ones.
    (length < 8 && code == (1 << length) - 1).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::decode;

    /// RFC 7541, C.4 and C.6.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let www = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decode(&www).unwrap(), b"www.example.com");
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b,
            0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(decode(&date).unwrap(), b"Mon, 21 Oct 2013 20:13:21 GMT");
        assert_eq!(decode(&[0x07]).unwrap(), b"0", "five bits, three of filling");
        assert_eq!(decode(&[0x00]), None, "filled with zeros");
        assert_eq!(decode(&[0xff; 5]), None, "longer than any code");
    }
}
