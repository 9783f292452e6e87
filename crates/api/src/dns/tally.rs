//! How many queries were answered, and how.

use std::sync::atomic::{AtomicU64, Ordering};

use super::respond::Over;
use super::wire::Code;

/// Answers since the process began, by what they went over and their code.
pub(crate) static QUERIES: Tally = Tally([const { AtomicU64::new(0) }; OVER.len() * CODES.len()]);

const OVER: [(Over, &str); 2] = [(Over::Udp, "udp"), (Over::Tcp, "tcp")];
/// By the names that tools print.
const CODES: [(Code, &str); 7] = [
    (Code::NoError, "NOERROR"),
    (Code::FormatError, "FORMERR"),
    (Code::ServerFailure, "SERVFAIL"),
    (Code::NameError, "NXDOMAIN"),
    (Code::NotImplemented, "NOTIMP"),
    (Code::Refused, "REFUSED"),
    (Code::BadVersion, "BADVERS"),
];

pub(crate) struct Tally([AtomicU64; OVER.len() * CODES.len()]);

impl Tally {
    pub(super) fn count(&self, over: Over, code: Code) {
        let series = OVER.iter().flat_map(|(over, _)| CODES.map(|(code, _)| (*over, code)));
        if let Some((count, _)) = self.0.iter().zip(series).find(|(_, it)| *it == (over, code)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Transport, code and how many, for each there is.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let series = OVER.iter().flat_map(|(_, over)| CODES.map(|(_, code)| (*over, code)));
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        series.zip(counts).map(|((over, code), count)| (over, code, count))
    }
}
