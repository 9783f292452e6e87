//! From a packet to the packet that answers it.

use super::catalog::Catalog;
use super::order::Order;
use super::resolve::Resolver;
use super::wire::{
    self, Code, MESSAGE_BYTES, PLAIN_UDP_BYTES, Query, Received, Response, UDP_BYTES,
};
use super::zone::Zone;

/// Bytes that a record takes at least.
const RECORD_BYTES: usize = 16;

/// By what it came, and so how long an answer may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    Udp,
    Tcp,
}

impl Over {
    fn bytes(self, query: &Query) -> usize {
        match self {
            Self::Tcp => MESSAGE_BYTES,
            Self::Udp => query.extension.map_or(PLAIN_UDP_BYTES, |extension| {
                usize::from(extension.udp_bytes).clamp(PLAIN_UDP_BYTES, UDP_BYTES)
            }),
        }
    }
}

/// The answer, and how it went; `None` for what gets none.
pub(super) async fn respond<C: Catalog>(
    packet: &[u8],
    over: Over,
    zone: &Zone,
    catalog: &C,
    order: &mut Order,
    serial: u32,
) -> Option<(Vec<u8>, Code)> {
    let query = match wire::read(packet) {
        Received::Nothing => return None,
        Received::Refused(answer, code) => return Some((answer, code)),
        Received::Query(query) => query,
    };
    let bytes = over.bytes(&query);
    let response = if query.extension.is_some_and(|extension| extension.version != 0) {
        Response::failed(Code::BadVersion)
    } else if !query.is_internet() {
        Response::failed(Code::Refused)
    } else {
        let most = bytes / RECORD_BYTES;
        Resolver::new(zone, catalog, order, serial, most).resolve(&query).await
    };
    Some((wire::write(&query, &response, bytes), response.code))
}
