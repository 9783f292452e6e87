//! Messages written byte by byte, from the format as documented, so that tests can say what no
//! correct replica would.

use consensus::{Error, Message, MessageKind};
use types::{Entry, EntryKind, Index, Term};

#[derive(Clone, Debug, Default)]
pub(crate) struct Craft {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) to: u64,
    pub(crate) from: u64,
    pub(crate) term: u64,
    pub(crate) log_term: u64,
    pub(crate) index: u64,
    pub(crate) commit: u64,
    pub(crate) commit_term: u64,
    pub(crate) hint: u64,
    pub(crate) entries: Vec<Entry>,
    pub(crate) context: Vec<u8>,
    /// index, term, voters
    pub(crate) snapshot: (u64, u64, Vec<u64>),
}

impl Craft {
    pub(crate) fn new(kind: MessageKind, from: u64, to: u64, term: u64) -> Self {
        Self { kind: kind as u8, from, to, term, ..Self::default() }
    }

    /// An append after `(index, log_term)`.
    pub(crate) fn append(
        (from, to, term): (u64, u64, u64),
        (index, log_term): (u64, u64),
        entries: Vec<Entry>,
        commit: u64,
    ) -> Message {
        let base = Self::new(MessageKind::Append, from, to, term);
        Self { index, log_term, entries, commit, ..base }.message()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = vec![1, self.kind, self.flags];
        for field in [
            self.to,
            self.from,
            self.term,
            self.log_term,
            self.index,
            self.commit,
            self.commit_term,
            self.hint,
        ] {
            number(&mut out, field);
        }
        match MessageKind::from_u8(self.kind) {
            Some(MessageKind::Append) => {
                number(&mut out, self.entries.len() as u64);
                for entry in &self.entries {
                    out.push(u8::from(entry.kind == EntryKind::ConfChange));
                    number(&mut out, entry.term.0);
                    number(&mut out, entry.index.0);
                    chunk(&mut out, &entry.data);
                }
            }
            Some(MessageKind::Snapshot) => {
                let (index, term, voters) = &self.snapshot;
                number(&mut out, *index);
                number(&mut out, *term);
                out.push(0);
                number(&mut out, voters.len() as u64);
                voters.iter().for_each(|voter| number(&mut out, *voter));
                out.extend([0, 0, 0, 0]);
            }
            Some(
                MessageKind::Heartbeat
                | MessageKind::HeartbeatResponse
                | MessageKind::ReadIndex
                | MessageKind::ReadIndexResponse,
            ) => chunk(&mut out, &self.context),
            _ => {}
        }
        out
    }

    pub(crate) fn decode(&self) -> Result<Message, Error> {
        Message::decode(&self.bytes())
    }

    pub(crate) fn message(&self) -> Message {
        self.decode().unwrap()
    }
}

pub(crate) fn entry(index: u64, term: u64, data: &str) -> Entry {
    Entry {
        term: Term(term),
        index: Index(index),
        kind: EntryKind::Normal,
        data: data.to_owned().into(),
    }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
