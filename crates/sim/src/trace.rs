//! What happened, in order: numbers first, so that a run without `--trace` costs no formatting; a
//! hash over all of it, so that two runs are compared by one number.

use core::fmt;
use std::collections::VecDeque;

/// Lines kept to be shown with a failure.
const KEPT: usize = 80;

/// One event.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) at: u64,
    pub(crate) node: u64,
    pub(crate) what: &'static str,
    pub(crate) numbers: [u64; 4],
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.at / 1_000_000, self.at % 1_000_000);
        write!(f, "{seconds:3}.{micros:06} n{} {}", self.node, self.what)?;
        for number in self.numbers {
            write!(f, " {number}")?;
        }
        Ok(())
    }
}

/// The trace of a run.
#[derive(Default)]
pub(crate) struct Trace {
    hash: u64,
    lines: u64,
    last: VecDeque<Line>,
    /// All lines, if they were asked for.
    all: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(keep_all: bool) -> Self {
        Self { all: keep_all.then(Vec::new), ..Self::default() }
    }

    pub(crate) fn note(&mut self, line: Line) {
        self.lines += 1;
        let word = line.what.bytes().fold(0, |sum, byte| mix(sum, u64::from(byte)));
        for number in [line.at, line.node, word].into_iter().chain(line.numbers) {
            self.hash = mix(self.hash, number);
        }
        if let Some(all) = &mut self.all {
            all.push(line.to_string());
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines, for a report.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.last.iter().map(Line::to_string).collect()
    }

    pub(crate) fn take_all(&mut self) -> Vec<String> {
        self.all.take().unwrap_or_default()
    }
}

/// Adds a number to a hash; the same on every machine and for ever.
pub(crate) fn mix(hash: u64, number: u64) -> u64 {
    let mut mixed = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^= mixed >> 29;
    mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9).rotate_left(17)
}

/// A hash of bytes.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut sum = mix(0, bytes.len() as u64);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        sum = mix(sum, u64::from_le_bytes(word));
    }
    sum
}
