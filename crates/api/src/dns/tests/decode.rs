//! Messages as a client reads them: with pointers followed, and every byte accounted for.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A message read as text, as `dig` would print it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Read {
    pub(super) id: u16,
    pub(super) code: u16,
    pub(super) authoritative: bool,
    pub(super) truncated: bool,
    pub(super) recursion_desired: bool,
    pub(super) question: Option<String>,
    /// Answers, authority, additional; without the extension.
    pub(super) sections: [Vec<String>; 3],
    /// The size in the extension.
    pub(super) extension: Option<u16>,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.at += N;
        self.bytes[self.at - N..self.at].try_into().unwrap()
    }

    fn short(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn long(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn name(&mut self) -> String {
        let mut text = String::new();
        let (mut at, mut jumped) = (self.at, false);
        loop {
            let length = usize::from(self.bytes[at]);
            if length >= 0xc0 {
                let target = (length & 0x3f) << 8 | usize::from(self.bytes[at + 1]);
                assert!(target < at, "a pointer leads back");
                self.at = if jumped { self.at } else { at + 2 };
                (at, jumped) = (target, true);
                continue;
            }
            at += 1 + length;
            if length == 0 {
                self.at = if jumped { self.at } else { at };
                return if text.is_empty() { ".".to_owned() } else { text };
            }
            text += &self.bytes[at - length..at].escape_ascii().to_string();
            text.push('.');
        }
    }

    fn data(&mut self, kind: u16, end: usize) -> String {
        match kind {
            1 => format!("A {}", Ipv4Addr::from(self.take::<4>())),
            28 => format!("AAAA {}", Ipv6Addr::from(self.take::<16>())),
            2 => format!("NS {}", self.name()),
            5 => format!("CNAME {}", self.name()),
            6 => {
                let (primary, mailbox) = (self.name(), self.name());
                let numbers = [(); 5].map(|()| self.long().to_string()).join(" ");
                format!("SOA {primary} {mailbox} {numbers}")
            }
            16 => {
                let mut pieces = Vec::new();
                while self.at < end {
                    let [length] = self.take::<1>();
                    let piece = &self.bytes[self.at..self.at + usize::from(length)];
                    self.at += piece.len();
                    pieces.push(format!("{:?}", String::from_utf8_lossy(piece)));
                }
                format!("TXT {}", pieces.join(" "))
            }
            33 => {
                let numbers = [(); 3].map(|()| self.short().to_string()).join(" ");
                format!("SRV {numbers} {}", self.name())
            }
            other => panic!("a record of type {other}"),
        }
    }
}

pub(super) fn decode(bytes: &[u8]) -> Read {
    let mut cursor = Cursor { bytes, at: 0 };
    let [id, flags] = [(); 2].map(|()| cursor.short());
    let counts = [(); 4].map(|()| cursor.short());
    assert_eq!(flags & 0x8000, 0x8000, "an answer");
    let mut read = Read {
        id,
        code: flags & 0x0f,
        authoritative: flags & 0x0400 != 0,
        truncated: flags & 0x0200 != 0,
        recursion_desired: flags & 0x0100 != 0,
        ..Read::default()
    };
    if counts[0] == 1 {
        read.question = Some(format!("{} {} {}", cursor.name(), cursor.short(), cursor.short()));
    }
    for (section, count) in counts[1..].iter().enumerate() {
        for _ in 0..*count {
            let (name, kind, class, ttl) =
                (cursor.name(), cursor.short(), cursor.short(), cursor.long());
            let end = usize::from(cursor.short()) + cursor.at;
            if kind == 41 {
                assert_eq!(read.extension.replace(class), None, "one extension");
                read.code |= u16::try_from(ttl >> 24).unwrap() << 4;
            } else {
                assert_eq!(class, 1);
                let data = cursor.data(kind, end);
                read.sections[section].push(format!("{name} {ttl} {data}"));
            }
            assert_eq!(cursor.at, end, "the data is as long as it says");
        }
    }
    assert_eq!(cursor.at, bytes.len(), "nothing is left");
    read
}
