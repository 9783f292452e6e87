//! What comes in.

use super::{CLASS_ANY, CLASS_IN, Code, HEADER_BYTES, Name, kind};

/// Records after the question that are walked over to find the extension; more is no query.
const RECORDS: u16 = 8;
const IS_ANSWER: u8 = 0x80;
const OPCODE: u8 = 0x78;
const RECURSION_DESIRED: u8 = 0x01;
const CHECKING_DISABLED: u8 = 0x10;

/// What a packet is.
#[derive(Debug)]
pub(in crate::dns) enum Received {
    /// Nothing that an answer could be sent to.
    Nothing,
    /// A query that cannot be read, or of a kind that is not served; answered by this packet.
    Refused(Vec<u8>, Code),
    Query(Query),
}

/// One question.
#[derive(Debug)]
pub(in crate::dns) struct Query {
    pub(super) id: u16,
    pub(super) recursion_desired: bool,
    pub(super) checking_disabled: bool,
    pub(in crate::dns) name: Name,
    /// Which type of records.
    pub(in crate::dns) kind: u16,
    pub(super) class: u16,
    pub(in crate::dns) extension: Option<Extension>,
}

/// An OPT record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dns) struct Extension {
    /// Bytes of an answer over UDP that are taken.
    pub(in crate::dns) udp_bytes: u16,
    pub(in crate::dns) version: u8,
}

impl Query {
    /// Whether its class is the one there is.
    pub(in crate::dns) fn is_internet(&self) -> bool {
        matches!(self.class, CLASS_IN | CLASS_ANY)
    }

    /// Whether records of this type are asked for.
    pub(in crate::dns) fn wants(&self, kind: u16) -> bool {
        self.kind == kind || self.kind == kind::ANY
    }
}

pub(in crate::dns) fn read(packet: &[u8]) -> Received {
    let Some((header, _)) = packet.split_first_chunk::<HEADER_BYTES>() else {
        return Received::Nothing;
    };
    // To answer an answer is how two servers talk for ever.
    if header[2] & IS_ANSWER != 0 {
        return Received::Nothing;
    }
    if header[2] & OPCODE != 0 {
        return refused(header, Code::NotImplemented);
    }
    match query(header, packet) {
        Some(query) => Received::Query(query),
        None => refused(header, Code::FormatError),
    }
}

/// A header that says why, with nothing behind it.
fn refused(header: &[u8; HEADER_BYTES], code: Code) -> Received {
    let mut packet = header[..2].to_vec();
    packet.push(IS_ANSWER | header[2] & (OPCODE | RECURSION_DESIRED));
    packet.push(code.low());
    packet.resize(HEADER_BYTES, 0);
    Received::Refused(packet, code)
}

fn query(header: &[u8; HEADER_BYTES], packet: &[u8]) -> Option<Query> {
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let [questions, answers, authority, additional] = [4, 6, 8, 10].map(count);
    let records = answers.checked_add(authority)?.checked_add(additional)?;
    if questions != 1 || records > RECORDS {
        return None;
    }
    let mut at = HEADER_BYTES;
    let name = Name::read(packet, &mut at)?;
    let (kind, class) = (number(packet, &mut at)?, number(packet, &mut at)?);
    let mut extension = None;
    for _ in 0..records {
        if let Some(found) = record(packet, &mut at)?
            && extension.replace(found).is_some()
        {
            return None;
        }
    }
    Some(Query {
        id: u16::from_be_bytes([header[0], header[1]]),
        recursion_desired: header[2] & RECURSION_DESIRED != 0,
        checking_disabled: header[3] & CHECKING_DISABLED != 0,
        name,
        kind,
        class,
        extension,
    })
}

/// Steps over a record; answers what it says, if it is the extension.
fn record(packet: &[u8], at: &mut usize) -> Option<Option<Extension>> {
    let is_root = *packet.get(*at)? == 0;
    skip_name(packet, at)?;
    let (kind, class) = (number(packet, at)?, number(packet, at)?);
    let [_, version, _, _] = *packet.get(*at..)?.first_chunk::<4>()?;
    *at += 4;
    let length = number(packet, at)?;
    *at += usize::from(length);
    packet.get(..*at)?;
    let extension = Extension { udp_bytes: class, version };
    Some((kind == kind::OPT && is_root).then_some(extension))
}

/// A name ends with the root or with a pointer, which is not followed.
fn skip_name(packet: &[u8], at: &mut usize) -> Option<()> {
    loop {
        let length = *packet.get(*at)?;
        *at += 1;
        match length {
            0 => return Some(()),
            1..=63 => *at += usize::from(length),
            0xc0.. => {
                *at += 1;
                return Some(());
            }
            _ => return None,
        }
    }
}

fn number(packet: &[u8], at: &mut usize) -> Option<u16> {
    let bytes = packet.get(*at..)?.first_chunk::<2>()?;
    *at += 2;
    Some(u16::from_be_bytes(*bytes))
}
