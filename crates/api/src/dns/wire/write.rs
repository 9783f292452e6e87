//! What goes out.

use std::collections::BTreeSet;

use super::encoder::Encoder;
use super::{HEADER_BYTES, Query, Record, UDP_BYTES, kind};

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::dns) enum Code {
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    /// There is no such name.
    NameError = 3,
    NotImplemented = 4,
    Refused = 5,
    /// An extension of a version that is not known.
    BadVersion = 16,
}

impl Code {
    /// What of it goes into the header.
    pub(super) fn low(self) -> u8 {
        self as u8 & 0x0f
    }

    /// What of it goes into the extension.
    fn high(self) -> u8 {
        self as u8 >> 4
    }
}

/// A record of the answer, and what is to go along with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::dns) struct Answer {
    pub(in crate::dns) record: Record,
    /// Addresses of the name it leads to.
    pub(in crate::dns) glue: Vec<Record>,
}

/// An answer before it is bounded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::dns) struct Response {
    pub(in crate::dns) code: Code,
    /// Whether the name is ours to tell of.
    pub(in crate::dns) authoritative: bool,
    pub(in crate::dns) answers: Vec<Answer>,
    pub(in crate::dns) authority: Vec<Record>,
}

impl Response {
    pub(in crate::dns) fn failed(code: Code) -> Self {
        Self { code, authoritative: false, answers: Vec::new(), authority: Vec::new() }
    }
}

/// The packet, of at most `bytes`: as many answers as fit, each with its glue, and the mark that there
/// are more.
pub(in crate::dns) fn write(query: &Query, response: &Response, bytes: usize) -> Vec<u8> {
    let whole = attempt(query, response, response.answers.len(), false);
    if whole.len() <= bytes {
        return whole;
    }
    let fits = |count: usize| attempt(query, response, count, true).len() <= bytes;
    let (mut fitting, mut too_many) = (0, response.answers.len());
    while too_many - fitting > 1 {
        let middle = fitting.midpoint(too_many);
        if fits(middle) { fitting = middle } else { too_many = middle }
    }
    attempt(query, response, fitting, true)
}

fn attempt(query: &Query, response: &Response, count: usize, is_cut: bool) -> Vec<u8> {
    let answers = &response.answers[..count.min(response.answers.len())];
    let authority = if is_cut { &[][..] } else { &response.authority };
    let mut seen = BTreeSet::new();
    let mut glue: Vec<&Record> = answers.iter().flat_map(|answer| &answer.glue).collect();
    glue.retain(|record| seen.insert(*record));
    let mut encoder = Encoder::new(&[0; HEADER_BYTES]);
    encoder.name(&query.name, true);
    encoder.number(query.kind);
    encoder.number(query.class);
    answers.iter().for_each(|answer| encoder.record(&answer.record));
    authority.iter().for_each(|record| encoder.record(record));
    glue.iter().for_each(|record| encoder.record(record));
    let mut additional = glue.len();
    if query.extension.is_some() {
        additional += 1;
        extension(&mut encoder, response.code);
    }
    let mut bytes = encoder.finish();
    let counts = [1, answers.len(), authority.len(), additional];
    header(&mut bytes, query, response, is_cut, counts);
    bytes
}

fn header(bytes: &mut [u8], query: &Query, response: &Response, is_cut: bool, counts: [usize; 4]) {
    let mark = |is: bool, bit: u8| if is { bit } else { 0 };
    bytes[..2].copy_from_slice(&query.id.to_be_bytes());
    bytes[2] = 0x80
        | mark(response.authoritative, 0x04)
        | mark(is_cut, 0x02)
        | mark(query.recursion_desired, 0x01);
    bytes[3] = mark(query.checking_disabled, 0x10) | response.code.low();
    for (at, count) in counts.into_iter().enumerate() {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        bytes[4 + 2 * at..6 + 2 * at].copy_from_slice(&count.to_be_bytes());
    }
}

fn extension(encoder: &mut Encoder, code: Code) {
    encoder.raw(&[0]);
    encoder.number(kind::OPT);
    encoder.number(u16::try_from(UDP_BYTES).unwrap_or(u16::MAX));
    encoder.raw(&[code.high(), 0, 0, 0]);
    encoder.number(0);
}
