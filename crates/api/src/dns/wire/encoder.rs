//! Bytes of a message, with names that were there already pointed at.

use std::collections::BTreeMap;

use super::{CLASS_IN, Data, HEADER_BYTES, Name, Record};

/// Pointers have 14 bits.
const POINTERS: usize = 1 << 14;
const TXT_BYTES: usize = 255;

pub(super) struct Encoder {
    bytes: Vec<u8>,
    /// Where each ending of a name begins, in small letters.
    endings: BTreeMap<Vec<u8>, u16>,
}

impl Encoder {
    pub(super) fn new(header: &[u8; HEADER_BYTES]) -> Self {
        Self { bytes: header.to_vec(), endings: BTreeMap::new() }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn number(&mut self, number: u16) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn long(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A name; its ending is a pointer if it was there before and `may_point`.
    pub(super) fn name(&mut self, name: &Name, may_point: bool) {
        let mut rest = name.wire();
        while let Some((length, _)) = rest.split_first() {
            let ending = rest.to_ascii_lowercase();
            match self.endings.get(&ending) {
                Some(at) if may_point => return self.number(0xc000 | at),
                Some(_) => {}
                None => {
                    if let Ok(at) = u16::try_from(self.bytes.len())
                        && usize::from(at) < POINTERS
                    {
                        self.endings.insert(ending, at);
                    }
                }
            }
            let (label, after) = rest.split_at((1 + usize::from(*length)).min(rest.len()));
            self.bytes.extend_from_slice(label);
            rest = after;
        }
        self.bytes.push(0);
    }

    pub(super) fn record(&mut self, record: &Record) {
        self.name(&record.name, true);
        self.number(record.data.kind());
        self.number(CLASS_IN);
        self.long(record.ttl);
        let at = self.bytes.len();
        self.number(0);
        self.data(&record.data);
        // What is longer than a message is cut off by who bounds the message.
        let length = u16::try_from(self.bytes.len() - at - 2).unwrap_or(u16::MAX);
        self.bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn data(&mut self, data: &Data) {
        match data {
            Data::A(address) => self.raw(&address.octets()),
            Data::Aaaa(address) => self.raw(&address.octets()),
            Data::Cname(name) | Data::Ns(name) => self.name(name, true),
            Data::Soa(soa) => {
                self.name(&soa.primary, true);
                self.name(&soa.mailbox, true);
                for number in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] {
                    self.long(number);
                }
            }
            Data::Srv { priority, weight, port, target } => {
                for number in [*priority, *weight, *port] {
                    self.number(number);
                }
                // RFC 2782 wants no pointer here.
                self.name(target, false);
            }
            Data::Txt(text) if text.is_empty() => self.bytes.push(0),
            Data::Txt(text) => {
                for piece in text.chunks(TXT_BYTES) {
                    self.bytes.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
                    self.raw(piece);
                }
            }
        }
    }
}
