//! What was asked over DNS.

use super::text::{Kind::Counter, Text};
use crate::dns::QUERIES;

pub(super) fn write(text: &mut Text) {
    let name = "hiraeth_dns_answers_total";
    text.family(name, Counter, "Answers to DNS queries, by transport and code.");
    for (transport, code, count) in QUERIES.read() {
        text.value(name, &[("transport", transport), ("code", code)], count);
    }
}
